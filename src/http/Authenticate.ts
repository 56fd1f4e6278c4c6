import { Context, Effect, Layer, Redacted } from "effect"
import { createHash, timingSafeEqual } from "node:crypto"
import type { Role } from "../domain/Role.ts"
import type { UnavailableProblem } from "./api/Problems.ts"

/** Who a credential belongs to. `principal` is what the events of a command will say. */
export interface Identity {
  readonly principal: string
  /** null: known, and not allowed to do anything. */
  readonly role: Role | null
}

/** Knows whose a credential is: for bearer tokens of the API and for the cookie of the admin page alike. */
export class Authenticate extends Context.Service<
  Authenticate,
  {
    /** null: nobody's, expired or revoked. Fails when it cannot be found out now: the issuer's keys are away. */
    readonly identify: (credential: Redacted.Redacted) => Effect.Effect<Identity | null, UnavailableProblem>
  }
>()("kintsugi/http/Authenticate") {
  /** One admin token. Both sides are hashed first, so that neither length nor content shows in the time it takes. */
  static readonly layerOneToken = (token: Redacted.Redacted): Layer.Layer<Authenticate> => {
    const expected = digest(Redacted.value(token))
    return Layer.succeed(Authenticate, {
      identify: (credential) =>
        Effect.sync(() =>
          timingSafeEqual(digest(Redacted.value(credential)), expected) ? { principal: "admin", role: "admin" } : null
        )
    })
  }
}

const digest = (text: string) => createHash("sha256").update(text).digest()
