import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Fakes from "./Fakes.ts"
import { send, server, type Sent } from "./Harness.ts"

const json = (value: unknown): Sent => ({ body: JSON.stringify(value) })
const keyed = (key: string): Sent => ({ headers: { "idempotency-key": key } })
const future = Fakes.position(1_000_000)
const deep = `${"[".repeat(200)}${"]".repeat(200)}`

/** Route, what is wrong with the request, and the exact answer: status, code, and the path of a fault. */
const rows: ReadonlyArray<readonly [string, string, Sent, number, string, string?]> = [
  // ---- who asks
  ["GET", "/api/v1/runs", { token: null }, 401, "unauthorized"],
  ["GET", "/api/v1/runs", { token: "" }, 401, "unauthorized"],
  ["GET", "/api/v1/runs", { token: "wrong" }, 401, "unauthorized"],
  ["GET", "/api/v1/runs", { token: null, headers: { authorization: "Basic YTpi" } }, 401, "unauthorized"],
  ["GET", "/metrics", { token: null }, 401, "unauthorized"],
  ["GET", "/api/v1/events/stream", { token: null }, 401, "unauthorized"],
  ["PUT", "/api/v1/workflows/x", { token: null, body: "{}" }, 401, "unauthorized"],

  // ---- where
  ["GET", "/nowhere", {}, 404, "not_found"],
  ["GET", "/api/v1/nowhere", {}, 404, "not_found"],
  ["GET", "/", {}, 404, "not_found"],
  ["GET", "/%zz", {}, 404, "not_found"],
  ["POST", "/api/v1/bulks", { body: "{}" }, 404, "not_found"],
  ["GET", "/api/v1/runs/ok-1/nothing", {}, 404, "not_found"],
  ["GET", "/api/v1", {}, 404, "not_found"],
  ["GET", "/API/V1/runs", {}, 404, "not_found"],
  ["GET", `/api/v1/runs/${"x".repeat(400)}`, {}, 404, "not_found"],
  ["GET", "/api/v1/runs/nope", {}, 404, "not_found"],
  ["GET", "/api/v1/runs/nope/events", {}, 404, "not_found"],
  ["GET", "/api/v1/workflows/nope", {}, 404, "not_found"],
  ["GET", "/api/v1/recoveries/nope", {}, 404, "not_found"],
  ["POST", "/api/v1/runs/nope/cancel", {}, 404, "not_found"],
  ["POST", "/api/v1/runs/nope/recover", {}, 404, "not_found"],
  ["POST", "/api/v1/workflows/nope/recover", {}, 404, "not_found"],
  ["POST", "/api/v1/workflows/missing/run", {}, 404, "not_found"],
  ["POST", "/api/v1/recoveries/nope/retry", {}, 404, "not_found"],
  ["POST", "/api/v1/recoveries/plan", json({ assetId: "unknown" }), 404, "not_found"],
  ["POST", "/api/v1/notifications/nope/read", {}, 404, "not_found"],
  ["GET", `/api/v1/runs/ok-1?at=${Fakes.position(0)}`, {}, 404, "not_found"],
  ["POST", "/api/v1/runs", json({}), 405, "method_not_allowed"],
  ["DELETE", "/api/v1/workflows/x", {}, 405, "method_not_allowed"],
  ["PUT", "/livez", {}, 405, "method_not_allowed"],
  ["GET", "/api/v1/workflows/x/run", {}, 405, "method_not_allowed"],

  ["GET", "/api/v1/runs/%ff", {}, 400, "invalid_input", "id"],
  ["POST", "/api/v1/runs/ok-1/steps/a%c0%80/retry", {}, 400, "invalid_input", "stepId"],
  ["GET", "/nowhere/%ff", {}, 400, "invalid_input", "%ff"],
  ["GET", "/api/v1/runs/%e2%82%ac", {}, 404, "not_found"],
  ["GET", "/api/v1/runs/a%00b", {}, 400, "invalid_input", "id"],
  ["POST", "/api/v1/workflows/a%0Ab/run", {}, 400, "invalid_input", "slug"],

  // ---- queries
  ["GET", "/api/v1/runs?limit=0", {}, 400, "invalid_input", "limit"],
  ["GET", "/api/v1/runs?limit=501", {}, 400, "invalid_input", "limit"],
  ["GET", "/api/v1/runs?limit=-1", {}, 400, "invalid_input", "limit"],
  ["GET", "/api/v1/runs?limit=1e2", {}, 400, "invalid_input", "limit"],
  ["GET", "/api/v1/runs?limit=0x10", {}, 400, "invalid_input", "limit"],
  ["GET", "/api/v1/runs?limit=", {}, 400, "invalid_input", "limit"],
  ["GET", "/api/v1/runs?limit=5&limit=6", {}, 400, "invalid_input", "limit"],
  ["GET", "/api/v1/runs?limt=5", {}, 400, "invalid_input", "limt"],
  ["GET", "/api/v1/runs?status=done", {}, 400, "invalid_input", "status"],
  ["GET", "/api/v1/runs?trigger=weird", {}, 400, "invalid_input", "trigger"],
  ["GET", "/api/v1/runs?trigger=Manual", {}, 400, "invalid_input", "trigger"],
  ["GET", "/api/v1/runs?trigger=schedule", {}, 200, "-"],
  ["GET", "/api/v1/runs?from=yesterday", {}, 400, "invalid_input", "from"],
  ["GET", "/api/v1/runs?from=2026-01-01T00:00:00", {}, 400, "invalid_input", "from"],
  ["GET", "/api/v1/runs?to=2026-13-01", {}, 400, "invalid_input", "to"],
  ["GET", "/api/v1/runs?partitionKey=a%00b", {}, 400, "invalid_input", "partitionKey"],
  ["DELETE", "/api/v1/admin/tokens/nope?reason=a%00b", {}, 400, "invalid_input", "reason"],
  ["GET", "/api/v1/runs?workflow=%ff", {}, 400, "invalid_input", "workflow"],
  ["GET", "/api/v1/runs?status=failed&partitionKey=%C0%80", {}, 400, "invalid_input", "partitionKey"],
  ["GET", "/api/v1/runs?partition%4bey=a%ed%a0%80", {}, 400, "invalid_input", "partitionKey"],
  ["GET", "/api/v1/runs?%ff=a", {}, 400, "invalid_input", "%ff"],
  ["GET", "/livez?%e2%82", {}, 400, "invalid_input", "%e2%82"],
  ["GET", "/api/v1/runs?partitionKey=%e2%82%ac%F0%9F%98%80", {}, 200, "-"],
  ["GET", "/api/v1/runs?cursor=tampered", {}, 400, "invalid_input", "cursor"],
  ["GET", "/api/v1/runs?minPosition=12", {}, 400, "invalid_input", "minPosition"],
  ["GET", "/api/v1/runs/ok-1?at=then", {}, 400, "invalid_input", "at"],
  ["GET", "/api/v1/runs/ok-1?at=", {}, 400, "invalid_input", "at"],
  ["GET", `/api/v1/runs/ok-1?at=${Fakes.position(1)}`, {}, 400, "invalid_input", "at"],
  ["GET", `/api/v1/recoveries/ok-1?at=${Fakes.position(1)}`, {}, 400, "invalid_input", "at"],
  ["GET", `/api/v1/assets/a?at=${Fakes.position(1)}`, {}, 400, "invalid_input", "at"],
  ["GET", `/api/v1/admin/queue-health?at=${Fakes.position(1)}`, {}, 400, "invalid_input", "at"],
  ["GET", "/api/v1/admin/queue-health?at=2001-01-01", {}, 400, "invalid_input", "at"],
  [
    ...(["GET", `/api/v1/admin/queue-health?at=2001-01-01&minPosition=${Fakes.position(0)}`] as const),
    ...([{}, 400, "invalid_input", "minPosition"] as const)
  ],
  ["POST", "/api/v1/admin/projections/x/skip", json({ position: "p", reason: "r" }), 400, "invalid_input", "position"],
  ["POST", "/api/v1/admin/projections/x/skip", json({ position: Fakes.position(1) }), 400, "invalid_input", "reason"],
  ["POST", "/api/v1/admin/projections/x/rebuild", json({ now: true }), 400, "invalid_input", "now"],
  ["GET", `/api/v1/events?after=${Fakes.position(1)}`, {}, 400, "invalid_input", "after"],
  ["GET", "/api/v1/events?after=00000000-0000000000000001-ffffffffffffffff", {}, 400, "invalid_input", "after"],
  ["GET", "/api/v1/events/stream?after=00000000-0000000000000001-8000000000000000", {}, 400, "invalid_input", "after"],
  [
    "GET",
    "/api/v1/runs?minPosition=80000000-0000000000000001-0000000000000001",
    {},
    400,
    "invalid_input",
    "minPosition"
  ],
  ["GET", "/api/v1/runs/ok-1?at=00000000-0000000000000001-ffffffffffffffff", {}, 400, "invalid_input", "at"],
  ["GET", "/api/v1/runs/ok-1/events?cursor=elsewhere", {}, 400, "invalid_input", "cursor"],
  ["GET", "/api/v1/runs/ok-1?as=of", {}, 400, "invalid_input", "as"],
  ["GET", "/api/v1/recoveries?assetId=..%2Fetc", {}, 400, "invalid_input", "assetId"],
  ["GET", "/api/v1/recoveries?status=lost", {}, 400, "invalid_input", "status"],
  ["GET", "/api/v1/notifications?unread=1", {}, 400, "invalid_input", "unread"],
  ["GET", "/api/v1/events?after=0", {}, 400, "invalid_input", "after"],
  ["GET", "/api/v1/events?limit=100001", {}, 400, "invalid_input", "limit"],
  ["GET", "/api/v1/events?category=run-1", {}, 400, "invalid_input", "category"],
  ["GET", "/api/v1/events?type=", {}, 400, "invalid_input", "type[0]"],
  ["GET", "/api/v1/events?category=weird", {}, 400, "invalid_input", "category"],
  ["GET", "/api/v1/events?type=StepFailed&type=weird", {}, 400, "invalid_input", "type[1]"],
  ["GET", "/api/v1/events/stream?category=weird", {}, 400, "invalid_input", "category"],
  ["GET", "/api/v1/events?type=RunRestored&type=StepOutputsRecorded&category=runkey", {}, 200, "-"],
  ["GET", "/api/v1/events/stream?after=x", {}, 400, "invalid_input", "after"],
  ["GET", "/api/v1/events/stream", { headers: { "last-event-id": "7" } }, 400, "invalid_input", "last-event-id"],
  ["GET", "/api/v1/admin/stores?all=1", {}, 400, "invalid_input", "all"],
  ["GET", "/api/v1/admin/projections?x=1", {}, 400, "invalid_input", "x"],

  ["POST", "/api/v1/runs/ok-1/cancel?force=1", {}, 400, "invalid_input", "force"],
  ["GET", "/api/v1/workflows/known?x=1", {}, 400, "invalid_input", "x"],

  // ---- keys
  ["POST", "/api/v1/runs/ok-1/cancel", keyed(""), 400, "invalid_input", "idempotency-key"],
  ["POST", "/api/v1/runs/ok-1/cancel", keyed("a b"), 400, "invalid_input", "idempotency-key"],
  ["POST", "/api/v1/runs/ok-1/cancel", keyed("k".repeat(201)), 400, "invalid_input", "idempotency-key"],
  ["PUT", "/api/v1/workflows/x", { ...json({}), ...keyed("") }, 400, "invalid_input", "idempotency-key"],

  // ---- bodies
  ["POST", "/api/v1/workflows/orders/run", { body: "{" }, 400, "invalid_input", ""],
  ["POST", "/api/v1/workflows/orders/run", { body: "" }, 202, "-"],
  ["POST", "/api/v1/workflows/orders/run", { body: "[]" }, 400, "invalid_input", ""],
  ["POST", "/api/v1/workflows/orders/run", { body: '"text"' }, 400, "invalid_input", ""],
  ["POST", "/api/v1/workflows/orders/run", json({ parametrs: {} }), 400, "invalid_input", "parametrs"],
  ["POST", "/api/v1/workflows/orders/run", json({ parameters: [] }), 400, "invalid_input", "parameters"],
  ["POST", "/api/v1/workflows/orders/run", json({ partitionKey: 5 }), 400, "invalid_input", "partitionKey"],
  ["POST", "/api/v1/workflows/orders/run", json({ runKey: "" }), 400, "invalid_input", "runKey"],
  ["POST", "/api/v1/workflows/orders/run", json({ runKey: "k".repeat(121) }), 400, "invalid_input", "runKey"],
  [
    "POST",
    "/api/v1/workflows/orders/run",
    json({ parameters: { a: ["x\u0000y"] } }),
    400,
    "invalid_input",
    "parameters.a[0]"
  ],
  [
    "POST",
    "/api/v1/workflows/orders/run",
    { body: '{"parameters":{"__proto__":{"admin":true}}}' },
    400,
    "invalid_input",
    "parameters.__proto__"
  ],
  [
    "POST",
    "/api/v1/workflows/orders/run",
    { body: '{"parameters":{"a":["\\ud800"]}}' },
    400,
    "invalid_input",
    "parameters.a[0]"
  ],
  ["PUT", "/api/v1/workflows/orders", { body: '{"\\udc00":1}' }, 400, "invalid_input", ""],
  ["PUT", "/api/v1/workflows/orders", { body: deep }, 400, "invalid_input"],
  [
    "POST",
    "/api/v1/workflows/orders/run",
    {
      body: new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
      headers: { "content-type": "application/json" }
    },
    400,
    "invalid_input",
    ""
  ],
  ["POST", "/api/v1/runs/ok-1/cancel", { headers: { "content-type": "text/plain" } }, 415, "unsupported_media_type"],
  [
    "POST",
    "/api/v1/workflows/orders/run",
    { body: "a=1", headers: { "content-type": "application/x-www-form-urlencoded" } },
    415,
    "unsupported_media_type"
  ],
  [
    "PUT",
    "/api/v1/workflows/x",
    { body: "{}", headers: { "content-type": "text/plain" } },
    415,
    "unsupported_media_type"
  ],
  ["POST", "/api/v1/runs/ok-1/cancel", json({ reson: "typo" }), 400, "invalid_input", "reson"],
  ["POST", "/api/v1/runs/ok-1/cancel", json({ reason: "r".repeat(2001) }), 400, "invalid_input", "reason"],
  ["POST", "/api/v1/runs/failed-1/recover", json({ force: true }), 400, "invalid_input", "force"],
  ["POST", "/api/v1/recoveries/plan", json({}), 400, "invalid_input", "assetId"],
  ["POST", "/api/v1/recoveries/plan", {}, 400, "invalid_input", ""],
  ["POST", "/api/v1/recoveries/plan", json({ assetId: "../x" }), 400, "invalid_input", "assetId"],
  ["POST", "/api/v1/workflows/partitioned/run", {}, 400, "invalid_input", "partitionKey"],
  ["PUT", "/api/v1/workflows/x", json({}), 400, "invalid_input", "steps"],
  ["PUT", "/api/v1/workflows/x", json({ padding: "x".repeat(1024 * 1024) }), 413, "body_too_large"],

  // ---- the state does not allow it, or nobody can say now
  ["POST", "/api/v1/runs/failed-1/cancel", {}, 409, "illegal_transition"],
  ["POST", "/api/v1/runs/ok-1/recover", {}, 409, "illegal_transition"],
  ["POST", "/api/v1/workflows/ok-1/recover", {}, 409, "illegal_transition"],
  ["POST", "/api/v1/recoveries/ok-1/retry", {}, 409, "illegal_transition"],
  ["POST", "/api/v1/recoveries/failed-1/cancel", {}, 409, "illegal_transition"],
  ["PUT", "/api/v1/workflows/by-app", json({ steps: [] }), 409, "defined_by_app"],
  ["PUT", "/api/v1/workflows/away", json({ steps: [] }), 503, "unavailable"],
  ["POST", "/api/v1/workflows/away/run", {}, 503, "unavailable"],
  ["GET", `/api/v1/runs?minPosition=${future}`, {}, 503, "projection_behind"],
  ["POST", "/api/v1/workflows/broken/run", {}, 500, "internal_error"]
]

