import { Clock, Context, Effect, Layer, Random, Redacted } from "effect"
import { createHash, randomBytes } from "node:crypto"
import * as AccessToken from "../domain/AccessToken.ts"
import { type AccessTokenView, view } from "../domain/AccessTokenView.ts"
import * as Id from "../domain/Id.ts"
import type { Role } from "../domain/Role.ts"
import type { IllegalTransition } from "../domain/run/RunCommands.ts"
import { EventStore, type Position } from "../eventstore/EventStore.ts"
import * as Actors from "./Actors.ts"
import { commandRules, metadataOf, unavailable } from "./CommandRules.ts"
import { type Caller, type CommandReused, InvalidInput, NotFound, type Unavailable } from "./Engine.ts"
import { type KnownToken, TokenDirectory } from "./TokenDirectory.ts"

/** Tokens that are neither expired nor revoked, at most: all of them are in memory. */
const activeMax = 10_000
const secretBytes = 32
/** What every secret begins with, so that scanners of code and logs find one that was left lying about. */
export const mark = "ktg_"
const shownChars = mark.length + 8

export interface TokenChanged {
  readonly token: AccessTokenView
  /** Shown this once; null when the command was a repetition: the secret is kept nowhere. */
  readonly secret: Redacted.Redacted | null
  readonly position: Position
}

type By = Caller & { readonly principal: string }
type Refusal = InvalidInput | NotFound | IllegalTransition | CommandReused | Unavailable

/** API tokens: issued, rotated and revoked by HTTP; who one belongs to is told without a look at the log. */
export class Tokens extends Context.Service<
  Tokens,
  {
    readonly issue: (
      /** `expiresAt`: epoch ms, in the future; null: never. */
      asked: { readonly name: string; readonly role: Role; readonly expiresAt: number | null },
      caller: By
    ) => Effect.Effect<TokenChanged, Exclude<Refusal, NotFound | IllegalTransition>>
    /** A new secret. `overlapMs`: how long the one before is still taken, 0 to a day. */
    readonly rotate: (
      id: string,
      asked: { readonly overlapMs: number; readonly expiresAt: number | null | undefined },
      caller: By
    ) => Effect.Effect<TokenChanged, Refusal>
    /** Ends every secret of the token at once. Again, it changes nothing. */
    readonly revoke: (
      id: string,
      reason: string,
      caller: By
    ) => Effect.Effect<Omit<TokenChanged, "secret">, Exclude<Refusal, InvalidInput | IllegalTransition>>
    readonly read: (id: string) => Effect.Effect<AccessTokenView, NotFound>
    /** Newest first. */
    readonly list: Effect.Effect<ReadonlyArray<AccessTokenView>>
    /** Whose secret this is; null: nobody's, or of a token that is expired or revoked. */
    readonly identify: (secret: Redacted.Redacted) => Effect.Effect<{ readonly id: string; readonly role: Role } | null>
  }
