import { Schema } from "effect"
import { HttpApiError } from "effect/http-api"

/**
 * The errors of the API as RFC 9457 problems. `code` is the stable word for programs, `type` the same word as a URN.
 * A problem's own `status` is the HTTP status; the status of the thing that it is about is `currentStatus`.
 */
const type = <const Code extends string>(code: Code) => `urn:kintsugi:problem:${code}` as const

/** One fault of a request: in which part of it, where there (`steps[0].id`), and what would be right. */
export const Fault = Schema.Struct({
  in: Schema.Literals(["path", "query", "header", "body"]),
  path: Schema.String,
  message: Schema.String
})
export type Fault = typeof Fault.Type

export class InvalidInputProblem extends HttpApiError.Problem<InvalidInputProblem>()(
  "InvalidInputProblem",
  { type: type("invalid_input"), status: 400, title: "The request is not valid" },
  { code: Schema.tag("invalid_input"), errors: Schema.Array(Fault) }
) {}

export class UnauthorizedProblem extends HttpApiError.Problem<UnauthorizedProblem>()(
  "UnauthorizedProblem",
  { type: type("unauthorized"), status: 401, title: "A valid bearer token is needed" },
  { code: Schema.tag("unauthorized") }
) {}

/** The principal is known, and its role is not enough. `role` is null for one that has none. */
export class ForbiddenProblem extends HttpApiError.Problem<ForbiddenProblem>()(
  "ForbiddenProblem",
  { type: type("forbidden"), status: 403, title: "The role is not enough" },
  { code: Schema.tag("forbidden"), requiredRole: Schema.String, role: Schema.NullOr(Schema.String) }
) {}

export class NotFoundProblem extends HttpApiError.Problem<NotFoundProblem>()(
  "NotFoundProblem",
  { type: type("not_found"), status: 404, title: "There is no such thing" },
  { code: Schema.tag("not_found"), kind: Schema.String, id: Schema.String }
) {}

/** The thing's status does not allow the command. */
export class IllegalTransitionProblem extends HttpApiError.Problem<IllegalTransitionProblem>()(
  "IllegalTransitionProblem",
  { type: type("illegal_transition"), status: 409, title: "The current status does not allow this" },
  { code: Schema.tag("illegal_transition"), command: Schema.String, currentStatus: Schema.String }
) {}

/** What a run used is not what is current now: a replay would not be the same again. */
export class StaleInputsProblem extends HttpApiError.Problem<StaleInputsProblem>()(
  "StaleInputsProblem",
  { type: type("stale_inputs"), status: 409, title: "Inputs of the run have newer generations" },
  {
    code: Schema.tag("stale_inputs"),
    inputs: Schema.Array(
      Schema.Struct({
        assetId: Schema.String,
        partitionKey: Schema.NullOr(Schema.String),
        recorded: Schema.Int,
        current: Schema.Int
      })
    )
  }
) {}

export class DefinedByAppProblem extends HttpApiError.Problem<DefinedByAppProblem>()(
  "DefinedByAppProblem",
  { type: type("defined_by_app"), status: 409, title: "The app module defines this workflow" },
  { code: Schema.tag("defined_by_app"), slug: Schema.String }
) {}

export class BodyTooLargeProblem extends HttpApiError.Problem<BodyTooLargeProblem>()(
  "BodyTooLargeProblem",
  { type: type("body_too_large"), status: 413, title: "The body is too large" },
  { code: Schema.tag("body_too_large"), maxBytes: Schema.Int }
) {}

export class UnsupportedMediaTypeProblem extends HttpApiError.Problem<UnsupportedMediaTypeProblem>()(
  "UnsupportedMediaTypeProblem",
  { type: type("unsupported_media_type"), status: 415, title: "The body must be JSON" },
  { code: Schema.tag("unsupported_media_type") }
) {}

/** The same Idempotency-Key came before with another body. */
export class KeyReusedProblem extends HttpApiError.Problem<KeyReusedProblem>()(
  "KeyReusedProblem",
  { type: type("idempotency_key_reused"), status: 422, title: "The Idempotency-Key was used with another body" },
  { code: Schema.tag("idempotency_key_reused") }
) {}

/** The principal, or the address with its wrong credentials, asks too often. */
export class RateLimitedProblem extends HttpApiError.Problem<RateLimitedProblem>()(
  "RateLimitedProblem",
  { type: type("rate_limited"), status: 429, title: "Too many requests" },
  { code: Schema.tag("rate_limited"), retryAfterMs: Schema.Int }
) {}

export class InternalErrorProblem extends HttpApiError.Problem<InternalErrorProblem>()(
  "InternalErrorProblem",
  { type: type("internal_error"), status: 500, title: "Something went wrong in the server" },
  { code: Schema.tag("internal_error") }
) {}

/** The log, the host or a read model did not answer in time. A command may still happen. */
export class UnavailableProblem extends HttpApiError.Problem<UnavailableProblem>()(
  "UnavailableProblem",
  { type: type("unavailable"), status: 503, title: "Not available now, try again" },
  { code: Schema.tag("unavailable") }
) {}

/** The list has not reached `minPosition` within the time that a read waits for it. */
export class ProjectionBehindProblem extends HttpApiError.Problem<ProjectionBehindProblem>()(
  "ProjectionBehindProblem",
  { type: type("projection_behind"), status: 503, title: "The list has not reached minPosition yet" },
  { code: Schema.tag("projection_behind"), minPosition: Schema.String }
) {}

/** `GET /readyz` when this process should get no traffic: every reason, by name. */
export class NotReadyProblem extends HttpApiError.Problem<NotReadyProblem>()(
  "NotReadyProblem",
  { type: type("not_ready"), status: 503, title: "Not ready" },
  {
    code: Schema.tag("not_ready"),
    reasons: Schema.Array(Schema.Struct({ name: Schema.String, message: Schema.String }))
  }
) {}
