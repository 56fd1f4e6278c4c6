import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import type { EventStore } from "../../src/eventstore/EventStore.ts"
import { defineJob } from "../../src/index.ts"
import * as httpStub from "../capabilities/httpStub.ts"
import { stepFor } from "../support/chainApp.ts"
import { eventsOf, history, play, quick, ran, start, stepOf, succeeded, until } from "../support/engine.ts"

const json = (value: unknown, status = 200, headers: object = {}): httpStub.Answer => {
  return (_request, response) =>
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(value))
}

/** Plays workflows whose steps ask `base`, the address of a server that answers what the test says. */
const serving = <A, E>(
  workflows: (base: string) => Readonly<Record<string, object>>,
  body: (server: httpStub.HttpStub) => Effect.Effect<A, E, Engine | EventStore | Scope.Scope>,
  settings: (server: httpStub.HttpStub) => object = ({ port }) => ({ httpAllow: [`127.0.0.1:${port}`] })
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const server = yield* httpStub.make
      const jobs = [
        defineJob({ slug: "list", run: async () => ({ result: { items: ["x", "y"] } }) }),
        defineJob({ slug: "use", run: async (ctx) => ({ result: ctx.steps.ask as never }) }),
        defineJob({ slug: "read", run: async (ctx) => ({ result: ctx.inputs.rates?.payload as never }) })
      ]
      const scenario = { jobs, workflows: workflows(server.endpoint), settings: settings(server) }
      return yield* play(scenario, () => Effect.scoped(body(server)))
    })
  )

const ask = (request: object, more: object = {}) => ({
  steps: [{ id: "ask", type: "http", retryPolicy: quick, request, ...more }]
})

