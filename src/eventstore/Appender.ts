import { Cause, Clock, Deferred, Effect, Exit, Fiber, type Scope } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import * as SqlFailure from "../postgres/SqlFailure.ts"
import { type Answer, lockOrder, parameters, statement } from "./AppendStatement.ts"
import { type Append, type Appended, AppendRefused, VersionConflict } from "./EventStore.ts"
import * as LogPosition from "./LogPosition.ts"
import * as AppendTrace from "./AppendTrace.ts"
import type { WriterConnection } from "./WriterConnection.ts"

/** Most appends of one batch. */
export const batchAppendsMax = 1_000
/** Most bytes of one batch, about; an append larger than this goes alone. */
export const batchBytesMax = 4 * 1024 * 1024
/** What an event weighs besides its payload. */
const eventOverheadBytes = 150

const retryMsMin = 25
const retryMsMax = 1_000

export interface Observer {
  /** A batch was answered, and how long that took from its being sent, retries included. */
  readonly onBatch: (appends: ReadonlyArray<Append>, seconds: number) => void
  /** Whether the database answers. */
  readonly onAvailable: (available: boolean) => void
}

export interface Appender {
  readonly append: (append: Append) => Effect.Effect<Appended, VersionConflict | AppendRefused>
}

type Outcome = Exit.Exit<Appended, VersionConflict | AppendRefused>

interface Entry {
  readonly append: Append
  readonly bytes: number
  readonly done: Deferred.Deferred<Appended, VersionConflict | AppendRefused>
  /** An earlier try may have been written although its answer was lost. */
  uncertain: boolean
}

/**
 * Group commit: one batch in flight; what is queued meanwhile is the next batch, without a timer. An append answers
 * when it is durable. While the database is away appends wait.
 */
