import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { DeadLetters } from "../../src/bus/DeadLetters.ts"
import { EventBus, Refused } from "../../src/bus/EventBus.ts"
import * as InlineBus from "../../src/bus/InlineBus.ts"
import * as RedisBus from "../../src/bus/RedisBus.ts"
import * as RedisDeadLetters from "../../src/bus/RedisDeadLetters.ts"
import { send } from "../http/Harness.ts"
import { served } from "../http/realEngine.ts"
import { eventsOf, history } from "../support/engine.ts"
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
  for (const cursor of ["zzz", "0", "-1", "inbound:1", "a-b", "a-1%00"]) {
    const refused = yield* list(`?cursor=${cursor}`)
    assert.strictEqual(refused.status, 400, cursor)
    assert.deepInclude((refused.json.errors as ReadonlyArray<object>)[0], { in: "query", path: "cursor" })
  }
  assert.deepInclude(newest, { group: "one", reason: "no such column", path: "data" })
  assert.isFalse(Number.isNaN(Date.parse(newest!.at!)))

  const post = (id: string, verb: string, body?: string, key?: string) =>
    send("POST", `/api/v1/bus/dead-letters/${id}/${verb}`, {
      ...(body === undefined ? {} : { body }),
      ...(key === undefined ? {} : { headers: { "idempotency-key": key } })
    })
  assert.strictEqual((yield* post(newest!.id!, "discard")).status, 400, "a reason is needed")
  const discarded = yield* post(newest!.id!, "discard", '{"reason":"obsolete"}', "d1")
  assert.deepStrictEqual([discarded.status, discarded.json.data], [202, { id: newest!.id, status: "discarded" }])
  const again = yield* post(newest!.id!, "discard", '{"reason":"obsolete"}', "d1")
  assert.deepStrictEqual([again.status, again.json], [202, discarded.json], "the same key has the same answer")
  assert.strictEqual((yield* post(newest!.id!, "discard", '{"reason":"other"}', "d1")).status, 422)
  const refusal = yield* post(newest!.id!, "retry")
  assert.deepStrictEqual([refusal.status, refusal.json.currentStatus], [409, "discarded"], "the first decision holds")
  refuses = false
  const retried = yield* post(oldest!.id!, "retry", '{"reason":"there is one now"}')
  assert.deepStrictEqual([retried.status, retried.json.data], [202, { id: oldest!.id, status: "retried" }])
  yield* until(() => handled.includes("a/1"))
  const twice = yield* post(oldest!.id!, "retry")
  assert.deepStrictEqual([twice.status, twice.json], [202, retried.json], "what is retried stays so")
  assert.strictEqual((yield* post("nothing", "retry")).status, 404)
  assert.deepStrictEqual(
    (yield* all()).map(({ id }) => id),
    [middle!.id]
  )
  assert.deepStrictEqual(handled, ["b/1", "a/1"], "handed over once")
  const discards = yield* eventsOf("deadletter", "DeadLetterDiscarded")
  assert.deepStrictEqual(
    discards.map(({ letterId, reason }) => [letterId, reason]),
    [[newest!.id, "obsolete"]]
  )
  const noted = (yield* history).filter(({ streamName }) => streamName.startsWith("deadletter-"))
  assert.deepStrictEqual(
    noted.map(({ metadata, position, type }) => [type, metadata.principal, position]),
    [
      ["DeadLetterDiscarded", "admin", discarded.json.position],
      ["DeadLetterRetried", "admin", retried.json.position]
    ]
  )

  // Refused again it is a letter again, of a new id.
  refuses = true
  yield* post(middle!.id!, "retry")
  yield* until(() => refused === 4)
  while ((yield* all()).length < 1) yield* Effect.sleep("5 millis")
  assert.notStrictEqual((yield* all())[0]!.id, middle!.id)
})

/** A real server and engine in front of a bus. */
const servedOn = (bus: Layer.Layer<EventBus>) => quiet(served({ bus }, scenario))

sayIfAbsent()

describe("dead letters over HTTP", () => {
  it.live("F53: of the bus in the process are listed, retried and discarded", () =>
    servedOn(InlineBus.layer({ settleMs: 200 }))
  )
})

describe.skipIf(absent)("with a Redis server", () => {
  layer(RedisServer.layer, { excludeTestServices: true })("dead letters", (it) => {
    it.effect("F53: of Redis are listed, retried and discarded", () =>
      Effect.gen(function* () {
        const { address } = yield* RedisServer
        const streams = { inbound: "letters.inbound", events: "letters.events" }
        const letters = Layer.effect(DeadLetters, RedisDeadLetters.make(address, streams))
        yield* servedOn(Layer.merge(RedisBus.layer({ address, stream: streams.events }), letters))
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
