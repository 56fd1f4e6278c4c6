import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { connect } from "node:net"
import { EventStore, type RecordedEvent } from "../../src/eventstore/EventStore.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import type { EventView } from "../../src/http/api/EventSchema.ts"
import { lineOf } from "../../src/http/EventLine.ts"
import { viewOf } from "../../src/http/EventShape.ts"
import { Listening } from "../../src/http/Server.ts"
import * as Fakes from "./Fakes.ts"
import { send, server, token } from "./Harness.ts"
import { append } from "./Log.ts"

const events = (text: string): ReadonlyArray<EventView> =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line))

/** An event stream, read as far as a test wants it; closed with the test. */
const listen = Effect.fnUntraced(function* (path: string, headers: Record<string, string> = {}) {
  const { url } = yield* Listening
  const controller = yield* Effect.acquireRelease(
    Effect.sync(() => new AbortController()),
    (controller) => Effect.sync(() => controller.abort())
  )
  const response = yield* Effect.promise(() =>
    fetch(`${url}${path}`, {
      headers: { authorization: `Bearer ${token}`, ...headers },
      signal: controller.signal
    })
  )
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ""
  /** Reads on until the text so far satisfies `enough`; the text. */
  const until = (enough: (text: string) => boolean) =>
    Effect.promise(async () => {
      while (!enough(text)) {
        const { done, value } = await reader.read()
        if (done) break
        text += value
      }
      return text
    }).pipe(Effect.timeout("5 seconds"))
  return { response, until }
})

const ids = (text: string): ReadonlyArray<string> => [...text.matchAll(/^id: (.+)$/gm)].map(([, id]) => id!)

/** What was asked of the log. */
const reading = { pages: 0, after: [] as Array<string | null> }
const state = Fakes.makeState()
const counted = Layer.effect(
  EventStore,
  Effect.map(EventStore, (store) => ({
    ...store,
    readAll: (options: Parameters<typeof store.readAll>[0]) =>
      Effect.suspend(() => {
        reading.pages++
        reading.after.push(options.after)
        return store.readAll(options)
      })
  }))
).pipe(Layer.provide(MemoryEventStore.layer))
const behind = () => Layer.mergeAll(Fakes.engine(state), Fakes.reads(state), counted)

const fresh = () => Layer.fresh(server(state, behind()))