describe("an http step", () => {
  it.live("F5: sends what its templates say and answers status, headers and body for the steps after it", () => {
    const seen: Array<object> = []
    return serving(
      (base) => ({
        orders: {
          steps: [
            ...ask({
              method: "POST",
              url: `${base}/orders/{{ parameters.id }}?q={{ parameters.q }}`,
              headers: { "X-Run": "{{ run.id }}" },
              body: { id: "{{ parameters.id }}", rows: "{{ parameters.rows }}" }
            }).steps,
            { ...stepFor("use"), dependsOn: ["ask"] }
          ]
        }
      }),
      (server) =>
        Effect.gen(function* () {
          server.answer((request, response) => {
            const chunks: Array<Buffer> = []
            request.on("data", (chunk: Buffer) => chunks.push(chunk))
            request.on("end", () => {
              const { headers, method, url } = request
              seen.push({ method, url, run: headers["x-run"], type: headers["content-type"] })
              seen.push(JSON.parse(Buffer.concat(chunks).toString()) as object)
              assert.isString(headers["idempotency-key"])
              json({ ok: [1] }, 201, { etag: '"e"', "x-other": "1" })(request, response)
            })
          })
          const run = yield* succeeded("orders", undefined, { id: "a/../b", q: "1&x=2", rows: [1] })
          assert.deepStrictEqual(seen, [
            { method: "POST", url: "/orders/a%2F..%2Fb?q=1%26x%3D2", run: run.id, type: "application/json" },
            { id: "a/../b", rows: [1] }
          ])
          const answer = {
            status: 201,
            headers: { "content-type": "application/json", etag: '"e"' },
            body: { ok: [1] }
          }
          assert.deepStrictEqual(stepOf(run, "ask").result, answer)
          assert.deepStrictEqual(stepOf(run, "use").result, answer)
        })
    )
  })

  it.live("a value that would leave its part of the path is refused, and nothing is asked", () =>
    serving(
      (base) => ({
        asks: ask({ url: `${base}/a/{{ parameters.x }}/b?q={{ parameters.x }}` }),
        begins: ask({ url: `{{ parameters.x }}` }),
        inside: ask({ url: `${base}/a/v{{ parameters.x }}` })
      }),
      (server) =>
        Effect.gen(function* () {
          server.answer(json("well"))
          for (const x of ["..", "."]) {
            const { failure } = yield* ran("asks", undefined, { x })
            assert.deepInclude(failure, { class: "permanent", code: "invalid_url" }, x)
            assert.match(failure?.message ?? "", /^steps\.ask\.request\.url has "\." or "\.\."/)
          }
          for (const x of ["/a/%2e%2E/b", "\\..\\b", "/.%2e?q"].map((end) => `${server.endpoint}${end}`)) {
            assert.deepInclude((yield* ran("begins", undefined, { x })).failure, { code: "invalid_url" }, x)
          }
          assert.deepStrictEqual(server.requests, [])
          yield* succeeded("asks", undefined, { x: "..." })
          yield* succeeded("inside", undefined, { x: ".." })
          assert.deepStrictEqual(server.requests, ["GET /a/.../b", "GET /a/v.."])
        })
    )
  )

  it.live.each([
    [404, "asset_missing", "no_producer", 1],
    [410, "asset_missing", "no_producer", 1],
    [401, "permanent", "http_unauthorized", 1],
    [422, "permanent", "http_refused", 1],
    [204, "permanent", "http_unexpected_status", 1],
    [408, "transient", "http_request_timeout", 3],
    [429, "transient", "http_too_many_requests", 3],
    [503, "transient", "http_server_error", 3]
  ] as const)("status %s is %s (%s) after %s attempts", ([status, failureClass, code, attempts]) =>
    serving(
      (base) => ({ asks: ask({ url: `${base}/it` }, { expect: { status: [200] } }) }),
      (server) =>
        Effect.gen(function* () {
          server.answer(json({ why: "so" }, status))
          const run = yield* ran("asks")
          assert.deepInclude(run.failure, { class: failureClass, code, status, url: `${server.endpoint}/it` })
          assert.include(run.failure?.message, `GET ${server.endpoint}/it answered ${status}`)
          assert.strictEqual(server.requests.length, attempts)
        })
    )
  )

  it.live("a service that says when to come back is left alone until then, if the policy would come sooner", () =>
    serving(
      (base) => ({ asks: ask({ url: base }) }),
      (server) =>
        Effect.gen(function* () {
          server.answer((request, response) => {
            server.answer(json("well"))
            json({}, 503, { "retry-after": "1" })(request, response)
          })
          yield* succeeded("asks")
          const [scheduled] = yield* eventsOf("run", "StepRetryScheduled")
          assert.strictEqual(scheduled?.delayMs, 1000)
        })
    )
  )

  it.live("no answer in time and no server are transient; what is no JSON where JSON is expected is permanent", () =>
    serving(
      (base) => ({
        slow: ask({ url: base, timeoutMs: 20 }),
        away: ask({ url: "http://127.0.0.1:1/" }),
        broken: ask({ url: base }),
        strict: ask({ url: base }, { expect: { body: "json" } }),
        text: ask({ url: base }, { expect: { body: "text" } })
      }),
      (server) =>
        Effect.gen(function* () {
          server.answer(() => {})
          assert.deepInclude((yield* ran("slow")).failure, { class: "transient", code: "timeout" })
          assert.deepInclude((yield* ran("away")).failure, { class: "transient", code: "http_unreachable" })
          server.answer((_request, response) =>
            response.writeHead(200, { "content-type": "application/json" }).end("{oops")
          )
          assert.deepInclude((yield* ran("broken")).failure, { class: "permanent", code: "invalid_json" })
          assert.strictEqual((stepOf(yield* succeeded("text"), "ask").result as { body: string }).body, "{oops")
          server.answer((_request, response) => response.writeHead(200).end())
          assert.deepInclude((yield* ran("strict")).failure, { class: "permanent", code: "invalid_json" })
        }),
      ({ port }) => ({ httpAllow: [`127.0.0.1:${port}`, "127.0.0.1:1"] })
    )
  )

  it.live("an answer beyond the limit of results is not read to its end", () =>
    serving(
      (base) => ({ asks: ask({ url: base }) }),
      (server) =>
        Effect.gen(function* () {
          let written = 0
          server.answer((_request, response) => {
            const chunk = Buffer.alloc(64 * 1024)
            const more = () => {
              while (!response.destroyed && written < 1e9) {
                written += chunk.length
                if (!response.write(chunk)) return
              }
            }
            response.on("drain", more)
            more()
          })
          assert.deepInclude((yield* ran("asks")).failure, { class: "permanent", code: "response_too_large" })
          assert.isBelow(written, 1e8)
        })
    )
  )
})

