import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { DeadLetters } from "../../src/bus/DeadLetters.ts"
import { EventBus, Refused } from "../../src/bus/EventBus.ts"
import * as InlineBus from "../../src/bus/InlineBus.ts"
import * as RedisBus from "../../src/bus/RedisBus.ts"
import * as RedisDeadLetters from "../../src/bus/RedisDeadLetters.ts"
import * as Server from "../../src/http/Server.ts"
import * as Fakes from "../http/Fakes.ts"
import { send, token } from "../http/Harness.ts"
import { absent, RedisServer, sayIfAbsent } from "../support/redis.ts"
import { nameOf, producedEvent, publish, quiet, until } from "./events.ts"

/** Three refused events of one group: looked at in pages, one retried when its handler has learned, one discarded. */
const scenario = Effect.gen(function* () {
  const bus = yield* EventBus
  const handled: Array<string> = []
  let refuses = true
  let refused = 0
  yield* bus.subscribe("one", (event) =>
    Effect.suspend(() => {
      if (refuses && nameOf(event) !== "b/1") {
        refused++
        return Effect.fail(new Refused({ reason: "no such column", path: "data" }))
      }
      handled.push(nameOf(event))
      return Effect.void
    })
  )
  yield* publish(bus, producedEvent("a", 1), producedEvent("a", 2), producedEvent("a", 3), producedEvent("b", 1))
  yield* until(() => refused === 3 && handled.length === 1)
  const list = (query: string) => send("GET", `/api/v1/bus/dead-letters${query}`)
  const all = () => Effect.map(list(""), ({ json }) => json.data as ReadonlyArray<Record<string, string>>)
  while ((yield* all()).length < 3) yield* Effect.sleep("5 millis")

  const first = yield* list("?limit=2")
  const [newest, middle] = first.json.data as ReadonlyArray<Record<string, string>>
  const second = yield* list(`?limit=2&cursor=${String(first.json.nextCursor)}`)
  const [oldest, ...none] = second.json.data as ReadonlyArray<Record<string, string>>
  assert.deepStrictEqual([none, second.json.nextCursor], [[], null])
  assert.deepStrictEqual(
    [newest, middle, oldest].map((letter) => JSON.parse(letter!.event!).data.generation),
    [3, 2, 1]
  )
  assert.deepInclude(newest, { group: "one", reason: "no such column", path: "data" })
  assert.isFalse(Number.isNaN(Date.parse(newest!.at!)))

  const post = (id: string, verb: string, body?: string) =>
    send("POST", `/api/v1/bus/dead-letters/${id}/${verb}`, body === undefined ? {} : { body })
  assert.strictEqual((yield* post(newest!.id!, "discard")).status, 400, "a reason is needed")
  const discarded = yield* post(newest!.id!, "discard", '{"reason":"obsolete"}')
  assert.deepStrictEqual([discarded.status, discarded.json.data], [202, { id: newest!.id, status: "discarded" }])
  refuses = false
  assert.strictEqual((yield* post(oldest!.id!, "retry")).status, 202)
  yield* until(() => handled.includes("a/1"))
  assert.strictEqual((yield* post(oldest!.id!, "retry")).status, 404, "retried once")
  assert.strictEqual((yield* post("nothing", "retry")).status, 404)
  assert.deepStrictEqual(
    (yield* all()).map(({ id }) => id),
    [middle!.id]
  )
  assert.deepStrictEqual(handled, ["b/1", "a/1"])

  // Refused again it is a letter again, of a new id.
  refuses = true
  yield* post(middle!.id!, "retry")
  yield* until(() => refused === 4)
  while ((yield* all()).length < 1) yield* Effect.sleep("5 millis")
  assert.notStrictEqual((yield* all())[0]!.id, middle!.id)
})

/** The server in front of a bus, with fakes of all else. */
const served = <E, R>(bus: Layer.Layer<EventBus, E, R>) =>
  quiet(
    Effect.scoped(
      Effect.provide(
        scenario,
        Server.layer({ host: "127.0.0.1", port: 0, token: Redacted.make(token) }).pipe(
          Layer.provideMerge(Fakes.layer(Fakes.makeState())),
          Layer.provideMerge(bus)
        )
      )
    )
  )

sayIfAbsent()

describe("dead letters over HTTP", () => {
  it.live("F53: of the bus in the process are listed, retried and discarded", () =>
    served(InlineBus.layer({ settleMs: 200 }))
  )
})

describe.skipIf(absent)("with a Redis server", () => {
  layer(RedisServer.layer, { excludeTestServices: true })("dead letters", (it) => {
    it.effect("F53: of Redis are listed, retried and discarded", () =>
      Effect.gen(function* () {
        const { address } = yield* RedisServer
        const streams = { inbound: "letters.inbound", events: "letters.events" }
        const letters = Layer.effect(DeadLetters, RedisDeadLetters.make(address, streams))
        yield* served(Layer.merge(RedisBus.layer({ address, stream: streams.events }), letters))
      })
    )

    it.effect("F53: of the inbound stream go back to it, beside those of the bus, newest first", () =>
      Effect.gen(function* () {
        const server = yield* RedisServer
        const client = yield* server.client
        const streams = { inbound: "in.tray", events: "out.tray" }
        const letters = yield* RedisDeadLetters.make(server.address, streams)
        const put = (stream: string, id: string) =>
          Effect.promise(() =>
            client.xadd(`${stream}.dead`, id, "event", `of ${stream} ${id}`, "group", "g", "at", "1")
          )
        yield* put("in.tray", "5-0")
        yield* put("out.tray", "5-0")
        yield* put("out.tray", "7-1")
        const ids = (limit: number, before?: string) =>
          Effect.map(letters.list(limit, before), (found) => found.map(({ id }) => id))
        assert.deepStrictEqual(yield* ids(9), ["events:7-1", "inbound:5-0", "events:5-0"])
        assert.deepStrictEqual(yield* ids(1, "events:7-1"), ["inbound:5-0"])
        assert.deepStrictEqual(yield* ids(9, "inbound:5-0"), ["events:5-0"])
        assert.deepStrictEqual(yield* ids(9, "events:5-0"), [])
        assert.deepStrictEqual(
          yield* Effect.all([letters.retry("inbound:5-0"), letters.retry("inbound:5-0")], { concurrency: 2 }),
          [true, false]
        )
        const entries = yield* Effect.promise(() => client.xrange("in.tray", "-", "+"))
        assert.deepStrictEqual(
          entries.map(([, fields]) => fields),
          [["event", "of in.tray 5-0"]]
        )
        assert.isFalse(yield* letters.discard("other:5-0"))
      }).pipe(Effect.scoped)
    )
  })
})
