import {
  type Array as Arr,
  Cause,
  Clock,
  Duration,
  Effect,
  Exit,
  Latch,
  type Scope,
  Schedule,
  Schema,
  Stream
} from "effect"
import { SqlClient } from "effect/sql"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import * as SqlFailure from "../postgres/SqlFailure.ts"
import * as Checkpoint from "./Checkpoint.ts"
import * as CheckpointKeeper from "./CheckpointKeeper.ts"
import { EventStore, type LogUnavailable, type Position, type RecordedEvent } from "./EventStore.ts"

/** The whole log, what comes from now on, or what comes after a place. */
export type Begin = "start" | "now" | { readonly after: Position }

/** The place after which the first event is. */
export const beginOf = (log: EventStore["Service"], begin: Begin): Effect.Effect<Position | null, LogUnavailable> => {
  if (begin === "now") return log.head
  return Effect.succeed(begin === "start" ? null : begin.after)
}

/** A named reader of the log that handles every event once, in order. */
export interface Subscription<E, R> {
  /** Carries the version of what it does, `<what>_v<number>`: the checkpoint belongs to the name. */
  readonly name: string
  /** Only events of this category, or of these types. */
  readonly category?: string
  readonly types?: ReadonlyArray<string>
  /** Where a subscription that never ran begins; default: at the start of the log. */
  readonly begin?: Begin
  /**
   * `inside` (default): `handle` runs in the transaction that moves the checkpoint, and what it writes through
   * `SqlClient` counts exactly once. `before`: it runs before, holds nothing back however long it takes, and after a
   * crash may be given the same events again (`CheckpointKeeper`).
   */
  readonly checkpoint?: "inside" | "before"
  /** A failure that is not the database's absence stops the subscription at that event; it is never skipped. */
  readonly handle: (events: Arr.NonEmptyReadonlyArray<RecordedEvent>) => Effect.Effect<void, E, R>
}

/** The handler failed on this event: the subscription has stopped before it. */
export class SubscriptionStopped extends Schema.TaggedError<SubscriptionStopped>()("SubscriptionStopped", {
  name: Schema.String,
  position: Schema.String,
  message: Schema.String,
  cause: Schema.Defect()
}) {}

const batchMin = 1
const batchStart = 500
const batchMax = 4_000
/** Longest transaction wanted: it holds back the safe horizon of every other subscription. */
const transactionMsMax = 200
/** A hint of a change may come before its event is below the horizon; the poll finds it, less and less often. */
const pollMsMin = 15
const pollMsMax = 1_000
/** Longest pause between two pages of which nothing was wanted; an append of this process that is wanted ends it. */
const idleMsMax = 16
const heartbeatMs = 5_000

const outage = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")])

/**
 * Runs until the scope closes or the handler fails; fails with why, after writing it into the checkpoint's row. While
 * the database is away it waits. Starting it again tries the same event again.
 */
export const run = Effect.fn("Subscription.run")(function* <E, R>(
  subscription: Subscription<E, R>
): Effect.fn.Return<never, SubscriptionStopped, EventStore | SqlClient.SqlClient | R> {
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const loop = yield* make(subscription)
      return yield* loop.pipe(
        Effect.tapError((error) => Effect.logDebug(`subscription ${subscription.name} waits: ${error.message}`)),
        Effect.retry({ while: (error) => error._tag !== "SubscriptionStopped", schedule: outage }),
        Effect.catchTag(["SqlError", "LogUnavailable"], (error) => Effect.die(error))
      )
    })
  )
})

