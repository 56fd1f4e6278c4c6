import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { connect } from "node:net"
import { Listening } from "../../src/http/Server.ts"
import * as Fakes from "./Fakes.ts"
import { send, server } from "./Harness.ts"
import { append } from "./Log.ts"

const state = Fakes.makeState()

/** Bytes as they are, and what comes back until the server closes or 2 s of silence. */
const raw = Effect.fnUntraced(function* (...chunks: ReadonlyArray<string | Buffer>) {
  const { port } = yield* Listening
  return yield* Effect.callback<string>((resume) => {
    const socket = connect(port, "127.0.0.1")
    let text = ""
    const done = () => resume(Effect.succeed(text))
    socket.setTimeout(2000, () => socket.destroy())
    socket.on("data", (data) => {
      text += data.toString()
    })
    socket.on("error", done)
    socket.on("close", done)
    for (const chunk of chunks) socket.write(chunk)
    return Effect.sync(() => socket.destroy())
  })
})

const authorized = "Host: x\r\nAuthorization: Bearer correct-horse-battery-staple\r\n"

layer(server(state), { excludeTestServices: true })("routes", (it) => {
  it.effect("a workflow is defined with 201 the first time and 200 after that", () =>
    Effect.gen(function* () {
      const body = JSON.stringify({ steps: [] })
      const first = yield* send("PUT", "/api/v1/workflows/fresh", { body })
      assert.strictEqual(first.status, 201)
      assert.deepInclude(first.json.data, { slug: "fresh", version: 1 })
      assert.strictEqual(first.json.position, Fakes.position(1))
      assert.strictEqual((yield* send("PUT", "/api/v1/workflows/known", { body })).status, 200)
      const read = yield* send("GET", "/api/v1/workflows/known")
      assert.deepStrictEqual(Object.keys(read.json), ["data"])
    })
  )

  it.effect("workflows are listed by slug, page by page, each once", () =>
    Effect.gen(function* () {
      const slugs: Array<string> = []
      let cursor: unknown = null
      do {
        const query = cursor === null ? "" : `&cursor=${cursor}`
        const { json } = yield* send("GET", `/api/v1/workflows?limit=2${query}`)
        slugs.push(...(json.data as ReadonlyArray<{ readonly slug: string }>).map(({ slug }) => slug))
        cursor = json.nextCursor
      } while (cursor !== null)
      assert.deepStrictEqual(slugs, ["a", "b", "c"])
    })
  )

  it.effect("commands answer 202 with the thing and a position", () =>
    Effect.gen(function* () {
      const started = yield* send("POST", "/api/v1/workflows/orders/run", {
        body: JSON.stringify({ parameters: { day: 1 }, partitionKey: "2024-01", runKey: "k", triggeredBy: "me" })
      })
      assert.strictEqual(started.status, 202)
      assert.deepInclude(started.json.data, { workflow: "orders", status: "running" })
      assert.deepStrictEqual(state.starts.at(-1), {
        workflow: "orders",
        parameters: { day: 1 },
        partitionKey: "2024-01",
        runKey: "k",
        triggeredBy: "me"
      })
      for (const path of ["runs/ok-9/cancel", "runs/failed-9/recover", "workflows/failed-9/recover"]) {
        const { json, status } = yield* send("POST", `/api/v1/${path}`)
        assert.strictEqual(status, 202, path)
        assert.strictEqual(json.position, Fakes.position(9))
      }
      for (const path of ["recoveries/failed-9/retry", "recoveries/ok-9/cancel"]) {
        const { json, status } = yield* send("POST", `/api/v1/${path}`, { body: "{}" })
        assert.strictEqual(status, 202, path)
        assert.deepInclude(json.data, { assetId: "orders.raw" })
      }
    })
  )

  it.effect("a single run or recovery is answered whole, with what the engine adds to it", () =>
    Effect.gen(function* () {
      const run = yield* send("GET", "/api/v1/runs/failed-1")
      assert.deepStrictEqual(run.json, JSON.parse(JSON.stringify({ data: Fakes.runView("failed-1", "failed") })))
      const recovery = yield* send("GET", "/api/v1/recoveries/ok-1")
      assert.deepStrictEqual(recovery.json, { data: JSON.parse(JSON.stringify(Fakes.recoveryView("ok-1", "running"))) })
    })
  )

  it.effect("`at` takes a position and an ISO time, and the engine gets it as it is", () =>
    Effect.gen(function* () {
      yield* append("limit-1", "A", "B", "C", "D", "E")
      yield* send("GET", `/api/v1/runs/ok-1?at=${Fakes.position(5)}`)
      assert.strictEqual(state.at.at(-1), Fakes.position(5))
      yield* send("GET", "/api/v1/recoveries/ok-1?at=2026-01-01T00:00:00Z")
      assert.strictEqual(state.at.at(-1), Date.UTC(2026, 0, 1))
      yield* send("GET", "/api/v1/runs/ok-1?at=2026-01-01T02:00:00%2B02:00")
      assert.strictEqual(state.at.at(-1), Date.UTC(2026, 0, 1))
    })
  )

  it.effect("lists answer data and nextCursor, and the cursor asks for the next page", () =>
    Effect.gen(function* () {
      for (const path of ["runs", "recoveries", "notifications"]) {
        const first = yield* send("GET", `/api/v1/${path}?limit=1&minPosition=${Fakes.position(3)}`)
        assert.strictEqual(first.status, 200, first.text)
        assert.strictEqual(first.json.nextCursor, "more")
        assert.lengthOf(first.json.data as ReadonlyArray<unknown>, 1)
        const last = yield* send("GET", `/api/v1/${path}?cursor=more`)
        assert.strictEqual(last.json.nextCursor, null)
      }
    })
  )

  it.effect("a plan is a dry run that names class, cause and order", () =>
    Effect.gen(function* () {
      const { json, status } = yield* send("POST", "/api/v1/recoveries/plan", { body: '{"assetId":"orders.raw"}' })
      assert.strictEqual(status, 200)
      assert.deepInclude(json.data, { assetId: "orders.raw", partitionKey: null, class: "recheck", present: false })
    })
  )

  it.effect("operators see queues (T26), stores and read models", () =>
    Effect.gen(function* () {
      const health = (yield* send("GET", "/api/v1/admin/queue-health")).json.data
      assert.deepInclude(health, { delayed: { retry: 1, recovery: 2, store: 0, input: 0 } })
      const stores = (yield* send("GET", "/api/v1/admin/stores")).json.data as ReadonlyArray<unknown>
      assert.deepInclude(stores[0], { name: "inbox", status: "ready" })
      const projections = (yield* send("GET", "/api/v1/admin/projections")).json.data
      assert.deepInclude(projections, { horizonHolder: { pid: 4711, ageMs: 61_000, database: "other" } })
    })
  )

  it.effect("marking a notification twice keeps the first time", () =>
    Effect.gen(function* () {
      const first = yield* send("POST", "/api/v1/notifications/n1/read")
      assert.strictEqual(first.status, 200)
      assert.deepStrictEqual((yield* send("POST", "/api/v1/notifications/n1/read")).json, first.json)
    })
  )

  it.effect("a path without its prefix leads there by 308, which keeps method and query", () =>
    Effect.gen(function* () {
      const get = yield* send("GET", "/runs?limit=5&status=failed", { token: null })
      assert.strictEqual(get.status, 308)
      assert.strictEqual(get.headers.get("location"), "/api/v1/runs?limit=5&status=failed")
      const post = yield* send("POST", "/workflows/orders/run", { body: "{}" })
      assert.strictEqual(post.status, 308)
      assert.strictEqual(post.headers.get("location"), "/api/v1/workflows/orders/run")
      // Never to another host.
      const foreign = yield* send("GET", "//evil.example/runs")
      assert.strictEqual(foreign.status, 404)
    })
  )

  it.effect("HEAD answers as GET without a body, OPTIONS and 405 name the methods, and there is no CORS", () =>
    Effect.gen(function* () {
      const head = yield* send("HEAD", "/api/v1/runs")
      assert.strictEqual(head.status, 200)
      assert.strictEqual(head.text, "")
      assert.strictEqual((yield* send("HEAD", "/api/v1/runs", { token: null })).status, 401)
      assert.strictEqual((yield* send("HEAD", "/api/v1/events/stream")).status, 200)
      const options = yield* send("OPTIONS", "/api/v1/workflows/x", { headers: { origin: "http://evil.example" } })
      assert.strictEqual(options.status, 204)
      assert.strictEqual(options.headers.get("allow"), "GET, PUT, HEAD, OPTIONS")
      assert.isNull(options.headers.get("access-control-allow-origin"))
      const wrong = yield* send("DELETE", "/api/v1/workflows/x")
      assert.strictEqual(wrong.headers.get("allow"), "GET, PUT, HEAD, OPTIONS")
      assert.strictEqual((yield* send("OPTIONS", "/nowhere")).status, 404)
    })
  )

  it.effect("an illegal transition tells the status that the thing has", () =>
    Effect.gen(function* () {
      const { json } = yield* send("POST", "/api/v1/runs/failed-1/cancel")
      assert.strictEqual(json.currentStatus, "failed")
      assert.include(json.detail as string, "failed")
    })
  )

  it.effect("every fault of a request is listed at once", () =>
    Effect.gen(function* () {
      const { json } = yield* send("GET", "/api/v1/runs?limit=0&status=x&nme=y")
      const paths = (json.errors as ReadonlyArray<{ readonly path: string }>).map(({ path }) => path)
      assert.sameMembers(paths, ["limit", "status", "nme"])
    })
  )

  it.effect("a body over 1 MiB is 413 without a content-length too, and the connection ends in order", () =>
    Effect.gen(function* () {
      const head = `PUT /api/v1/workflows/x HTTP/1.1\r\n${authorized}Content-Type: application/json\r\n`
      const chunk = Buffer.from(`40000\r\n${"x".repeat(0x40000)}\r\n`)
      const chunked = yield* raw(`${head}Transfer-Encoding: chunked\r\n\r\n`, chunk, chunk, chunk, chunk, chunk)
      assert.include(chunked, "HTTP/1.1 413")
      assert.include(chunked, "body_too_large")
      const announced = yield* raw(`${head}Content-Length: 99999999\r\n\r\n`, "x".repeat(1000))
      assert.include(announced, "HTTP/1.1 413")
      assert.include(announced.toLowerCase(), "connection: close")
    })
  )

  it.effect("what is no HTTP request is refused with a problem, and the server goes on", () =>
    Effect.gen(function* () {
      assert.include(yield* raw("hello\r\n\r\n"), "malformed_request")
      const long = yield* raw(`GET /livez HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(20_000)}\r\n\r\n`)
      assert.include(long, "HTTP/1.1 431")
      assert.include(
        yield* raw(`GET /api/v1/runs/%zz HTTP/1.1\r\n${authorized}Connection: close\r\n\r\n`),
        "HTTP/1.1 40"
      )
      assert.strictEqual((yield* send("GET", "/livez")).status, 200)
    })
  )

  it.effect("livez, readyz and openapi.json are open; every answer has the security headers", () =>
    Effect.gen(function* () {
      for (const path of ["/livez", "/readyz", "/openapi.json"]) {
        const { headers, status } = yield* send("GET", path, { token: null })
        assert.strictEqual(status, 200, path)
        assert.strictEqual(headers.get("x-content-type-options"), "nosniff")
        assert.strictEqual(headers.get("cache-control"), "no-store")
        assert.strictEqual(headers.get("x-frame-options"), "DENY")
      }
    })
  )
})
