import { Clock, Context, Duration, Effect, Layer, type Redacted } from "effect"
import { createHash, randomBytes } from "node:crypto"
import { Authenticate, type Identity } from "../Authenticate.ts"

/** Without a request of a person's own for this long, a session is over. */
const idleMax = Duration.toMillis(Duration.hours(1))
const ageMax = Duration.toMillis(Duration.hours(12))
const sessionsMax = 1_000

/** Wrong tokens of one address, and of all, within a minute; beyond it nobody is let in. */
const wrongMax = 5
const wrongOfAllMax = 100
const wrongWindowMs = 60_000

interface Session {
  readonly credential: Redacted.Redacted
  readonly beganAt: number
  usedAt: number
}

export type SignIn =
  | { readonly _tag: "In"; readonly id: string }
  | { readonly _tag: "Wrong" }
  | { readonly _tag: "Later" }

/**
 * Who is signed in to the admin page. The browser has a random id, the server what belongs to it, in memory only: a
 * restart signs everybody out. The token is asked again at each request, so that a revoked one ends its sessions.
 */
export class Sessions extends Context.Service<
  Sessions,
  {
    readonly signIn: (credential: Redacted.Redacted, address: string) => Effect.Effect<SignIn>
    /** Whose session it is; null: nobody's, or over. `isPerson`: not a page that loads itself again. */
    readonly find: (id: string, isPerson: boolean) => Effect.Effect<Identity | null>
    readonly signOut: (id: string) => Effect.Effect<void>
  }
>()("kintsugi/http/admin/Sessions") {
  static readonly layer = Layer.effect(
    Sessions,
    Effect.map(Authenticate, ({ identify }) => {
      // By the hash of the id: neither a dump nor the time of a look-up tells one.
      const sessions = new Map<string, Session>()
      const keyOf = (id: string) => createHash("sha256").update(id).digest("base64url")
      const wrong: Array<{ readonly address: string; readonly at: number }> = []

      /** Nobody without a role has a business here. */
      const known = (credential: Redacted.Redacted) =>
        identify(credential).pipe(
          Effect.orElseSucceed(() => null),
          Effect.map((identity) => (identity === null || identity.role === null ? null : identity))
        )

      return Sessions.of({
        signIn: Effect.fnUntraced(function* (credential, address) {
          const now = yield* Clock.currentTimeMillis
          while (wrong.length > 0 && wrong[0]!.at <= now - wrongWindowMs) wrong.shift()
          if (wrong.length >= wrongOfAllMax || wrong.filter((one) => one.address === address).length >= wrongMax) {
            return { _tag: "Later" }
          }
          // Counted before it is looked at: many at once are many.
          const attempt = { address, at: now }
          wrong.push(attempt)
          if ((yield* known(credential)) === null) return { _tag: "Wrong" }
          const place = wrong.indexOf(attempt)
          if (place >= 0) wrong.splice(place, 1)
          const [oldest] = sessions.keys()
          if (sessions.size >= sessionsMax && oldest !== undefined) sessions.delete(oldest)
          const id = randomBytes(32).toString("base64url")
          sessions.set(keyOf(id), { credential, beganAt: now, usedAt: now })
          return { _tag: "In", id }
        }),
        find: Effect.fnUntraced(function* (id, isPerson) {
          const session = sessions.get(keyOf(id))
          if (session === undefined) return null
          const now = yield* Clock.currentTimeMillis
          const identity =
            now - session.usedAt < idleMax && now - session.beganAt < ageMax ? yield* known(session.credential) : null
          if (identity === null) sessions.delete(keyOf(id))
          else if (isPerson) session.usedAt = now
          return identity
        }),
        signOut: (id) => Effect.sync(() => void sessions.delete(keyOf(id)))
      })
    })
  )
}