const make = Effect.fnUntraced(function* <E, R>(
  subscription: Subscription<E, R>
): Effect.fn.Return<
  Effect.Effect<never, SubscriptionStopped | SqlError | LogUnavailable, R>,
  never,
  EventStore | SqlClient.SqlClient | Scope.Scope
> {
  const { begin = "start", checkpoint = "inside", handle, name } = subscription
  const store = yield* EventStore
  const sql = yield* SqlClient.SqlClient
  const hint = yield* Latch.make()
  const filter = {
    ...(subscription.category === undefined ? {} : { category: subscription.category }),
    ...(subscription.types === undefined ? {} : { types: subscription.types })
  }
  let limit = batchStart
  let beatAtMs = 0
  let stored: Position | null = null
  const keeper = checkpoint === "before" ? yield* CheckpointKeeper.make(sql, name) : null
  let idlePages = 0
  const wanted = yield* Latch.make()
  if (subscription.types !== undefined) yield* store.onAppended(subscription.types, () => wanted.openUnsafe())

  yield* store.changes.pipe(
    Stream.runForEach(() => hint.open),
    Effect.forkScoped
  )

  /** Moves the checkpoint from where it is stored, which may be behind where the reader stands. */
  const move = Effect.fnUntraced(function* (to: Position) {
    const outcome = yield* Checkpoint.move(sql, name, stored, to)
    if (outcome !== "stored") return yield* new Checkpoint.CheckpointMoved({ name, outcome, position: stored })
  })

  const reopen = Effect.fnUntraced(function* (start: Position | null) {
    stored = yield* keeper === null ? Checkpoint.open(sql, name, start) : keeper.open(start)
    return stored
  })

  /** Handles the events that follow `from`; answers where it stands then. */
  const advance = Effect.fnUntraced(function* (from: Position | null) {
    // Somebody else reads under this name: on from where they are.
    if (keeper?.hasMoved()) return yield* reopen(null)
    wanted.closeUnsafe()
    const page = yield* store.readAll({ after: from, limit, ...filter })
    const { events, next } = page
    if (next === null || next === from) return from
    // What concerns nobody here is passed in memory: a busy log would otherwise cost a commit for each of its batches.
    if (!isNonEmpty(events)) {
      // And it is looked at less and less often, until something does.
      idlePages++
      const pause = Effect.sleep(Duration.millis(Math.min(2 ** idlePages, idleMsMax)))
      // What woke it may not be below the horizon yet: it is looked for as often as at first.
      if (yield* Effect.raceFirst(Effect.as(wanted.await, true), Effect.as(pause, false))) idlePages = 0
      return next
    }
    idlePages = 0
    const began = yield* Clock.currentTimeMillis
    const handled = handle(events)
    const advanced = keeper === null ? sql.withTransaction(Effect.andThen(move(next), handled)) : handled
    const exit = yield* Effect.exit(advanced)
    const tookMs = (yield* Clock.currentTimeMillis) - began
    if (Exit.isSuccess(exit)) {
      beatAtMs = began
      if (keeper !== null) {
        keeper.note(next)
        // Made smaller to find the event at fault.
        limit = Math.min(batchStart, limit + (limit >> 1) + 1)
        return next
      }
      stored = next
      if (tookMs > transactionMsMax) limit = Math.max(batchMin, limit >> 1)
      else if (tookMs < transactionMsMax / 2) limit = Math.min(batchMax, limit + (limit >> 1) + 1)
      return next
    }
    return yield* failed(exit.cause, events, from)
  })

  const failed = Effect.fnUntraced(function* (
    cause: Cause.Cause<unknown>,
    events: ReadonlyArray<RecordedEvent>,
    from: Position | null
  ) {
    if (Cause.hasInterruptsOnly(cause)) return yield* Effect.interrupt
    const error = Cause.squash(cause)
    if (error instanceof Checkpoint.CheckpointMoved) return yield* reopen(null)
    if (isSqlError(error) && !SqlFailure.isDataFault(error) && SqlFailure.isUnavailable(error)) return yield* error
    const [first] = events
    if (first === undefined) return yield* Effect.die(error)
    if (events.length > 1) {
      // Which event is it? Smaller pages keep what comes before it.
      limit = events.length >> 1
      return from
    }
    const message = error instanceof Error ? error.message : String(error)
    if (keeper !== null) yield* keeper.flush
    yield* Checkpoint.fail(sql, name, `${first.type} of ${first.streamName} at ${first.position}: ${message}`)
    yield* Effect.logError(`subscription ${name} has stopped at ${first.position}: ${message}`, cause)
    return yield* new SubscriptionStopped({ name, position: first.position, message, cause: error })
  })

  /** Says now and then that it lives, and where it stands. */
  const beat = Effect.fnUntraced(function* (position: Position | null) {
    const now = yield* Clock.currentTimeMillis
    if (now - beatAtMs < heartbeatMs) return
    beatAtMs = now
    if (position === null || position === (keeper?.stored() ?? stored)) return yield* Checkpoint.beat(sql, name)
    if (keeper !== null) return keeper.note(position)
    // Another reader that has gone on meanwhile is found when there is something to handle.
    if ((yield* Checkpoint.move(sql, name, stored, position)) === "stored") stored = position
  })

  const rest = Effect.fnUntraced(function* (pollMs: number) {
    yield* Effect.raceFirst(hint.await, Effect.sleep(Duration.millis(pollMs)))
    yield* hint.close
  })

  return Effect.gen(function* () {
    let position = yield* reopen(yield* beginOf(store, begin))
    let pollMs = pollMsMin
    while (true) {
      const before = position
      const limitBefore = limit
      position = yield* advance(position)
      yield* beat(position)
      if (position !== before) pollMs = pollMsMin
      else if (limit === limitBefore) {
        yield* rest(pollMs)
        pollMs = Math.min(pollMs * 2, pollMsMax)
      }
    }
  })
})

const isNonEmpty = <A>(items: ReadonlyArray<A>): items is Arr.NonEmptyReadonlyArray<A> => items.length > 0
