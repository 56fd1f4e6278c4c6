import { type Array as Arr, Context, Effect, Latch, Layer, Stream } from "effect"
import type { SqlClient } from "effect/sql"
import { EventStore, type Position, type RecordedEvent } from "./EventStore.ts"
import * as Subscription from "./Subscription.ts"

export interface Following<E> {
  /** Carries the version of what it does, `<what>_v<number>`: where it stands belongs to the name. */
  readonly name: string
  readonly types: ReadonlyArray<string>
  /** Where one that never ran begins; `now` is a moment after `follow` was called. */
  readonly begin: Subscription.Begin
  /** Given every event at least once, in order; after a crash some of them again. */
  readonly handle: (events: Arr.NonEmptyReadonlyArray<RecordedEvent>) => Effect.Effect<void, E>
}

/**
 * Reads the log for something outside of it: whoever is told may be told twice, and nobody is left out. It ends when
 * `handle` fails: what may come back (a database, a broker) is for `handle` to wait for.
 */
export class LogFollower extends Context.Service<
  LogFollower,
  {
    readonly follow: <E>(following: Following<E>) => Effect.Effect<never, Subscription.SubscriptionStopped>
  }
>()("kintsugi/eventstore/LogFollower") {
  static readonly layer: Layer.Layer<LogFollower, never, EventStore | SqlClient.SqlClient> = Layer.effect(
    LogFollower,
    Effect.gen(function* () {
      const context = yield* Effect.context<EventStore | SqlClient.SqlClient>()
      return LogFollower.of({
        follow: (following) => Effect.provideContext(Subscription.run({ ...following, checkpoint: "before" }), context)
      })
    })
  )

  /** For a log in memory: `stands` keeps where each name stands, for as long as the log is kept. */
  static readonly layerMemory = (stands: Map<string, Position | null>): Layer.Layer<LogFollower, never, EventStore> =>
    Layer.effect(
      LogFollower,
      Effect.gen(function* () {
        const log = yield* EventStore
        const follow = <E>({ begin, handle, name, types }: Following<E>) =>
          Effect.scoped(
            Effect.gen(function* () {
              const hint = yield* Latch.make()
              yield* Effect.forkScoped(Stream.runForEach(log.changes, () => hint.open))
              if (!stands.has(name)) stands.set(name, yield* Effect.orDie(Subscription.beginOf(log, begin)))
              while (true) {
                yield* hint.close
                const after = stands.get(name) ?? null
                const { events, next } = yield* Effect.orDie(log.readAll({ after, limit: 500, types }))
                if (isNonEmpty(events)) yield* Effect.orDie(handle(events))
                stands.set(name, next)
                if (next === after) yield* Effect.raceFirst(hint.await, Effect.sleep("250 millis"))
              }
            })
          ) as Effect.Effect<never>
        return LogFollower.of({ follow })
      })
    )
}

const isNonEmpty = <A>(items: ReadonlyArray<A>): items is Arr.NonEmptyReadonlyArray<A> => items.length > 0