layer(server(Fakes.makeState()), { excludeTestServices: true })("bad input", (it) => {
  for (const [method, path, sent, status, code, fault] of rows) {
    const body = typeof sent.body === "string" && sent.body.length < 60 ? ` ${sent.body}` : ""
    const headers = JSON.stringify(sent.headers ?? {}).slice(0, 60)
    it.effect(`${method} ${path.slice(0, 60)}${body} ${headers} is answered with ${status} ${code}`, () =>
      Effect.gen(function* () {
        const answer = yield* send(method, path, sent)
        assert.strictEqual(answer.status, status, answer.text)
        if (status < 400) return
        assert.strictEqual(answer.headers.get("content-type"), "application/problem+json")
        assert.strictEqual(answer.json.code, code)
        assert.strictEqual(answer.json.status, status)
        assert.strictEqual(answer.json.type, `urn:kintsugi:problem:${code}`)
        assert.isString(answer.json.title)
        assert.isString(answer.json.detail ?? "")
        if (fault !== undefined) {
          const errors = answer.json.errors as ReadonlyArray<{ readonly path: string; readonly message: string }>
          assert.include(
            errors.map(({ path }) => path),
            fault,
            answer.text
          )
        }
        assert.strictEqual(answer.headers.get("www-authenticate"), status === 401 ? 'Bearer realm="kintsugi"' : null)
        assert.strictEqual(answer.headers.get("retry-after"), status === 503 ? "1" : null)
        assert.strictEqual(answer.headers.get("x-content-type-options"), "nosniff")
        assert.isFalse(answer.text.includes("secret internals"))
      })
    )
  }
})

layer(server(Fakes.makeState()), { excludeTestServices: true })("a filter with a closed list of values", (it) => {
  it.effect("names the parameter and every value that it takes", () =>
    Effect.gen(function* () {
      for (const [path, parameter, allowed] of [
        ["runs?status=weird", "status", ["pending", "waiting", "canceled"]],
        ["runs?trigger=weird", "trigger", ["manual", "schedule", "auto-materialize", "recovery"]],
        ["recoveries?status=weird", "status", ["requested", "planned", "canceled"]],
        ["notifications?unread=weird", "unread", ["true", "false"]],
        ["events?category=weird", "category", ["run", "asset", "recovery", "workflow", "limit", "runkey"]],
        ["events?type=weird", "type[0]", ["WorkflowDefined", "StepFailed", "RunRestored", "RunKeyClaimed"]]
      ] as const) {
        const { json } = yield* send("GET", `/api/v1/${path}`)
        const [fault, ...more] = json.errors as ReadonlyArray<{ readonly path: string; readonly message: string }>
        assert.deepStrictEqual([fault?.path, more], [parameter, []])
        for (const value of allowed) assert.include(fault?.message, JSON.stringify(value))
      }
    })
  )
})
