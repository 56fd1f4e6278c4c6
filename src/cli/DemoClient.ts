import { DateTime, Effect, Option, Redacted, Schema, Stream } from "effect"
import * as Asset from "../domain/Asset.ts"
import { Location } from "../domain/Location.ts"
import * as RecoveryEvents from "../domain/recovery/RecoveryEvents.ts"
import * as RunEvents from "../domain/run/RunEvents.ts"

/** The demo could not go on, or something that it promises did not hold; `message` says which. */
export class DemoFailed extends Schema.TaggedError<DemoFailed>()("DemoFailed", {
  message: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

/** An event of the log that the demo tells or counts; `at` is epoch ms. */
export interface Seen {
  readonly stream: string
  readonly at: number
  readonly event: RunEvents.Stored | RecoveryEvents.Stored | Asset.Stored
}

/** A server, spoken to as every user would: over HTTP. */
export interface DemoClient {
  /** Starts a run and answers its id. */
  readonly start: (
    workflow: string,
    request: { readonly partitionKey?: string; readonly parameters?: Readonly<Record<string, number>> }
  ) => Effect.Effect<string, DemoFailed>
  /** Where the files of an asset lie that the run produced. */
  readonly filesOf: (runId: string, assetId: string) => Effect.Effect<ReadonlyArray<Location>, DemoFailed>
  /** Listens to the log from now on; listening when the effect has ended, and never at an end. */
  readonly listen: Effect.Effect<Stream.Stream<Seen, DemoFailed>, DemoFailed>
}

/** Longest answer time of the server, in ms. */
const answerMsMax = 15_000

const Started = Schema.Struct({ data: Schema.Struct({ id: Schema.String }) })
const Produced = Schema.Struct({ assetId: Schema.String, locations: Schema.Array(Location) })
const Run = Schema.Struct({
  data: Schema.Struct({ steps: Schema.Array(Schema.Struct({ producedAssets: Schema.Array(Produced) })) })
})
/** What the demo reads of an event. */
export const Envelope = Schema.Struct({
  stream: Schema.String,
  type: Schema.String,
  data: Schema.Record(Schema.String, Schema.Unknown),
  recordedAt: Schema.String
})
const Known = Schema.Union([RunEvents.Event, RecoveryEvents.Event, Asset.Event])

export const make = (server: { readonly url: string; readonly token: Redacted.Redacted }): DemoClient => {
  const call = (method: "GET" | "POST", path: string, body?: unknown) =>
    Effect.tryPromise({
      try: (signal) =>
        fetch(`${server.url}/api/v1${path}`, {
          method,
          signal,
          headers: {
            authorization: `Bearer ${Redacted.value(server.token)}`,
            ...(body === undefined ? {} : { "content-type": "application/json" })
          },
          ...(body === undefined ? {} : { body: JSON.stringify(body) })
        }),
      catch: (cause) => new DemoFailed({ message: `${method} ${path} was not answered: ${String(cause)}`, cause })
    }).pipe(
      Effect.timeoutOrElse({
        duration: answerMsMax,
        orElse: () =>
          Effect.fail(new DemoFailed({ message: `${method} ${path} was not answered in ${answerMsMax} ms` }))
      }),
      Effect.flatMap((response) =>
        response.ok
          ? Effect.succeed(response)
          : Effect.flatMap(text(response), (problem) =>
              Effect.fail(new DemoFailed({ message: `${method} ${path} was answered ${response.status}: ${problem}` }))
            )
      )
    )
  const json = <A>(schema: Schema.Decoder<A>, response: Response) =>
    Effect.flatMap(text(response), (body) => decode(Schema.fromJsonString(schema), body, response.url))

  return {
    start: (workflow, request) =>
      call("POST", `/workflows/${workflow}/run`, request).pipe(
        Effect.flatMap((response) => json(Started, response)),
        Effect.map(({ data }) => data.id)
      ),
    filesOf: (runId, assetId) =>
      call("GET", `/runs/${runId}`).pipe(
        Effect.flatMap((response) => json(Run, response)),
        Effect.map(({ data }) =>
          data.steps
            .flatMap(({ producedAssets }) => producedAssets)
            .filter((produced) => produced.assetId === assetId)
            .flatMap(({ locations }) => locations)
        )
      ),
    listen: Effect.flatMap(call("GET", "/events/stream"), ({ body }) =>
      body === null
        ? Effect.fail(new DemoFailed({ message: "GET /events/stream was answered without a body" }))
        : Effect.succeed(eventsOf(body))
    )
  }
}

const text = (response: Response) =>
  Effect.tryPromise({
    try: () => response.text(),
    catch: (cause) => new DemoFailed({ message: `the answer of ${response.url} broke off: ${String(cause)}`, cause })
  })

const decode = <A>(schema: Schema.Decoder<A>, input: unknown, from: string): Effect.Effect<A, DemoFailed> =>
  Effect.mapError(
    Schema.decodeUnknownEffect(schema)(input),
    (cause) => new DemoFailed({ message: `${from} answered something else than it should: ${cause.message}`, cause })
  )

/** The server writes each event's data on one line; the stream ends only when the server does. */
const eventsOf = (body: ReadableStream<Uint8Array>): Stream.Stream<Seen, DemoFailed> =>
  Stream.fromReadableStream({
    evaluate: () => body,
    onError: (cause) => new DemoFailed({ message: `the stream of events broke off: ${String(cause)}`, cause })
  }).pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.filter((line) => line.startsWith("data:")),
    Stream.mapEffect((line) => decode(Schema.fromJsonString(Envelope), line.slice("data:".length), "/events/stream")),
    // Workflow definitions, stores and slots have events too, which tell nothing here.
    Stream.map(seenOf),
    Stream.filter(Option.isSome),
    Stream.map((seen) => seen.value)
  )

/** An event as the API shows it; none for what the demo does not know. */
export const seenOf = ({ data, recordedAt, stream, type }: typeof Envelope.Type): Option.Option<Seen> =>
  Option.map(Schema.decodeUnknownOption(Known)({ _tag: type, ...data }), (event) => ({
    stream,
    at: DateTime.toEpochMillis(DateTime.makeUnsafe(recordedAt)),
    event
  }))
