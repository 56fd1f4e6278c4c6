import { Clock, Context, Effect, Layer, PubSub, Stream } from "effect"
import * as AppendHints from "./AppendHints.ts"
import { isWanted } from "./EventFilter.ts"
import { AppendRefused, EventStore, type Position, type RecordedEvent, VersionConflict } from "./EventStore.ts"
import * as LogPosition from "./LogPosition.ts"
import * as MemorySnapshots from "./MemorySnapshots.ts"
import { Snapshots } from "./Snapshots.ts"

const commandAgeMaxMs = 7 * 24 * 60 * 60_000

interface StreamRow {
  readonly events: Array<RecordedEvent>
  wakeAt: number | null
  waitsOn: ReadonlyArray<string> | null
}

/** All in the first transaction of the epoch before the first; the count is the place. */
const positionOf = (count: number): Position => LogPosition.of(0, "0", BigInt(count))
const countOf = (position: Position): number => Number(LogPosition.parts(position).globalPosition)

/** The log and its snapshots in memory, for tests: the same contract, without a database to lose. */
export const layer: Layer.Layer<EventStore> = Layer.effectContext(
  Effect.gen(function* () {
    const streams = new Map<string, StreamRow>()
    const log: Array<RecordedEvent> = []
    const clock = yield* Clock.Clock
    const ticks = yield* PubSub.sliding<void>(1)
    const hints = AppendHints.make()

    const append: EventStore["Service"]["append"] = (append) =>
      Effect.suspend((): ReturnType<EventStore["Service"]["append"]> => {
        const { events, expectedVersion, streamName, waitsOn, wakeAt } = append
        const row = streams.get(streamName) ?? { events: [], wakeAt: null, waitsOn: null }
        if (events.some(({ payload }) => !isJson(payload))) return Effect.fail(refused(streamName))
        if (row.events.length !== expectedVersion) {
          return Effect.fail(new VersionConflict({ streamName, expectedVersion }))
        }
        for (const event of events) {
          const streamVersion = row.events.length + 1
          const recorded = { ...event, streamName, streamVersion, position: positionOf(log.length + 1) }
          row.events.push(recorded)
          log.push(recorded)
        }
        row.wakeAt = wakeAt
        row.waitsOn = waitsOn === null || waitsOn.length === 0 ? null : waitsOn
        streams.set(streamName, row)
        const appended = { streamVersion: row.events.length, position: positionOf(log.length) }
        hints.tell([append])
        return Effect.as(PubSub.publish(ticks, undefined), appended)
      })

    const namesWhere = (matches: (row: StreamRow, name: string) => boolean): ReadonlyArray<string> =>
      [...streams]
        .filter(([name, row]) => matches(row, name))
        .map(([name]) => name)
        .sort()

    const store = EventStore.of({
      append,
      read: (streamName, afterVersion, limit) =>
        Effect.sync(() => {
          const events = streams.get(streamName)?.events ?? []
          return events.slice(afterVersion, limit === undefined ? undefined : afterVersion + limit)
        }),
      readAll: ({ after, limit, ...filter }) =>
        Effect.sync(() => {
          const isFound = isWanted(filter)
          const events: Array<RecordedEvent> = []
          let count = after === null ? 0 : countOf(after)
          for (; count < log.length && events.length < limit; count++) {
            const event = log[count]!
            if (isFound(event)) events.push(event)
          }
          return { events, next: count === 0 ? after : positionOf(count) }
        }),
      head: Effect.sync(() => positionOf(log.length)),
      findCommand: (commandId) =>
        Effect.sync(() => {
          const oldest = clock.currentTimeMillisUnsafe() - commandAgeMaxMs
          return log.find((event) => event.metadata.commandId === commandId && event.recordedAt >= oldest) ?? null
        }),
      claimDue: ({ horizonMs, leaseMs, limit, now }) =>
        Effect.sync(() => {
          const due = [...streams]
            .filter(([, { wakeAt }]) => wakeAt !== null && wakeAt <= now + horizonMs)
            .sort(([, left], [, right]) => left.wakeAt! - right.wakeAt!)
            .slice(0, limit)
          for (const [, row] of due) row.wakeAt = now + leaseMs
          return due.map(([streamName]) => streamName)
        }),
      waitingOn: (key, afterStream, limit) =>
        Effect.sync(() =>
          namesWhere(({ waitsOn }, name) => name > afterStream && waitsOn?.includes(key) === true).slice(0, limit)
        ),
      waitedStores: Effect.sync(() => {
        const keys = [...streams.values()].flatMap(({ waitsOn }) => waitsOn ?? [])
        return [...new Set(keys.filter((key) => key.startsWith("store:")))].sort()
      }),
      lostWakes: (limit) =>
        Effect.sync(() =>
          namesWhere(({ waitsOn }) => waitsOn?.some((key) => streams.get(key)?.wakeAt === null) === true).slice(
            0,
            limit
          )
        ),
      changes: Stream.fromPubSub(ticks),
      onAppended: hints.on,
      available: Effect.succeed(true)
    })
    return Context.make(EventStore, store).pipe(Context.add(Snapshots, MemorySnapshots.make()))
  })
)

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

const refused = (streamName: string): AppendRefused =>
  new AppendRefused({ streamName, sqlState: "22P02", message: "invalid input syntax for type json" })
