import { Effect, Layer, Redacted } from "effect"
import { createHash, timingSafeEqual } from "node:crypto"
import { Authorization, Principal } from "./api/Guards.ts"
import { UnauthorizedProblem } from "./api/Problems.ts"

const digest = (text: string) => createHash("sha256").update(text).digest()

/** One admin token. Both sides are hashed first, so that neither length nor content shows in the time it takes. */
export const layer = (token: Redacted.Redacted): Layer.Layer<Authorization> => {
  const expected = digest(Redacted.value(token))
  return Layer.succeed(Authorization, {
    bearer: (httpEffect, { credential }) =>
      timingSafeEqual(digest(Redacted.value(credential)), expected)
        ? Effect.provideService(httpEffect, Principal, "admin")
        : Effect.fail(
            new UnauthorizedProblem({
              detail:
                Redacted.value(credential) === ""
                  ? "Send the token as Authorization: Bearer <token>"
                  : "The bearer token is not valid"
            })
          )
  })
}
