import { type Array as Arr, Effect, Layer, type Scope, Semaphore } from "effect"
import * as CloudEvent from "./CloudEvent.ts"
import * as Delivery from "./Delivery.ts"
import { type DeadLetter, EventBus } from "./EventBus.ts"
import * as RedisConnection from "./RedisConnection.ts"
import * as RedisGroup from "./RedisGroup.ts"
import type { RedisAddress } from "./RedisUrl.ts"

export interface RedisBusSettings {
  readonly address: RedisAddress
  /** The stream's key; dead letters are in `<stream>.dead`. Default `kintsugi.events`. */
  readonly stream?: string
  /**
   * About how many events the stream keeps (`MAXLEN ~`), handled or not; default 1,000,000. A group that is further
   * behind than that loses the oldest: it bounds the server's memory, and must be longer than the longest absence.
   */
  readonly lengthMax?: number
  /** About how many dead letters are kept; default 10,000. */
  readonly deadLettersMax?: number
  /** How long a consumer that died stays the active one of its group, in ms; default 10,000. */
  readonly leaseMs?: number
  /** Handlers of a group that run at once; default 16. */
  readonly concurrency?: number
}

const chunkEventsMax = 500
const chunkCharactersMax = 4 * 1024 * 1024

/**
 * The bus on a Redis stream. An event is an entry with one field, `event`: its structured JSON. Other programs read it
 * with a consumer group of their own. Building the layer does not wait for the server.
 *
 * What was published is as durable as the server: with `appendonly yes` and `appendfsync always` neither a stop nor a
 * crash of it loses anything. With `appendfsync everysec` a stop loses nothing, and a crash up to two seconds of what it had
 * acknowledged; without `appendonly`, all since the last snapshot.
 */
export const layer = (settings: RedisBusSettings): Layer.Layer<EventBus> => Layer.effect(EventBus, make(settings))

/** The stream of the dead letters of a stream. */
export const deadStreamOf = (stream: string): string => `${stream}.dead`

const make = Effect.fnUntraced(function* (
  settings: RedisBusSettings
): Effect.fn.Return<EventBus["Service"], never, Scope.Scope> {
  const {
    address,
    concurrency = 16,
    deadLettersMax = 10_000,
    leaseMs = 10_000,
    lengthMax = 1_000_000,
    stream = "kintsugi.events"
  } = settings
  const deadStream = deadStreamOf(stream)
  const connection = yield* RedisConnection.make(address)
  // Chunks of two batches in turn would mix the order of an asset.
  const publishing = yield* Semaphore.make(1)

  const publish = Effect.fn("RedisBus.publish")(
    function* (events: Arr.NonEmptyReadonlyArray<CloudEvent.CloudEvent>) {
      for (const texts of chunks(events.map(CloudEvent.encode))) {
        yield* connection.run((client) => {
          const transaction = client.multi()
          for (const text of texts) {
            transaction.xadd(stream, "MAXLEN", "~", lengthMax, "*", RedisGroup.eventField, text)
          }
          return RedisGroup.execute(transaction)
        })
      }
    },
    (effect) => publishing.withPermits(1)(effect)
  )

  const decode = (text: string) => Delivery.refusing(CloudEvent.decode(text))
  const { orderKey } = CloudEvent
  const subscribe: EventBus["Service"]["subscribe"] = Effect.fnUntraced(function* (group, handle) {
    const groupSettings = {
      stream,
      begin: "now" as const,
      settled: "keep" as const,
      deadStream,
      deadLettersMax,
      leaseMs
    }
    yield* RedisGroup.ensure(connection, group, groupSettings)
    const consumer = { group, decode, orderKey, handle, concurrency }
    yield* Effect.forkScoped(RedisGroup.run(connection, consumer, groupSettings))
  })

  return EventBus.of({
    publish,
    subscribe,
    deadLetters: (limit) =>
      Effect.map(
        connection.run((client) => client.xrevrange(deadStream, "+", "-", "COUNT", Math.max(1, limit))),
        (entries) => entries.slice(0, limit).map(([, fields]) => letterOf(fields))
      )
  })
})

/** In order, bounded in number and size, so that no transaction holds the server up. */
const chunks = (texts: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> => {
  const all: Array<Array<string>> = []
  let characters = 0
  for (const text of texts) {
    const last = all.at(-1)
    if (last === undefined || last.length === chunkEventsMax || characters + text.length > chunkCharactersMax) {
      all.push([text])
      characters = text.length
    } else {
      last.push(text)
      characters += text.length
    }
  }
  return all
}

/** A dead letter as its stream has it: names and values in turn. */
export const letterOf = (fields: ReadonlyArray<string>): DeadLetter => {
  const of = (name: string) => fields[fields.findIndex((field, index) => index % 2 === 0 && field === name) + 1] ?? ""
  return {
    group: of("group"),
    event: of(RedisGroup.eventField),
    reason: of("reason"),
    path: of("path"),
    at: Number(of("at"))
  }
}
