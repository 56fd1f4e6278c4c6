import { Context } from "effect"
import { type HttpApiEndpoint, HttpApiMiddleware, HttpApiSecurity } from "effect/http-api"
import { mayAct, type Role, roles } from "../../domain/Role.ts"
import {
  BodyTooLargeProblem,
  ForbiddenProblem,
  InternalErrorProblem,
  InvalidInputProblem,
  RateLimitedProblem,
  UnauthorizedProblem,
  UnavailableProblem,
  UnsupportedMediaTypeProblem
} from "./Problems.ts"

/** Who asks, as the events of the command will say it. */
export class Principal extends Context.Service<Principal, string>()("kintsugi/http/Principal") {}

export { mayAct, type Role, roles }

/**
 * An endpoint's annotation: the least role that may call it. Without one, a GET needs `viewer` and everything else
 * `operator`.
 */
export class RequiredRole extends Context.Service<RequiredRole, Role>()("kintsugi/http/RequiredRole") {}

/** The role of who asks: for handlers in which a detail of the command needs more than its route does. */
export class PrincipalRole extends Context.Service<PrincipalRole, Role>()("kintsugi/http/PrincipalRole") {}

/** The least role that may call the endpoint. */
export const roleFor = (endpoint: Pick<HttpApiEndpoint.Top, "method" | "annotations">): Role =>
  Context.getOrElse(endpoint.annotations, RequiredRole, () => (endpoint.method === "GET" ? "viewer" : "operator"))

/**
 * A bearer token; provides the principal that it belongs to and its role, which must be enough for the endpoint. A
 * client made from the API must bring its own half.
 */
export class Authorization extends HttpApiMiddleware.Service<Authorization, { provides: Principal | PrincipalRole }>()(
  "kintsugi/http/Authorization",
  {
    security: { bearer: HttpApiSecurity.bearer },
    requiredForClient: true,
    error: [UnauthorizedProblem, ForbiddenProblem, RateLimitedProblem, UnavailableProblem]
  }
) {}

/** What every route of the API can answer: a request that its schemas refuse, a late engine, a defect. */
export class RequestRules extends HttpApiMiddleware.Service<RequestRules>()("kintsugi/http/RequestRules", {
  error: [InvalidInputProblem, InternalErrorProblem, UnavailableProblem]
}) {}

/** What routes with a body demand of it before its schema is asked: JSON, in UTF-8, of a bounded size. */
export class BodyRules extends HttpApiMiddleware.Service<BodyRules>()("kintsugi/http/BodyRules", {
  error: [InvalidInputProblem, BodyTooLargeProblem, UnsupportedMediaTypeProblem]
}) {}
