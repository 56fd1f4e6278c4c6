import { Context } from "effect"
import { HttpApiMiddleware, HttpApiSecurity } from "effect/http-api"
import {
  BodyTooLargeProblem,
  InternalErrorProblem,
  InvalidInputProblem,
  UnauthorizedProblem,
  UnavailableProblem,
  UnsupportedMediaTypeProblem
} from "./Problems.ts"

/** Who asks, as the events of the command will say it. */
export class Principal extends Context.Service<Principal, string>()("kintsugi/http/Principal") {}

/** What a principal may do: `viewer` reads, `operator` also steers runs and recoveries, `admin` does everything. */
export type Role = "viewer" | "operator" | "admin"

/**
 * An endpoint's annotation: the least role that may call it. Without one, a GET needs `viewer` and everything else
 * `operator`.
 */
export class RequiredRole extends Context.Service<RequiredRole, Role>()("kintsugi/http/RequiredRole") {}

/** A bearer token; provides the principal that it belongs to. A client made from the API must bring its own half. */
export class Authorization extends HttpApiMiddleware.Service<Authorization, { provides: Principal }>()(
  "kintsugi/http/Authorization",
  { security: { bearer: HttpApiSecurity.bearer }, requiredForClient: true, error: UnauthorizedProblem }
) {}

/** What every route of the API can answer: a request that its schemas refuse, a late engine, a defect. */
export class RequestRules extends HttpApiMiddleware.Service<RequestRules>()("kintsugi/http/RequestRules", {
  error: [InvalidInputProblem, InternalErrorProblem, UnavailableProblem]
}) {}

/** What routes with a body demand of it before its schema is asked: JSON, in UTF-8, of a bounded size. */
export class BodyRules extends HttpApiMiddleware.Service<BodyRules>()("kintsugi/http/BodyRules", {
  error: [InvalidInputProblem, BodyTooLargeProblem, UnsupportedMediaTypeProblem]
}) {}