describe("hosts", () => {
  it.live("a private address is refused, written as such, by name and by a name that answers one later", () => {
    const asked: Array<string> = []
    return serving(
      (base) => ({
        literal: ask({ url: base }),
        name: ask({ url: base.replace("127.0.0.1", "localhost") }),
        rebound: ask({ url: base.replace("127.0.0.1", "rebound.example") })
      }),
      (server) =>
        Effect.gen(function* () {
          server.answer(json("secret of the machine"))
          for (const workflow of ["literal", "name", "rebound"]) {
            const run = yield* ran(workflow)
            assert.deepInclude(run.failure, { class: "permanent", code: "host_not_allowed" }, workflow)
          }
          assert.deepStrictEqual(server.requests, [])
          assert.deepStrictEqual(asked, ["localhost", "rebound.example"], "one look-up a connection")
        }),
      () => ({
        // The second look-up of a name that is not public any more: there must be none to go by.
        httpResolve: (hostname: string, _options: object, callback: (error: null, addresses: object) => void) => {
          asked.push(hostname)
          callback(null, [{ address: "127.0.0.1", family: 4 }])
        }
      })
    )
  })

  it.live("the connection goes to the address that was judged, and no other look-up is asked", () => {
    let lookups = 0
    return serving(
      (base) => ({ asks: ask({ url: base.replace("127.0.0.1", "api.internal.example") }) }),
      (server) =>
        Effect.gen(function* () {
          server.answer(json("well"))
          yield* succeeded("asks")
          assert.strictEqual(lookups, 1)
        }),
      () => ({
        httpAllow: ["*.internal.example"],
        httpResolve: (_hostname: string, _options: object, callback: (error: null, addresses: object) => void) => {
          lookups++
          callback(null, [{ address: lookups === 1 ? "127.0.0.1" : "127.0.0.2", family: 4 }])
        }
      })
    )
  })

  it.live("each redirect is judged again: one that leads from an allowed host to this machine is refused", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const inner = yield* httpStub.make
        inner.answer(json("metadata"))
        return yield* serving(
          (base) => ({ asks: ask({ url: base }) }),
          (server) =>
            Effect.gen(function* () {
              server.answer((_request, response) => response.writeHead(302, { location: inner.endpoint }).end())
              const run = yield* ran("asks")
              assert.deepInclude(run.failure, { class: "permanent", code: "host_not_allowed" })
              assert.include(run.failure?.message, inner.endpoint)
              assert.deepStrictEqual(inner.requests, [])
            })
        )
      })
    )
  )

  it.live("redirects are followed five times, and become GET as browsers do", () =>
    serving(
      (base) => ({
        asks: ask({ method: "POST", url: `${base}/0`, body: "text" }),
        loops: ask({ url: `${base}/loop` }),
        odd: ask({ url: `${base}/odd` })
      }),
      (server) =>
        Effect.gen(function* () {
          server.answer((request, response) => {
            const at = (request.url ?? "").slice(1)
            if (at === "odd") return response.writeHead(302, { location: "file:///etc/passwd" }).end()
            const next = at === "loop" ? "loop" : String(Number(at) + 1)
            if (at === "5") return json(request.method)(request, response)
            return response.writeHead(302, { location: `/${next}` }).end()
          })
          const run = yield* succeeded("asks")
          assert.deepInclude(stepOf(run, "ask").result, { body: "GET" })
          assert.strictEqual(server.requests[0], "POST /0")
          assert.deepInclude((yield* ran("loops")).failure, { class: "permanent", code: "http_redirects" })
          assert.include((yield* ran("odd")).failure?.message, "must begin with http:// or https://, not file:")
        })
    )
  )
})

