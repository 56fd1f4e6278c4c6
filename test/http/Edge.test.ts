import { request as httpRequest } from "node:http"
import { request as httpsRequest } from "node:https"
import { connect } from "node:net"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { OpenApi } from "effect/http-api"
import { Api } from "../../src/http/api/Api.ts"
import * as Server from "../../src/http/Server.ts"
import * as Fakes from "./Fakes.ts"
import { send, server, token } from "./Harness.ts"

const serverWith = (settings: Parameters<typeof server>[2]) => server(Fakes.makeState(), undefined, settings)
const pem = (name: string) => readFileSync(join(import.meta.dirname, "tls", name))
const tls = { cert: pem("cert.pem"), key: pem("key.pem") }

/** What `fetch` cannot say: the same header twice. */
const raw = (lines: ReadonlyArray<string>) =>
  Effect.flatMap(Server.Listening, ({ port }) =>
    Effect.promise(
      () =>
        new Promise<string>((resolve, reject) => {
          const socket = connect(port, "127.0.0.1", () => {
            socket.write(`${[...lines, "Connection: close"].join("\r\n")}\r\n\r\n`)
          })
          let text = ""
          socket.on("data", (data) => {
            text += String(data)
          })
          socket.on("close", () => resolve(text))
          socket.on("error", reject)
        })
    )
  )

describe("every answer", () => {
  it.live("F84: says that it is not to be kept, framed or guessed at", () =>
    Effect.gen(function* () {
      const answers = [
        yield* send("GET", "/livez"),
        yield* send("GET", "/openapi.json"),
        yield* send("GET", "/api/v1/workflows"),
        yield* send("GET", "/api/v1/workflows", { token: null }),
        yield* send("GET", "/nowhere"),
        yield* send("GET", "/workflows"),
        yield* send("POST", "/api/v1/workflows/broken/run")
      ]
      assert.deepStrictEqual(
        answers.map(({ status }) => status),
        [200, 200, 200, 401, 404, 308, 500]
      )
      for (const { headers, status } of answers) {
        assert.strictEqual(headers.get("x-content-type-options"), "nosniff", String(status))
        assert.strictEqual(headers.get("cache-control"), "no-store")
        assert.include(headers.get("content-security-policy") ?? "", "frame-ancestors 'none'")
        assert.strictEqual(headers.get("referrer-policy"), "no-referrer")
        assert.isNull(headers.get("strict-transport-security"), "only over TLS")
      }
      const malformed = yield* raw(["NONSENSE"])
      assert.match(malformed, /^HTTP\/1.1 400 [\s\S]*Cache-Control: no-store\r\nX-Content-Type-Options: nosniff/)
    }).pipe(Effect.provide(serverWith({})))
  )

  it.live("F84: a header that must be one is refused when it comes twice", () =>
    Effect.gen(function* () {
      const bearer = `Authorization: Bearer ${token}`
      const start = ["GET /api/v1/workflows HTTP/1.1", "Host: x"]
      assert.match(yield* raw([...start, bearer]), /^HTTP\/1.1 200 /)
      for (const twice of [
        [bearer, bearer],
        [bearer, "authorization: Bearer other"],
        ["Authorization:", bearer]
      ]) {
        const answer = yield* raw([...start, ...twice])
        assert.match(answer, /^HTTP\/1.1 400 /)
        assert.include(answer, `"path":"authorization"`)
        assert.include(answer, "must be sent once")
      }
    }).pipe(Effect.provide(serverWith({})))
  )

  it.live("F84: 413 to a body that is too large, on every route", () =>
    Effect.gen(function* () {
      const { port } = yield* Server.Listening
      const paths = OpenApi.fromApi(Api).paths
      for (const [path, item] of Object.entries(paths)) {
        for (const method of Object.keys(item as object)) {
          const status = yield* Effect.promise(
            () =>
              new Promise<number>((resolve, reject) => {
                const place = path.replace("{generation}", "1").replace(/\{\w+\}/g, "x")
                const headers = { authorization: `Bearer ${token}`, "content-length": String(1024 * 1024 + 1) }
                const asked = httpRequest({
                  port,
                  host: "127.0.0.1",
                  method: method.toUpperCase(),
                  path: place,
                  headers
                })
                asked.on("response", (response) => {
                  resolve(response.statusCode ?? 0)
                  asked.destroy()
                })
                asked.on("error", reject)
                asked.flushHeaders()
              })
          )
          assert.strictEqual(status, 413, `${method} ${path}`)
        }
      }
    }).pipe(Effect.provide(serverWith({})))
  )
})