export const make = Effect.fnUntraced(function* (
  connection: WriterConnection,
  observer: Observer
): Effect.fn.Return<Appender, never, Scope.Scope> {
  const clock = yield* Clock.Clock
  let queue: Array<Entry> = []
  let wake: Deferred.Deferred<void> | null = null

  const append = (append: Append): Effect.Effect<Appended, VersionConflict | AppendRefused> =>
    Effect.suspend(() => {
      const done = Deferred.makeUnsafe<Appended, VersionConflict | AppendRefused>()
      const entry: Entry = { append, bytes: bytesOf(append), done, uncertain: false }
      queue.push(entry)
      if (wake !== null) {
        const sleeping = wake
        wake = null
        Deferred.doneUnsafe(sleeping, Effect.void)
      }
      return Effect.onInterrupt(Deferred.await(done), () =>
        Effect.sync(() => {
          // What nobody waits for is not sent; what is in flight stays as it is.
          queue = queue.filter((queued) => queued !== entry)
        })
      )
    })

  const settle = (entry: Entry, outcome: Outcome) => Deferred.doneUnsafe(entry.done, outcome)

  /** Writes a batch until every append of it has its outcome. */
  const write: (batch: ReadonlyArray<Entry>) => Effect.Effect<void> = Effect.fnUntraced(function* (batch) {
    let pauseMs = retryMsMin
    const beganNs = clock.monotonicTimeNanosUnsafe()
    const appends = appendsOf(batch)
    while (true) {
      const asked = yield* Effect.exit(Effect.suspend(() => connection.query(statement, parameters(appends))))
      if (Exit.isSuccess(asked)) {
        observer.onAvailable(true)
        const losers = accept(batch, asked.value[0] as unknown as Answer)
        if (losers.length > 0) yield* decideLosers(losers)
        observer.onBatch(appends, Number(clock.monotonicTimeNanosUnsafe() - beganNs) / 1e9)
        return
      }
      const error = Cause.squash(asked.cause)
      if (Cause.hasInterruptsOnly(asked.cause)) return yield* Effect.interrupt
      if (!isSqlError(error) || SqlFailure.isDataFault(error)) {
        // One append's data is at fault, in the server's eyes or while it was encoded: find it, and spare the others.
        if (batch.length === 1) return void settle(batch[0]!, refusal(batch[0]!, error))
        const middle = batch.length >> 1
        yield* write(batch.slice(0, middle))
        yield* write(batch.slice(middle))
        return
      }
      observer.onAvailable(!SqlFailure.isUnavailable(error))
      if (!SqlFailure.isRolledBack(error)) {
        // The answer is lost, and nothing is guessed. The batch is sent again: compare-and-set lets nothing in twice,
        // and waits for a first try that still runs; whatever then loses is looked up by its hash.
        for (const entry of batch) entry.uncertain = true
        yield* connection.giveUp
      }
      yield* Effect.logWarning(`the event log waits for the database: ${SqlFailure.messageOf(error)}`)
      yield* Effect.sleep(pauseMs)
      pauseMs = Math.min(pauseMs * 2, retryMsMax)
    }
  })

  /** Settles the winners; answers the losers. */
  const accept = (batch: ReadonlyArray<Entry>, answer: Answer): ReadonlyArray<Entry> => {
    const [transactionId, epoch, lost, positions] = answer
    const prefix = LogPosition.prefix(epoch, transactionId)
    const losers: Array<Entry> = []
    let written = 0
    let nextLost = 0
    for (let index = 0; index < batch.length; index++) {
      const entry = batch[index]!
      if (lost[nextLost] === index + 1) {
        nextLost++
        losers.push(entry)
        continue
      }
      const { events, expectedVersion } = entry.append
      written += events.length
      const position = LogPosition.within(prefix, positions![written - 1]!)
      settle(entry, Exit.succeed({ streamVersion: expectedVersion + events.length, position }))
    }
    return losers
  }

  const decideLosers = Effect.fnUntraced(function* (losers: ReadonlyArray<Entry>) {
    for (const entry of losers) {
      const { expectedVersion, streamName } = entry.append
      const written = entry.uncertain ? yield* findWritten(entry.append) : null
      settle(entry, written ?? Exit.fail(new VersionConflict({ streamName, expectedVersion })))
    }
  })

  /** The event at the append's last version carries the append's last hash: it was written by the lost try. */
  const findWritten = Effect.fnUntraced(function* ({ events, expectedVersion, streamName }: Append) {
    const streamVersion = expectedVersion + events.length
    const rows = yield* patiently(
      connection.query(findStatement, [streamName, streamVersion, Buffer.from(events[events.length - 1]!.hash, "hex")])
    )
    const row = rows[0] as unknown as readonly [number, string, bigint] | undefined
    return row === undefined ? null : Exit.succeed({ streamVersion, position: LogPosition.of(...row) })
  })

  const patiently = <A>(query: Effect.Effect<A, SqlError>): Effect.Effect<A> =>
    Effect.catch(query, (error) =>
      Effect.logWarning(`the event log waits for the database: ${SqlFailure.messageOf(error)}`).pipe(
        Effect.andThen(connection.giveUp),
        Effect.andThen(Effect.sleep(retryMsMax)),
        Effect.andThen(Effect.suspend(() => patiently(query)))
      )
    )

  const dieTogether = (batch: ReadonlyArray<Entry>, defect: unknown): void => {
    for (const entry of batch) settle(entry, Exit.die(defect))
  }

  const take = (): ReadonlyArray<Entry> => {
    const streams = new Set<string>()
    const batch: Array<Entry> = []
    const rest: Array<Entry> = []
    let bytes = 0
    for (const entry of queue) {
      const fits = batch.length < batchAppendsMax && (bytes + entry.bytes <= batchBytesMax || batch.length === 0)
      // The losers of a batch are told by stream, so a stream's second append is for the next batch.
      if (!fits || streams.has(entry.append.streamName)) {
        rest.push(entry)
        streams.add(entry.append.streamName)
        continue
      }
      streams.add(entry.append.streamName)
      bytes += entry.bytes
      batch.push(entry)
    }
    queue = rest
    return batch.length === 1 ? batch : batch.sort((left, right) => lockOrder(left.append, right.append))
  }

  const loop = Effect.gen(function* () {
    while (true) {
      if (queue.length === 0) {
        wake = Deferred.makeUnsafe()
        yield* Deferred.await(wake)
      }
      const batch = take()
      // A defect here must not leave anybody waiting for ever, nor end the writer.
      yield* Effect.catchCause(AppendTrace.batch(appendsOf(batch), write(batch)), (cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.interrupt
          : Effect.andThen(
              Effect.logError("the event log's writer failed", cause),
              Effect.sync(() => dieTogether(batch, Cause.squash(cause)))
            )
      )
    }
  })

  const writer = yield* Effect.forkDetach(loop)
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      // First the connection, so that a silent server cannot hold up the interruption.
      yield* connection.giveUp
      yield* Fiber.interrupt(writer)
      for (const entry of queue) settle(entry, Exit.interrupt())
    })
  )
  return { append }
})

const findStatement = `SELECT e.epoch, e.transaction_id::text, e.global_position
  FROM events e JOIN streams s USING (stream_id)
  WHERE s.stream_name = $1 AND e.stream_version = $2 AND e.hash = $3`

const appendsOf = (batch: ReadonlyArray<Entry>): ReadonlyArray<Append> => batch.map(({ append }) => append)

const isSqlError = (error: unknown): error is SqlError =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "SqlError"

const refusal = (entry: Entry, error: unknown): Outcome =>
  isSqlError(error)
    ? Exit.fail(
        new AppendRefused({
          streamName: entry.append.streamName,
          sqlState: SqlFailure.sqlStateOf(error) ?? "",
          message: SqlFailure.messageOf(error)
        })
      )
    : Exit.die(error)

const bytesOf = ({ events }: Append): number => {
  let bytes = 0
  for (const { payload } of events) bytes += payload.length + eventOverheadBytes
  return bytes
}