describe("secrets", () => {
  const canary = 'canary/"7+é secret'
  const withCanary = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        process.env.S_TEST_TOKEN = encodeURIComponent(canary)
      }),
      () => effect,
      () =>
        Effect.sync(() => {
          delete process.env.S_TEST_TOKEN
        })
    )
  const headers = { authorization: { env: "S_TEST_TOKEN", prefix: "Bearer " } }

  it.live("are sent, and are in no event, result or message, also when the service sends them back", () => {
    const token = encodeURIComponent(canary)
    return withCanary(
      serving(
        (base) => ({
          echoes: ask({ url: `${base}/echo`, headers }),
          fails: ask({ url: `${base}/fail`, headers })
        }),
        (server) =>
          Effect.gen(function* () {
            const received: Array<string | undefined> = []
            server.answer((request, response) => {
              const { authorization = "" } = request.headers
              received.push(authorization)
              const body = { said: authorization, [token]: Buffer.from(token).toString("base64") }
              json(body, request.url === "/fail" ? 403 : 200, { etag: token })(request, response)
            })
            const run = yield* succeeded("echoes")
            assert.deepInclude(stepOf(run, "ask").result, {
              body: { said: "Bearer [secret S_TEST_TOKEN]", "[secret S_TEST_TOKEN]": "[secret S_TEST_TOKEN]" }
            })
            const failed = yield* ran("fails")
            assert.include(failed.failure?.message, "Bearer [secret S_TEST_TOKEN]")
            assert.deepStrictEqual(received, [`Bearer ${token}`, `Bearer ${token}`])
            const log = JSON.stringify((yield* history).map(({ payload }) => payload))
            for (const form of [token, canary, Buffer.from(token).toString("base64")]) assert.notInclude(log, form)
          })
      )
    )
  })

  it.live("do not follow a redirect to another origin; other headers do", () =>
    withCanary(
      Effect.scoped(
        Effect.gen(function* () {
          const other = yield* httpStub.make
          return yield* serving(
            (base) => ({ asks: ask({ url: base, headers: { ...headers, "x-kept": "yes" } }) }),
            (server) =>
              Effect.gen(function* () {
                server.answer((_request, response) => response.writeHead(307, { location: other.endpoint }).end())
                other.answer((request, response) => {
                  const { authorization = null, "x-kept": kept } = request.headers
                  json({ authorization, kept })(request, response)
                })
                const run = yield* succeeded("asks")
                assert.deepInclude(stepOf(run, "ask").result, { body: { authorization: null, kept: "yes" } })
              }),
            ({ port }) => ({ httpAllow: [`127.0.0.1:${port}`, `127.0.0.1:${other.port}`] })
          )
        })
      )
    )
  )

  it.live("that are not there fail the step and name the header and the variable", () =>
    serving(
      (base) => ({ asks: ask({ url: base, headers: { authorization: { env: "S_TEST_NOT_THERE" } } }) }),
      () =>
        Effect.gen(function* () {
          assert.deepInclude((yield* ran("asks")).failure, {
            class: "permanent",
            code: "secret_missing",
            message: "header authorization needs the environment variable S_TEST_NOT_THERE, which is not set"
          })
        })
    )
  )
})

