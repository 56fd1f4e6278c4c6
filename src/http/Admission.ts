import { Clock, Context, Effect, Layer, Option, Redacted } from "effect"
import { HttpEffect, HttpServerRequest, HttpServerResponse } from "effect/http"
import { createHash } from "node:crypto"
import { RateLimitedProblem, UnauthorizedProblem, type UnavailableProblem } from "./api/Problems.ts"
import { Authenticate, type Identity } from "./Authenticate.ts"
import * as TokenBuckets from "./TokenBuckets.ts"

/** How often somebody may ask. 0 in `perSecond` or `failuresPerMinute`: without a limit. */
export interface RateLimits {
  /** Requests of one principal, in the long run. */
  readonly perSecond: number
  /** Requests that it may send at once after a pause. */
  readonly burst: number
  /** Wrong credentials from one address. */
  readonly failuresPerMinute: number
}

/** High enough for scripts and pages that are in order; a loop that has gone wild is slowed down. */
export const rateLimitsDefault: RateLimits = { perSecond: 2_000, burst: 4_000, failuresPerMinute: 600 }

/** Credentials that were good before and are remembered, at most. */
const knownMax = 10_000

type Refused = UnauthorizedProblem | RateLimitedProblem | UnavailableProblem

/**
 * Lets a request in by its credential, if neither its principal nor its address has asked too often: for bearer tokens
 * and for cookies alike.
 */
export class Admission extends Context.Service<
  Admission,
  {
    readonly admit: (
      credential: Redacted.Redacted
    ) => Effect.Effect<Identity, Refused, HttpServerRequest.HttpServerRequest>
  }
>()("kintsugi/http/Admission") {
  static readonly layer = (limits: RateLimits): Layer.Layer<Admission, never, Authenticate> =>
    Layer.effect(
      Admission,
      Effect.map(Authenticate, ({ identify }) => {
        const { burst, failuresPerMinute, perSecond } = limits
        const requests = perSecond === 0 ? null : TokenBuckets.make({ capacity: burst, perSecond })
        const failures =
          failuresPerMinute === 0
            ? null
            : TokenBuckets.make({ capacity: failuresPerMinute, perSecond: failuresPerMinute / 60 })
        const known = new Set<string>()
        const remember = (fingerprint: string) => {
          known.delete(fingerprint)
          known.add(fingerprint)
          if (known.size > knownMax) known.delete(known.values().next().value ?? "")
        }

        const admit = Effect.fnUntraced(function* (credential: Redacted.Redacted) {
          // Nothing was guessed.
          if (Redacted.value(credential) === "") return yield* new UnauthorizedProblem({ detail: absent })
          const request = yield* HttpServerRequest.HttpServerRequest
          const now = yield* Clock.currentTimeMillis
          const address = Option.getOrElse(request.remoteAddress, () => "")
          const fingerprint = createHash("sha256").update(Redacted.value(credential)).digest("base64")
          // Whoever guesses is not told whether the guess was right; who was here before goes on, beside a guesser
          // behind the same proxy.
          const waitMs = known.has(fingerprint) ? 0 : (failures?.waitMs(address, now) ?? 0)
          if (waitMs > 0) return yield* limited(waitMs, "Too many wrong credentials came from this address")
          const identity = yield* identify(credential)
          if (identity === null) {
            known.delete(fingerprint)
            failures?.take(address, now)
            return yield* new UnauthorizedProblem({ detail: "The bearer token is not valid" })
          }
          remember(fingerprint)
          const pauseMs = requests?.take(identity.principal, now) ?? 0
          if (pauseMs > 0)
            return yield* limited(pauseMs, `${identity.principal} asks more than ${perSecond} times a second`)
          return identity
        })
        return { admit }
      })
    )
}

const absent = "Send the token as Authorization: Bearer <token>"

const limited = Effect.fnUntraced(function* (waitMs: number, why: string) {
  const seconds = String(Math.ceil(waitMs / 1000))
  yield* HttpEffect.appendPreResponseHandler((_, response) =>
    Effect.succeed(HttpServerResponse.setHeader(response, "retry-after", seconds))
  )
  return yield* new RateLimitedProblem({ detail: `${why}; try again in ${waitMs} ms`, retryAfterMs: waitMs })
})
