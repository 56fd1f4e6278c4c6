import { Clock, Effect, Layer, PubSub, Stream } from "effect"
import { type Append, EventStore, Position, type RecordedEvent, VersionConflict } from "./EventStore.ts"

const commandAgeMaxMs = 7 * 24 * 60 * 60_000

interface StreamRow {
  readonly events: Array<RecordedEvent>
  wakeAt: number | null
  waitsOn: ReadonlyArray<string> | null
}

const positionOf = (count: number): Position =>
  Position.make(`00000000-${"0".repeat(16)}-${count.toString(16).padStart(16, "0")}`)

/** The log in memory, for tests: the same contract, without a database to lose. */
export const layer = Layer.effect(
  EventStore,
  Effect.gen(function* () {
    const streams = new Map<string, StreamRow>()
    const log: Array<RecordedEvent> = []
    const clock = yield* Clock.Clock
    const ticks = yield* PubSub.sliding<void>(1)

    const append = (append: Append) =>
      Effect.suspend(() => {
        const { events, expectedVersion, streamName, waitsOn, wakeAt } = append
        const row = streams.get(streamName) ?? { events: [], wakeAt: null, waitsOn: null }
        if (row.events.length !== expectedVersion)
          return Effect.fail(new VersionConflict({ streamName, expectedVersion }))
        for (const event of events) {
          const recorded: RecordedEvent = {
            ...event,
            streamName,
            streamVersion: row.events.length + 1,
            position: positionOf(log.length + 1)
          }
          row.events.push(recorded)
          log.push(recorded)
        }
        row.wakeAt = wakeAt
        row.waitsOn = waitsOn
        streams.set(streamName, row)
        const appended = { streamVersion: row.events.length, position: positionOf(log.length) }
        return Effect.as(PubSub.publish(ticks, undefined), appended)
      })

    return EventStore.of({
      append,
      read: (streamName, afterVersion, limit) =>
        Effect.sync(() =>
          (streams.get(streamName)?.events ?? []).slice(
            afterVersion,
            limit === undefined ? undefined : afterVersion + limit
          )
        ),
      readAll: ({ after, category, limit, types }) =>
        Effect.sync(() => {
          const matches = (event: RecordedEvent) =>
            (after === null || event.position > after) &&
            (category === undefined || event.streamName.startsWith(`${category}-`)) &&
            (types === undefined || types.includes(event.type))
          const events: Array<RecordedEvent> = []
          for (const event of log) {
            if (matches(event)) events.push(event)
            if (events.length >= limit) break
          }
          return { events, next: events[events.length - 1]?.position ?? after }
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
          [...streams]
            .filter(([streamName, { waitsOn }]) => streamName > afterStream && waitsOn?.includes(key) === true)
            .map(([streamName]) => streamName)
            .sort()
            .slice(0, limit)
        ),
      waitedStores: Effect.sync(() => {
        const stores = new Set<string>()
        for (const { waitsOn } of streams.values()) {
          for (const key of waitsOn ?? []) if (key.startsWith("store:")) stores.add(key)
        }
        return [...stores].sort()
      }),
      lostWakes: (limit) =>
        Effect.sync(() =>
          [...streams]
            .filter(([, { waitsOn }]) => waitsOn?.some((key) => streams.get(key)?.wakeAt === null) === true)
            .map(([streamName]) => streamName)
            .slice(0, limit)
        ),
      changes: Stream.fromPubSub(ticks),
      available: Effect.succeed(true)
    })
  })
)
