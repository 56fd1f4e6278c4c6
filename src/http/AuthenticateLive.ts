import { Effect, Layer, type Redacted } from "effect"
import { Tokens } from "../actors/Tokens.ts"
import { TokenUses } from "../projections/TokenUses.ts"
import { Authenticate } from "./Authenticate.ts"
import * as Oidc from "./Oidc.ts"

/** Whom this server knows. */
export interface Known {
  /** Of the environment or the data directory: `admin`, whatever else there is. */
  readonly adminToken: Redacted.Redacted
  /** null: nobody signs in by an issuer. */
  readonly oidc: Oidc.OidcSettings | null
}

/** Asks, in this order: the admin token, the API tokens, the issuer of JSON Web Tokens. */
export const layer = ({ adminToken, oidc }: Known): Layer.Layer<Authenticate, never, Tokens | TokenUses> =>
  Layer.effect(
    Authenticate,
    Effect.gen(function* () {
      const admin = yield* Authenticate
      const tokens = yield* Tokens
      const uses = yield* TokenUses
      const byIssuer = oidc === null ? null : Oidc.make(oidc)
      return {
        identify: Effect.fnUntraced(function* (credential: Redacted.Redacted) {
          const asAdmin = yield* admin.identify(credential)
          if (asAdmin !== null) return asAdmin
          const token = yield* tokens.identify(credential)
          if (token !== null) {
            yield* uses.note(token.id)
            return { principal: `token:${token.id}`, role: token.role }
          }
          return byIssuer === null ? null : yield* byIssuer.identify(credential)
        })
      }
    })
  ).pipe(Layer.provide(Authenticate.layerOneToken(adminToken)))