layer(fresh(), { excludeTestServices: true })("the log as NDJSON", (it) => {
  it.effect("every event is one line in log order, in the one shape that every listing has", () =>
    Effect.gen(function* () {
      yield* append("run-1", "RunRequested", "StepStarted")
      yield* append("asset-1", "AssetProduced")
      const { headers, text } = yield* send("GET", "/api/v1/events")
      assert.strictEqual(headers.get("content-type"), "application/x-ndjson")
      const [first, ...rest] = events(text)
      assert.deepStrictEqual(first, {
        position: Fakes.position(1),
        stream: "run-1",
        version: 1,
        type: "RunRequested",
        schemaVersion: 1,
        data: { note: "line\nbreak", n: 1 },
        metadata: {
          commandId: null,
          correlationId: "1",
          causationId: null,
          principal: "admin",
          traceparent: null,
          reason: null
        },
        recordedAt: "2026-01-01T00:00:00.000Z",
        hash: "00"
      })
      assert.deepStrictEqual(
        rest.map(({ type }) => type),
        ["StepStarted", "AssetProduced"]
      )
    })
  )

  it.effect("`after` is exclusive, and category, type and limit narrow the list", () =>
    Effect.gen(function* () {
      const types = (query: string) =>
        Effect.map(send("GET", `/api/v1/events?${query}`), ({ text }) => events(text).map(({ type }) => type))
      assert.deepStrictEqual(yield* types(`after=${Fakes.position(1)}`), ["StepStarted", "AssetProduced"])
      assert.deepStrictEqual(yield* types("category=asset"), ["AssetProduced"])
      assert.deepStrictEqual(yield* types("type=StepStarted&type=AssetProduced"), ["StepStarted", "AssetProduced"])
      assert.deepStrictEqual(yield* types("limit=1"), ["RunRequested"])
      assert.deepStrictEqual(yield* types(`after=${Fakes.position(3)}`), [])
      assert.deepStrictEqual(yield* types("category=limit"), [])
    })
  )

  it.effect("more events than a page come in one answer, none twice and none left out", () =>
    Effect.gen(function* () {
      for (let batch = 0; batch < 12; batch++) yield* append(`run-many${batch}`, "A", ...Array<string>(99).fill("B"))
      const all = events((yield* send("GET", "/api/v1/events")).text)
      assert.strictEqual(new Set(all.map(({ position }) => position)).size, 1203)
      assert.strictEqual(all.length, 1203)
      assert.lengthOf(events((yield* send("GET", "/api/v1/events?limit=700")).text), 700)
    })
  )

  it.effect("a position that the log has not reached is refused with where the log ends, however far it is", () =>
    Effect.gen(function* () {
      const end = yield* Effect.flatMap(EventStore, (store) => store.head)
      const next = Fakes.position(Number.parseInt(end.slice(-16), 16) + 1)
      for (const after of [next, `7fffffff-${"f".repeat(16)}-7${"f".repeat(15)}`]) {
        for (const path of ["/api/v1/events", "/api/v1/events/stream"]) {
          const { json, status } = yield* send("GET", `${path}?after=${after}`)
          assert.strictEqual(status, 400)
          assert.deepInclude((json.errors as ReadonlyArray<object>)[0], { in: "query", path: "after" })
          assert.include(JSON.stringify(json.errors), end)
        }
        const resumed = yield* send("GET", "/api/v1/events/stream", { headers: { "last-event-id": after } })
        assert.strictEqual(resumed.status, 400)
      }
      assert.strictEqual((yield* send("GET", `/api/v1/events?after=${end}`)).text, "")
    })
  )

  it.effect("a line is what the event's view says, also of a payload and of names that need care", () =>
    Effect.gen(function* () {
      const store = yield* EventStore
      const recorded = (payload: string, streamName: string): RecordedEvent => ({
        ...{ type: 'Odd"\n', schemaVersion: 2, payload, metadata: { principal: "é\u2028" }, recordedAt: 1.5e12 },
        ...{ hash: "00", streamName, streamVersion: 3, position: Fakes.position(3) }
      })
      const kept = yield* store.readAll({ after: null, limit: 10 })
      const odd = ['{"trigger":{"type":"recovery","recoveryId":"r9"}}', '{\n "a": 1 }', '{"runId":"r1"}', "{}"]
      const all = odd.flatMap((payload) =>
        ["run-1", "asset-1", 'recovery-"1', "odd"].map((id) => recorded(payload, id))
      )
      for (const event of [...kept.events, ...all])
        assert.strictEqual(lineOf(event), `${JSON.stringify(viewOf(event))}\n`)
    })
  )

  it.effect("a run's own events are listed page by page", () =>
    Effect.gen(function* () {
      const first = yield* send("GET", "/api/v1/runs/many0/events?limit=60")
      assert.lengthOf(first.json.data as ReadonlyArray<unknown>, 60)
      const last = yield* send("GET", `/api/v1/runs/many0/events?limit=60&cursor=${first.json.nextCursor}`)
      assert.lengthOf(last.json.data as ReadonlyArray<unknown>, 40)
      assert.isNull(last.json.nextCursor)
    })
  )
})