describe("pages of other origins", () => {
  const origin = "https://status.example.org"
  const preflight = (from: string) =>
    send("OPTIONS", "/api/v1/workflows", {
      token: null,
      headers: {
        origin: from,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization"
      }
    })

  it.live("F84: are let in by nobody's leave, unless they are named", () =>
    Effect.gen(function* () {
      for (const answer of [yield* preflight(origin), yield* send("GET", "/livez", { headers: { origin } })]) {
        assert.isNull(answer.headers.get("access-control-allow-origin"))
      }
    }).pipe(Effect.provide(serverWith({})))
  )

  it.live("F84: those that are named may read answers, errors too, without cookies; others may not", () =>
    Effect.gen(function* () {
      const allowed = yield* preflight(origin)
      assert.strictEqual(allowed.status, 204)
      assert.strictEqual(allowed.headers.get("access-control-allow-origin"), origin)
      assert.include(allowed.headers.get("access-control-allow-headers") ?? "", "Authorization")
      const read = yield* send("GET", "/api/v1/workflows", { headers: { origin } })
      const refused = yield* send("GET", "/api/v1/workflows", { headers: { origin }, token: "wrong" })
      assert.deepStrictEqual([read.status, refused.status], [200, 401])
      for (const { headers } of [allowed, read, refused]) {
        assert.strictEqual(headers.get("access-control-allow-origin"), origin)
        assert.include(headers.get("vary") ?? "", "Origin")
        assert.isNull(headers.get("access-control-allow-credentials"))
      }
      for (const other of ["https://evil.example.org", `${origin}.evil.org`, "http://status.example.org", "null"]) {
        const { headers } = yield* preflight(other)
        assert.isNull(headers.get("access-control-allow-origin"), other)
        const plain = yield* send("GET", "/api/v1/workflows", { headers: { origin: other } })
        assert.isNull(plain.headers.get("access-control-allow-origin"), other)
        assert.include(plain.headers.get("vary") ?? "", "Origin")
        for (const told of [headers, plain.headers]) {
          assert.deepStrictEqual(
            [...told.keys()].filter((name) => name.startsWith("access-control-")),
            [],
            other
          )
        }
      }
    }).pipe(Effect.provide(serverWith({ corsOrigins: [origin] })))
  )
})

describe("the Host header", () => {
  it.live("a request without one is refused with a problem that says so; HTTP/1.0 needs none", () =>
    Effect.gen(function* () {
      const refused = yield* raw(["GET /api/v1/runs HTTP/1.1", `Authorization: Bearer ${token}`])
      assert.match(refused, /^HTTP\/1\.1 400 /)
      assert.include(refused, "application/problem+json")
      assert.include(refused, '{"in":"header","path":"host","message":"is missing"}')
      assert.match(yield* raw(["GET /livez HTTP/1.0"]), /^HTTP\/1\.1 200 /)
    }).pipe(Effect.provide(serverWith({})))
  )
})

describe("TLS", () => {
  it.live("F84: serves the API under https, tells browsers to stay there, and stops as it does without", () =>
    Effect.gen(function* () {
      const { port, url } = yield* Server.Listening
      assert.strictEqual(url, `https://127.0.0.1:${port}`)
      const answer = yield* Effect.promise(
        () =>
          new Promise<{ status: number | undefined; hsts: string | undefined }>((resolve, reject) => {
            const headers = { authorization: `Bearer ${token}` }
            const asked = httpsRequest(`${url}/api/v1/workflows`, { ca: tls.cert, headers }, (response) => {
              response.resume()
              resolve({ status: response.statusCode, hsts: response.headers["strict-transport-security"] })
            })
            asked.on("error", reject).end()
          })
      )
      assert.deepStrictEqual(answer, { status: 200, hsts: "max-age=31536000" })
      // Without TLS nothing is told.
      assert.notInclude(yield* raw(["GET /livez HTTP/1.1", "Host: x"]), " 200 ")
    }).pipe(Effect.provide(serverWith({ tls })))
  )
})
