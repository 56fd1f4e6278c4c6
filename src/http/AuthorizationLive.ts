import { Effect, Layer, Redacted, type Types } from "effect"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import { Authorization, Principal } from "./api/Guards.ts"
import { UnauthorizedProblem } from "./api/Problems.ts"
import { Authenticate } from "./Authenticate.ts"

/** Lets in whom `Authenticate` knows. */
export const layer: Layer.Layer<Authorization, never, Authenticate> = Layer.effect(
  Authorization,
  Effect.map(Authenticate, ({ identify }) => ({
    bearer: (httpEffect, { credential }) =>
      Effect.flatMap(
        identify(credential),
        (identity): Effect.Effect<HttpServerResponse, Types.unhandled | UnauthorizedProblem> =>
          identity === null
            ? Effect.fail(unauthorized(Redacted.value(credential) === ""))
            : Effect.provideService(httpEffect, Principal, identity.principal)
      )
  }))
)

const unauthorized = (isAbsent: boolean) =>
  new UnauthorizedProblem({
    detail: isAbsent ? "Send the token as Authorization: Bearer <token>" : "The bearer token is not valid"
  })
