import { Console, DateTime, Effect, Layer, Option, Result, Schema } from "effect"
import { EventStore, Position, type RecordedEvent } from "../eventstore/EventStore.ts"
import * as PgEventStore from "../eventstore/PgEventStore.ts"
import { notYetLine } from "../http/AsOf.ts"
import { viewOf } from "../http/EventShape.ts"
import * as LogAccess from "./LogAccess.ts"
import * as Replayers from "./Replayers.ts"
import type { DatabaseSettings } from "./Settings.ts"
import { invalid, type SettingInvalid } from "./SettingText.ts"

/** The log has no stream of this name. */
export class NoSuchStream extends Schema.TaggedError<NoSuchStream>()("NoSuchStream", { stream: Schema.String }) {
  override get message(): string {
    return `the log has no stream ${JSON.stringify(this.stream)}; a stream is named <category>-<id>, such as run-<run id>`
  }
}

/** The stream began later than the time or position up to which it is asked for. */
export class NotBegun extends Schema.TaggedError<NotBegun>()("NotBegun", { message: Schema.String }) {}

export interface Options {
  readonly stream: string
  /** A position or an ISO time: events after it are left out. */
  readonly at: string | null
  readonly json: boolean
}

/** A position, or a time in epoch ms; null: now. */
type At = Position | number | null

const pageSize = 1_000

/** Prints every event of a stream, and the state that they fold to with the actor's own decider. */
export const run = Effect.fn("Replay.run")(function* (settings: DatabaseSettings, options: Options) {
  const at = yield* Effect.fromResult(atOf(options.at))
  const log = PgEventStore.layer.pipe(Layer.provide(LogAccess.existing(settings)))
  yield* replay(options, at).pipe(Effect.provide(log))
})

const replay = Effect.fnUntraced(function* ({ json, stream }: Options, at: At) {
  const log = yield* EventStore
  yield* refuseAhead(yield* log.head, at)
  const replayer = Replayers.of(stream.split("-")[0] ?? "")
  const kept: Array<RecordedEvent> = []
  let version = 0
  while (true) {
    const page = yield* log.read(stream, version, pageSize)
    if (version === 0 && page.length === 0) return yield* new NoSuchStream({ stream })
    const events = page.filter((event) => isUntil(event, at))
    const [first] = page
    if (version === 0 && events.length === 0 && at !== null && first !== undefined) {
      return yield* new NotBegun({ message: notYetLine(stream.replace("-", " "), at, first) })
    }
    // Shown before they are folded: an event that cannot be decoded is then the last one on the screen.
    if (json) kept.push(...events)
    else for (const event of events) yield* Console.log(lineOf(event))
    if (replayer !== null) yield* replayer.feed(events)
    version += page.length
    if (page.length < pageSize || events.length < page.length) break
  }
  const state = replayer?.state() ?? null
  if (json) {
    const last = kept.at(-1)
    const place = { version: last?.streamVersion ?? 0, position: last?.position ?? null }
    return yield* Console.log(JSON.stringify({ stream, ...place, events: kept.map(viewOf), state }))
  }
  if (replayer === null) return yield* Console.log("\nstreams of this category have no folded state")
  yield* Console.log(`\nstate:\n${JSON.stringify(state, null, 2)}`)
})

/** A position that the log has not given out yet is of another log, or a slip; a time to come is now. */
const refuseAhead = (head: Position, at: At) =>
  typeof at !== "string" || at <= head
    ? Effect.void
    : Effect.fail(invalid("--at", `a position up to the end of the log, ${head}`, at))

const lineOf = ({ payload, position, recordedAt, streamVersion, type }: RecordedEvent): string =>
  `${streamVersion}  ${DateTime.formatIso(DateTime.makeUnsafe(recordedAt))}  ${position}  ${type}  ${payload}`

const isUntil = (event: RecordedEvent, at: At): boolean =>
  at === null || (typeof at === "number" ? event.recordedAt <= at : event.position <= at)

const atOf = (at: string | null): Result.Result<At, SettingInvalid> => {
  if (at === null || Schema.is(Position)(at)) return Result.succeed(at)
  const time = /^\d{4}-\d{2}-\d{2}/.test(at) ? DateTime.make(at) : Option.none()
  if (Option.isNone(time)) return Result.fail(invalid("--at", "a position or an ISO 8601 time", at))
  return Result.succeed(DateTime.toEpochMillis(time.value))
}
