import { Context, Effect, Layer, Schedule } from "effect"
import * as AccessToken from "../domain/AccessToken.ts"
import * as EventCodec from "../eventstore/EventCodec.ts"
import { EventStore, type LogUnavailable, type Position, type RecordedEvent } from "../eventstore/EventStore.ts"

export interface KnownToken {
  readonly id: string
  readonly token: AccessToken.Issued
}

/**
 * Every token of the log, in memory, so that a request is let in without a query: what this process does is in it at
 * once, what others do within seconds.
 */
export class TokenDirectory extends Context.Service<
  TokenDirectory,
  {
    /** Takes in a token's state; one that is older than what is known changes nothing. */
    readonly note: (id: string, state: AccessToken.State) => void
    readonly state: (id: string) => AccessToken.State
    readonly byHash: (hash: string) => KnownToken | undefined
    readonly all: () => ReadonlyArray<KnownToken>
  }
>()("kintsugi/actors/TokenDirectory") {
  static readonly layer = Layer.sync(TokenDirectory, () => {
    const states = new Map<string, AccessToken.State>()
    const idByHash = new Map<string, string>()
    const known = (id: string): KnownToken | undefined => {
      const token = states.get(id)?.token ?? null
      return token === null ? undefined : { id, token }
    }
    const hashesOf = (token: AccessToken.Issued | null) =>
      token === null ? [] : [token.hash, ...(token.previous === null ? [] : [token.previous.hash])]
    return TokenDirectory.of({
      note: (id, state) => {
        const before = states.get(id)
        if ((before?.version ?? 0) >= state.version) return
        for (const hash of hashesOf(before?.token ?? null)) idByHash.delete(hash)
        for (const hash of hashesOf(state.token)) idByHash.set(hash, id)
        states.set(id, state)
      },
      state: (id) => states.get(id) ?? AccessToken.initial,
      byHash: (hash) => {
        const id = idByHash.get(hash)
        return id === undefined ? undefined : known(id)
      },
      all: () => [...states.keys()].flatMap((id) => known(id) ?? [])
    })
  })

  /** Reads what is in the log before anything asks, and what other processes add to it from then on. */
  static readonly layerFollower: Layer.Layer<never, LogUnavailable, EventStore | TokenDirectory> = Layer.effectDiscard(
    Effect.gen(function* () {
      const log = yield* EventStore
      const directory = yield* TokenDirectory
      let after: Position | null = null
      const readOn = Effect.gen(function* () {
        while (true) {
          const page: Effect.Success<ReturnType<typeof log.readAll>> = yield* log.readAll({ ...batch, after })
          for (const recorded of page.events) take(directory, recorded)
          after = page.next
          if (page.events.length < batch.limit) return
        }
      })
      yield* readOn
      // While the database is away nothing new can be in it.
      yield* Effect.forkScoped(Effect.repeat(Effect.ignore(readOn), Schedule.spaced(lookEvery)))
    })
  )
}

/** How soon this process knows what another one has revoked. */
const lookEvery = "2 seconds"
const batch = { limit: 500, category: "token" } as const
const codec = EventCodec.make(AccessToken.Event, {})

export const encode = codec.encode
export const decode = (recorded: RecordedEvent): AccessToken.Event => ({
  ...codec.decode(recorded),
  at: recorded.recordedAt
})

/** A stream's events come in order, so one that is not the next is known already. */
const take = (directory: TokenDirectory["Service"], recorded: RecordedEvent): void => {
  const id = recorded.streamName.slice("token-".length)
  const state = directory.state(id)
  if (recorded.streamVersion === state.version + 1) directory.note(id, AccessToken.evolve(state, decode(recorded)))
}