describe("assets of an http step", () => {
  const schema = { type: "object", properties: { eur: { type: "number" } }, required: ["eur"] }

  it.live("the body is the payload of its only asset, and must keep its schema", () =>
    serving(
      (base) => ({
        rates: ask({ url: base }, { produces: [{ assetId: "rates", schema }] }),
        readers: { steps: [stepFor("read", { consumes: ["rates"] })] }
      }),
      (server) =>
        Effect.gen(function* () {
          server.answer(json({ eur: 1.1 }))
          const [asset] = stepOf(yield* succeeded("rates"), "ask").producedAssets
          assert.deepInclude(asset, { assetId: "rates", generation: 1, payload: { eur: 1.1 } })
          assert.deepStrictEqual(stepOf(yield* succeeded("readers"), "read").result, { eur: 1.1 })
          server.answer(json({ eur: "much" }))
          const { failure } = yield* ran("rates")
          assert.deepInclude(failure, { class: "permanent", code: "schema_violation" })
          assert.include(failure?.message, "payload.eur")
        })
    )
  )

  it.live("several are told apart by `assets`, whose templates may name the answer", () =>
    serving(
      (base) => ({
        rates: ask(
          { url: base },
          {
            produces: [{ assetId: "rates" }, { assetId: "stamp" }],
            assets: [
              {
                assetId: "rates",
                partitionKey: "{{ response.body.day }}",
                payload: { eur: "{{ response.body.eur }}" }
              },
              { assetId: "stamp", payload: "{{ response.status }}" }
            ]
          }
        )
      }),
      (server) =>
        Effect.gen(function* () {
          server.answer(json({ day: "2024-01-02", eur: 1.1 }))
          const run = yield* succeeded("rates")
          assert.deepStrictEqual(
            stepOf(run, "ask").producedAssets.map(({ assetId, partitionKey, payload }) => [
              ...[assetId, partitionKey, payload]
            ]),
            [
              ["rates", "2024-01-02", { eur: 1.1 }],
              ["stamp", null, 200]
            ]
          )
        })
    )
  )

  it.live("F5: an input that was never made is made first, by asking again", () =>
    serving(
      (base) => ({
        rates: ask({ url: base }, { produces: [{ assetId: "rates" }] }),
        readers: { steps: [stepFor("read", { consumes: ["rates"] })] }
      }),
      (server) =>
        Effect.gen(function* () {
          server.answer(json({ eur: 1.2 }))
          assert.deepStrictEqual(stepOf(yield* succeeded("readers"), "read").result, { eur: 1.2 })
          assert.deepStrictEqual(server.requests, ["GET /"])
        })
    )
  )

  it.live("F5: children of a fan-out may be http steps", () =>
    serving(
      (base) => ({
        asks: {
          steps: [
            stepFor("list"),
            {
              ...{ id: "each", type: "fanOut", dependsOn: ["list"], over: "{{ steps.list.result.items }}" },
              step: {
                type: "http",
                retryPolicy: quick,
                request: { url: `${base}/items/{{ item }}` },
                produces: [{ assetId: "item" }],
                assets: [{ assetId: "item", partitionKey: "{{ item }}" }]
              }
            }
          ]
        }
      }),
      (server) =>
        Effect.gen(function* () {
          let failures = 1
          server.answer((request, response) =>
            request.url === "/items/y" && failures-- > 0
              ? response.writeHead(500).end()
              : json(request.url)(request, response)
          )
          const run = yield* succeeded("asks")
          assert.deepStrictEqual(
            (stepOf(run, "each").result as ReadonlyArray<{ body: string }>).map(({ body }) => body),
            ["/items/x", "/items/y"]
          )
          assert.strictEqual(stepOf(run, "each[1]").attempt, 2)
          assert.deepInclude(stepOf(run, "each[1]").producedAssets[0], { assetId: "item", partitionKey: "y" })
        })
    )
  )

  it.live("a canceled step closes its connection", () =>
    serving(
      (base) => ({ asks: ask({ url: base }) }),
      (server) =>
        Effect.gen(function* () {
          let closed = false
          server.answer((request) => {
            request.socket.on("close", () => {
              closed = true
            })
          })
          const { id } = yield* start("asks")
          yield* until(
            Effect.sync(() => server.requests.length),
            (count) => count === 1,
            "request"
          )
          yield* Effect.flatMap(Engine, (engine) => engine.cancelRun(id, "enough"))
          yield* until(
            Effect.sync(() => closed),
            (isClosed) => isClosed,
            "closed connection"
          )
        })
    )
  )
})