layer(fresh(), { excludeTestServices: true })("the log as server-sent events", (it) => {
  it.effect("begins from now, and an event comes as soon as it is appended, under its position", () =>
    Effect.gen(function* () {
      yield* append("run-1", "RunRequested")
      const { response, until } = yield* listen("/api/v1/events/stream")
      assert.strictEqual(response.headers.get("content-type"), "text/event-stream")
      yield* until((text) => text.includes("retry:"))
      const appended = yield* append("run-1", "StepStarted")
      const text = yield* until((text) => text.includes("\n\nid:") && text.endsWith("\n\n"))
      assert.deepStrictEqual(ids(text), [appended.position])
      const [, event, data] = /event: (.+)\ndata: (.+)\n\n/.exec(text)!
      assert.strictEqual(event, "StepStarted")
      assert.deepInclude(JSON.parse(data!), { stream: "run-1", version: 2, type: "StepStarted" })
    })
  )

  it.effect("Last-Event-ID and `after` go on behind it; Last-Event-ID wins", () =>
    Effect.gen(function* () {
      yield* append("run-2", "A", "B", "C")
      const all = ids(
        yield* (yield* listen(`/api/v1/events/stream?after=${Fakes.position(0)}`)).until(
          (text) => ids(text).length >= 5
        )
      )
      assert.deepStrictEqual(all.slice(0, 5), [1, 2, 3, 4, 5].map(Fakes.position))
      const again = yield* listen(`/api/v1/events/stream?after=${Fakes.position(0)}`, {
        "last-event-id": Fakes.position(4)
      })
      const [next] = ids(yield* again.until((text) => ids(text).length >= 1))
      assert.strictEqual(next, Fakes.position(5))
    })
  )

  it.effect("category and type narrow the stream", () =>
    Effect.gen(function* () {
      yield* append("asset-9", "AssetProduced", "AssetExpired")
      const stream = yield* listen(`/api/v1/events/stream?after=${Fakes.position(0)}&category=asset&type=AssetExpired`)
      const text = yield* stream.until((text) => text.includes("AssetExpired"))
      assert.lengthOf(ids(text), 1)
    })
  )
})

layer(fresh(), { excludeTestServices: true })("a client that does not read", (it) => {
  it.effect("is read for no further than the connection holds, and others go on", () =>
    Effect.gen(function* () {
      for (let batch = 0; batch < 60; batch++) yield* append(`run-flood${batch}`, "A", ...Array<string>(999).fill("B"))
      const { port } = yield* Listening
      // A socket of its own: fetch would read on into its own buffers.
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          const socket = connect(port, "127.0.0.1").pause()
          const path = `/api/v1/events/stream?after=${Fakes.position(0)}`
          socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`)
          return socket
        }),
        (socket) => Effect.sync(() => socket.destroy())
      )
      yield* Effect.sleep("500 millis")
      const stalled = reading.pages
      assert.isAbove(stalled, 0)
      yield* Effect.sleep("1 second")
      assert.strictEqual(reading.pages, stalled)
      // 120 pages hold the whole log.
      assert.isBelow(stalled, 60)
      const { until } = yield* listen("/api/v1/events/stream")
      yield* until((text) => text.includes("retry:"))
      yield* append("run-after", "Z")
      assert.include(yield* until((text) => text.includes("event: Z")), "event: Z")
    })
  )

  it.effect("of the export holds the server to a few pages, and a break in the middle is resumed without a gap", () =>
    Effect.gen(function* () {
      const { port } = yield* Listening
      const before = reading.pages
      const socket = yield* Effect.acquireRelease(
        Effect.sync(() => {
          const socket = connect(port, "127.0.0.1").pause()
          socket.write(`GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`)
          return socket
        }),
        (socket) => Effect.sync(() => socket.destroy())
      )
      yield* Effect.sleep("500 millis")
      const stalled = reading.pages
      assert.isAbove(stalled, before)
      yield* Effect.sleep("1 second")
      assert.strictEqual(reading.pages, stalled)
      // The whole log is some 20 MB, and a page 1 MiB.
      assert.isBelow(stalled - before, 14)
      socket.destroy()
      const whole = (yield* send("GET", "/api/v1/events")).text
      const cut = whole.slice(0, Math.trunc(whole.length / 2))
      const kept = cut.slice(0, cut.lastIndexOf("\n") + 1)
      const { position } = JSON.parse(kept.trimEnd().split("\n").at(-1)!)
      const rest = (yield* send("GET", `/api/v1/events?after=${position}`)).text
      assert.isTrue(kept + rest === whole, "the two parts are the whole")
    })
  )
})