>()("kintsugi/actors/Tokens") {
  static readonly layer = Layer.effect(
    Tokens,
    Effect.gen(function* () {
      const log = yield* EventStore
      const directory = yield* TokenDirectory
      const actors = yield* Actors.token.client
      const { isRepeat, positionOf, timely } = commandRules(log)

      type Told = Effect.Success<ReturnType<typeof actors.execute>>
      const changed = Effect.fnUntraced(function* (id: string, answer: Told) {
        const { token } = answer.state
        if (token === null) return yield* new NotFound({ kind: "token", id })
        const now = yield* Clock.currentTimeMillis
        return { token: view(id, token, now), position: yield* positionOf(`token-${id}`, answer) }
      })
      const known = (id: string): Effect.Effect<KnownToken, NotFound> => {
        const { token } = directory.state(id)
        return token === null ? Effect.fail(new NotFound({ kind: "token", id })) : Effect.succeed({ id, token })
      }

      const idOf = Effect.fnUntraced(function* ({ commandId }: Caller) {
        if (commandId !== undefined) return Id.ofParts("token", commandId)
        const random = yield* Effect.all([Random.nextInt, Random.nextInt, Random.nextInt])
        return Id.ofParts("token", yield* Clock.currentTimeMillis, ...random)
      })

      const issue: Tokens["Service"]["issue"] = Effect.fn("Tokens.issue")(function* (asked, caller) {
        const id = yield* idOf(caller)
        return yield* unavailable(
          timely(
            Effect.gen(function* () {
              if (yield* isRepeat(caller)) {
                const told = yield* Effect.orDie(actors.execute(id, { _tag: "Read" }))
                return { ...(yield* Effect.orDie(changed(id, told))), secret: null }
              }
              const now = yield* Clock.currentTimeMillis
              yield* checkExpiry(asked.expiresAt, now)
              const active = directory.all().filter(({ token }) => AccessToken.statusOf(token, now) === "active")
              if (active.length >= activeMax) {
                const message = `there are ${activeMax} active tokens already; revoke some first`
                return yield* new InvalidInput({ problems: [{ path: "", message }] })
              }
              const { kept, secret } = yield* makeSecret
              const command = { _tag: "Issue", ...asked, ...kept, by: caller.principal } as const
              const told = yield* Effect.orDie(actors.execute(id, command, metadataOf(caller)))
              return { ...(yield* Effect.orDie(changed(id, told))), secret }
            })
          )
        )
      })

      const rotate: Tokens["Service"]["rotate"] = Effect.fn("Tokens.rotate")(function* (id, asked, caller) {
        yield* known(id)
        return yield* unavailable(
          timely(
            Effect.gen(function* () {
              if (yield* isRepeat(caller)) {
                return { ...(yield* changed(id, yield* actors.execute(id, { _tag: "Read" }))), secret: null }
              }
              yield* checkExpiry(asked.expiresAt ?? null, yield* Clock.currentTimeMillis)
              const { kept, secret } = yield* makeSecret
              const command = { _tag: "Rotate", ...asked, ...kept, by: caller.principal } as const
              const told = yield* actors.execute(id, command, metadataOf(caller))
              return { ...(yield* changed(id, told)), secret }
            })
          )
        )
      })

      return Tokens.of({
        issue,
        rotate,
        revoke: Effect.fn("Tokens.revoke")(function* (id, reason, caller) {
          yield* known(id)
          return yield* unavailable(
            timely(
              Effect.gen(function* () {
                const again = yield* isRepeat(caller)
                const command = again
                  ? ({ _tag: "Read" } as const)
                  : ({ _tag: "Revoke", reason, by: caller.principal } as const)
                // A token can be revoked in every status, so nothing is refused.
                const told = yield* Effect.orDie(actors.execute(id, command, metadataOf(caller)))
                return yield* changed(id, told)
              })
            )
          )
        }),
        read: (id) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.map(known(id), ({ token }) => view(id, token, now))),
        list: Effect.map(Clock.currentTimeMillis, (now) =>
          [...directory.all()]
            .sort((left, right) => right.token.issuedAt - left.token.issuedAt || (left.id < right.id ? 1 : -1))
            .map(({ id, token }) => view(id, token, now))
        ),
        identify: (secret) =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            // Found by its hash: what the time of the look-up could tell is about the hash, not about the secret.
            const hash = hashOf(Redacted.value(secret))
            const found = directory.byHash(hash)
            if (found === undefined || !AccessToken.admits(found.token, hash, now)) return null
            return { id: found.id, role: found.token.role }
          })
      })
    })
  )
}

const hashOf = (secret: string): string => createHash("sha256").update(secret).digest("hex")

/** The one value that no seed may replay. */
const makeSecret = Effect.sync(() => {
  const secret = mark + randomBytes(secretBytes).toString("base64url")
  return { secret: Redacted.make(secret), kept: { prefix: secret.slice(0, shownChars), hash: hashOf(secret) } }
})

const checkExpiry = (expiresAt: number | null, now: number): Effect.Effect<void, InvalidInput> =>
  expiresAt === null || expiresAt > now
    ? Effect.void
    : Effect.fail(new InvalidInput({ problems: [{ path: "expiresAt", message: "must be in the future" }] }))
