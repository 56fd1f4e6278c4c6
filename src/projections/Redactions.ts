import { Context, Duration, Effect, Layer, Result, Schedule, Schema, Semaphore } from "effect"
import { SqlClient } from "effect/sql"
import { hash } from "node:crypto"
import * as Redactable from "../domain/Redactable.ts"
import * as Redaction from "../domain/Redaction.ts"
import * as EventCodec from "../eventstore/EventCodec.ts"
import {
  type AppendRefused,
  EventStore,
  LogUnavailable,
  type Metadata,
  type Position,
  type RecordedEvent
} from "../eventstore/EventStore.ts"
import { standAside } from "../eventstore/SafeHorizon.ts"
import * as StreamAppend from "../eventstore/StreamAppend.ts"
import type { Projection } from "./Projection.ts"
import { ProjectionRunner } from "./ProjectionRunner.ts"

/** This event cannot be redacted so, now or ever; `path` names the part of the request. */
export class NotRedactable extends Schema.TaggedError<NotRedactable>()("NotRedactable", {
  /** `missing`: no such event, and `message` is its name. `busy`: its stream still has work to do. `refused`: what stands in the way for good. */
  kind: Schema.Literals(["missing", "busy", "refused"]),
  path: Schema.String,
  message: Schema.String
}) {}

export interface Target {
  readonly stream: string
  readonly version: number
  /** JSON pointers into the payload. */
  readonly pointers: ReadonlyArray<string>
  readonly reason: string
}

export interface Redacted {
  readonly stream: string
  readonly version: number
  readonly type: string
  readonly payloadHash: string
  readonly redactedHash: string
  /** Read models that are built anew because they may hold the values. */
  readonly projections: ReadonlyArray<string>
  readonly position: Position
}

const codec = EventCodec.make(Redaction.Event, {})
const retryMs = 2_000

/**
 * Takes values out of the log that should never have been in it (ADR 0010): the log says so first, then the event and
 * the snapshot of its stream lose the values, then the read models are built anew. What was cut off goes on at the next
 * start.
 */
export class Redactions extends Context.Service<
  Redactions,
  {
    /** Answers when the event has lost the values; read models follow. Said again, it changes nothing. */
    readonly redact: (
      target: Target,
      metadata: Metadata
    ) => Effect.Effect<Redacted, NotRedactable | LogUnavailable | AppendRefused>
  }
>()("kintsugi/projections/Redactions") {
  static readonly layer = (projections: ReadonlyArray<Projection>) => Layer.effect(Redactions, make(projections))
}

