import { Deferred, Effect, Exit, Option, type Scope, Stream, SubscriptionRef } from "effect"
import { type DemoClient, DemoFailed, type Seen } from "./DemoClient.ts"

/** Everything that the log has said since the demo listens, in its order. */
export interface DemoFeed {
  /** How many events have come; a place to count or to wait from. */
  readonly count: () => number
  readonly since: (from: number) => ReadonlyArray<Seen>
  /** Waits until the events since `from` answer something; fails, naming `what`, after `waitMsMax`. */
  readonly until: <A>(
    what: string,
    from: number,
    look: (events: ReadonlyArray<Seen>) => Option.Option<A>
  ) => Effect.Effect<A, DemoFailed>
}

/** Longest wait for one thing to happen, in ms. */
const waitMsMax = 30_000

/** Listens until the scope closes; `told` is called with each event as it comes. */
export const make = Effect.fn("DemoFeed.make")(function* (
  client: DemoClient,
  told: (seen: Seen) => Effect.Effect<void>
): Effect.fn.Return<DemoFeed, DemoFailed, Scope.Scope> {
  const seen: Array<Seen> = []
  const count = yield* SubscriptionRef.make(0)
  const broken = yield* Deferred.make<never, DemoFailed>()
  const events = yield* client.listen
  yield* events.pipe(
    Stream.runForEach((event) => {
      seen.push(event)
      return Effect.andThen(told(event), SubscriptionRef.set(count, seen.length))
    }),
    Effect.andThen(Effect.fail(new DemoFailed({ message: "the stream of events has ended" }))),
    Effect.onExit((exit) => (Exit.isFailure(exit) ? Deferred.done(broken, exit) : Effect.void)),
    Effect.ignore,
    Effect.forkScoped
  )

  return {
    count: () => seen.length,
    since: (from) => seen.slice(from),
    until: (what, from, look) =>
      SubscriptionRef.changes(count).pipe(
        Stream.map(() => look(seen.slice(from))),
        Stream.filter(Option.isSome),
        Stream.runHead,
        Effect.map((found) => Option.getOrThrow(Option.flatten(found))),
        Effect.raceFirst(Deferred.await(broken)),
        Effect.timeoutOrElse({
          duration: waitMsMax,
          orElse: () => Effect.fail(new DemoFailed({ message: `${what}: not within ${waitMsMax / 1000} s` }))
        })
      )
  }
})