const make = Effect.fnUntraced(function* (projections: ReadonlyArray<Projection>) {
  const log = yield* EventStore
  const sql = yield* SqlClient.SqlClient
  const runner = yield* ProjectionRunner
  const scope = yield* Effect.scope
  const oneAtATime = yield* Semaphore.make(1)
  const unavailable = <A, E extends { readonly message: string }>(ask: Effect.Effect<A, E>) =>
    Effect.mapError(ask, (cause) => new LogUnavailable({ message: cause.message, cause }))

  const concerned = (stream: string) => {
    const category = categoryOf(stream)
    return projections.filter(({ categories }) => categories.includes(category)).map(({ name }) => name)
  }

  /** The event and its stream's snapshot lose the values, together or not at all. Again, it changes nothing. */
  const erase = Effect.fnUntraced(function* ({ payloadHash, pointers, redactedHash, stream, type, version }: Told) {
    const [event] = yield* log.read(stream, version - 1, 1)
    if (event === undefined) return
    const { payload } = event
    const put = Redactable.redact({ category: categoryOf(stream), type, payload }, pointers)
    // What was announced was computed from this payload; a later announcement may have gone further already.
    if (Result.isFailure(put) || hash("sha256", put.success) !== redactedHash) return
    yield* unavailable(
      sql`
        WITH gone AS (DELETE FROM snapshots WHERE stream_name = ${stream})
        UPDATE events SET payload = ${put.success}::json,
          payload_sha256 = coalesce(payload_sha256, decode(${payloadHash}, 'hex'))
        WHERE stream_id = (SELECT s.stream_id FROM streams s WHERE s.stream_name = ${stream})
          AND stream_version = ${version}
        RETURNING ${sql.literal(standAside)}`
    )
  })

  /** Read models are built anew one after the other; then the log says that it is done. */
  const follow = (stream: string, version: number) => {
    const names = concerned(stream)
    const told = { _tag: "PayloadErased", stream, version, projections: names } as const
    return Effect.forEach(names, runner.rebuild, { discard: true }).pipe(
      Effect.andThen(StreamAppend.append(log, Redaction.streamName(stream), codec.encode(told))),
      Effect.tapError((error) => Effect.logWarning(`the redaction of ${stream} waits: ${error.message}`)),
      Effect.retry(Schedule.spaced(Duration.millis(retryMs))),
      Effect.ignore
    )
  }

  const history = (stream: string) =>
    Effect.map(log.read(Redaction.streamName(stream), 0), (events) => events.map((event) => codec.decode(event)))

  /** What was announced and cut off; answers the versions whose read models have to follow. */
  const settle = Effect.fnUntraced(function* (stream: string) {
    const open = Redaction.pending(yield* history(stream))
    for (const told of open) yield* erase(told)
    return new Set(open.map(({ version }) => version))
  })

  const redact: Redactions["Service"]["redact"] = Effect.fn("Redactions.redact")(function* (target, metadata) {
    const { pointers, reason, stream, version } = target
    yield* settle(stream)
    const events = yield* log.read(stream, 0)
    const event = events[version - 1]
    if (event === undefined) {
      return yield* new NotRedactable({ kind: "missing", path: "version", message: `${stream}/${version}` })
    }
    const { payload, type } = event
    const put = Redactable.redact({ category: categoryOf(stream), type, payload }, pointers)
    if (Result.isFailure(put)) {
      const { index, message } = put.failure
      return yield* new NotRedactable({ kind: "refused", path: `pointers/${index}`, message })
    }
    const hashes = {
      payloadHash: event.payloadHash ?? hash("sha256", payload),
      redactedHash: hash("sha256", put.success)
    }
    const answer = { stream, version, type, ...hashes, projections: concerned(stream) }
    if (put.success === payload) return { ...answer, position: event.position }
    yield* standsInTheWay(events, event)
    const told = { _tag: "PayloadRedacted", stream, version, type, pointers, reason, ...hashes } as const
    const { position } = yield* StreamAppend.append(log, Redaction.streamName(stream), codec.encode(told), metadata)
    yield* erase(told)
    yield* Effect.forkIn(follow(stream, version), scope)
    return { ...answer, position }
  })

  const standsInTheWay = Effect.fnUntraced(function* (events: ReadonlyArray<RecordedEvent>, event: RecordedEvent) {
    const { streamName, streamVersion } = event
    const category = categoryOf(streamName)
    if (category === "asset") {
      const newest = events.findLast(({ type }) => type === "AssetProduced")
      if (event.type !== "AssetProduced" || newest?.streamVersion !== streamVersion) return
      const message = "a recovery of its newest generation would run with these values: have it produced again first"
      return yield* new NotRedactable({ kind: "refused", path: "version", message })
    }
    const [owed] = yield* unavailable(sql<{ readonly is: boolean }>`
      SELECT wake_at_ms IS NOT NULL OR waits_on IS NOT NULL AS is FROM streams WHERE stream_name = ${streamName}`)
    if (owed?.is !== true) return
    const message = `${streamName} still has work to do with these values: wait for its end, or cancel it`
    return yield* new NotRedactable({ kind: "busy", path: "stream", message })
  })

  const resume = Effect.gen(function* () {
    const rows = yield* sql<{ readonly name: string }>`
      SELECT substr(stream_name, ${Redaction.prefix.length + 1}) AS name FROM streams
      WHERE stream_name >= ${Redaction.prefix} AND stream_name < 'redaction.' ORDER BY 1`
    for (const { name } of rows) {
      const versions = yield* oneAtATime.withPermit(settle(name))
      for (const version of versions) yield* follow(name, version)
    }
  })
  yield* Effect.forkIn(
    resume.pipe(
      Effect.tapError((error) => Effect.logWarning(`redactions that were cut off wait: ${error.message}`)),
      Effect.retry(Schedule.spaced(Duration.millis(retryMs))),
      Effect.ignore
    ),
    scope
  )
  return Redactions.of({ redact: (target, metadata) => oneAtATime.withPermit(redact(target, metadata)) })
})

type Told = Omit<Redaction.Redacted, "_tag">

const categoryOf = (stream: string): string => stream.slice(0, Math.max(0, stream.indexOf("-")))
