import { rmSync } from "node:fs"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { AttentionDesk } from "../../src/actors/AttentionDesk.ts"
import * as AttentionWatch from "../../src/cli/AttentionWatch.ts"
import { StoreHealth } from "../../src/actors/StoreHealth.ts"
import { AttentionReads } from "../../src/http/AttentionReads.ts"
import * as InventoryLive from "../../src/http/InventoryLive.ts"
import { ProjectionControl } from "../../src/http/ProjectionControl.ts"
import * as ReadsLive from "../../src/http/ReadsLive.ts"
import { Deliveries } from "../../src/notify/Deliveries.ts"
import * as Server from "../../src/http/Server.ts"
import { defineJob, PermanentFailure } from "../../src/index.ts"
import { stepFor } from "../support/chainApp.ts"
import { eventsOf, history, playOn, until } from "../support/engine.ts"
import { layerPg } from "../support/pgEngine.ts"
import { TestServer } from "../support/postgres.ts"
import { send, token } from "./Harness.ts"

// biome-ignore lint/suspicious/noExplicitAny: an answer's JSON, of which each assertion says what it has to be
type Body = Record<string, any>

const play = playOn((given) =>
  Server.layer({ host: "127.0.0.1", port: 0, token: Redacted.make(token) }).pipe(
    Layer.provideMerge(ReadsLive.layer),
    Layer.provideMerge(Layer.mergeAll(InventoryLive.layer, AttentionReads.layer, Deliveries.layer(true))),
    Layer.provideMerge(Layer.mergeAll(AttentionWatch.layer, ProjectionControl.layer)),
    Layer.provideMerge(layerPg(given))
  )
)

const get = (path: string) => Effect.map(send("GET", `/api/v1${path}`), ({ json }) => json as Body)
const post = (path: string, body: object, key?: string) =>
  Effect.map(
    send("POST", `/api/v1${path}`, {
      body: JSON.stringify(body),
      ...(key === undefined ? {} : { headers: { "idempotency-key": key } })
    }),
    ({ json, status }) => ({ status, json: json as Body })
  )
const listed = get("/admin/attention")
const ids = (body: Body) => body.data.map(({ id }: Body) => id)

let fails = true
const load = defineJob({
  slug: "load",
  run: async () => {
    if (fails) throw new PermanentFailure({ message: "no such column" })
    return { status: "succeeded" as const }
  }
})
/** One run that ends well: a history without any run proves nothing. */
const oneRun = Effect.suspend(() => {
  fails = false
  return post("/workflows/orders/run", {})
})
const scenario = { jobs: [load], workflows: { orders: { steps: [stepFor("load")] } } }

layer(TestServer.layer, { timeout: 120_000, excludeTestServices: true })("GET /admin/attention", (it) => {
  it.effect("F48: has a failed run with a request that, when it is sent, takes it off the list", () =>
    play(
      scenario,
      Effect.fnUntraced(function* () {
        fails = true
        yield* post("/workflows/orders/run", {})
        const { data } = yield* until(listed, (body) => body.data.length === 1, "the failed run")
        const { action, id, message } = data[0]
        assert.strictEqual(message, "no such column")
        assert.strictEqual(action.command, `kintsugi recover ${id.replace(":", " ")}`)
        fails = false
        assert.strictEqual(action.request.method, "POST")
        assert.strictEqual((yield* send("POST", action.request.path)).status, 202)
        yield* until(listed, (body) => body.data.length === 0, "an empty list")
      })
    )
  )

  it.effect(
    "F78: is muted by POST …/mute, which the log keeps with who did it; the same key again changes nothing",
    () =>
      play(
        scenario,
        Effect.fnUntraced(function* () {
          fails = true
          yield* post("/workflows/orders/run", {})
          const { data } = yield* until(listed, (body) => body.data.length === 1, "the failed run")
          const path = `/admin/attention/${encodeURIComponent(data[0].id)}`
          const body = { reason: "the supplier delivers tomorrow", until: "2100-01-01T00:00:00Z" }
          const { json: refused, status } = yield* post(`${path}/mute`, body)
          assert.strictEqual(status, 400)
          assert.deepInclude(refused.errors[0], {
            path: "until",
            message: "must be a time to come, at most 90 days ahead"
          })

          const soon = { ...body, until: new Date(Date.now() + 3_600_000).toISOString() }
          const muted = yield* post(`${path}/mute`, soon, "k1")
          assert.strictEqual(muted.status, 202)
          assert.deepStrictEqual(muted.json.data.muted, { until: soon.until, reason: body.reason, by: "admin" })
          assert.deepStrictEqual(ids(yield* get(`/admin/attention?minPosition=${muted.json.position}`)), [])
          const kept = yield* get(`/admin/attention?muted=true&minPosition=${muted.json.position}`)
          assert.deepStrictEqual(kept.data[0].muted, muted.json.data.muted)
          assert.strictEqual((yield* post(`${path}/mute`, soon, "k1")).json.position, muted.json.position)
          assert.strictEqual((yield* post(`${path}/mute`, { ...soon, reason: "other" }, "k1")).status, 422)

          const [event, ...others] = (yield* history).filter(({ type }) => type === "AttentionMuted")
          assert.deepStrictEqual(others, [])
          assert.strictEqual(event!.metadata.principal, "admin")

          const unmuted = yield* post(`${path}/unmute`, {})
          assert.isNull(unmuted.json.data.muted)
          assert.deepStrictEqual(ids(yield* get(`/admin/attention?minPosition=${unmuted.json.position}`)), [data[0].id])
        })
      )
  )

  it.effect("refuses what it does not know: ids, fields and filters", () =>
    play(
      scenario,
      Effect.fnUntraced(function* () {
        yield* oneRun
        const until = new Date(Date.now() + 3_600_000).toISOString()
        const unknown = yield* post("/admin/attention/run:nobody/mute", { reason: "x", until })
        assert.strictEqual(unknown.status, 404)
        assert.strictEqual(unknown.json.kind, "attention")
        for (const body of [
          {},
          { reason: " ", until },
          { reason: "x", until: "soon" },
          { reason: "x", until, who: 1 }
        ]) {
          assert.strictEqual((yield* post("/admin/attention/run:nobody/mute", body)).status, 400)
        }
        for (const query of ["severity=bad", "kind=x", "muted=maybe", "sort=asc", "cursor=%21", "limit=0"]) {
          assert.strictEqual((yield* send("GET", `/api/v1/admin/attention?${query}`)).status, 400, query)
        }
        assert.strictEqual((yield* send("GET", "/api/v1/admin/attention", { token: null })).status, 401)
      })
    )
  )

  it.effect("a dead letter is listed and retried over HTTP, and the log says who did; nothing else can be", () =>
    play(
      scenario,
      Effect.fnUntraced(function* () {
        yield* oneRun
        const sql = yield* SqlClient.SqlClient
        const notification = { id: "n1", kind: "step_failed", message: "m", at: "2026-01-01T00:00:00.000Z", data: null }
        for (const [id, status] of [
          ["d1", "dead"],
          ["d2", "delivered"]
        ]) {
          yield* sql`
            INSERT INTO notification_deliveries (id, channel, notification_id, place, run_id, is_digest, status,
              notification, attempts, due_at, error, created_at, finished_at)
            VALUES (${id!}, 'ops', 'n1', 'p', 'r1', false, ${status!}, ${JSON.stringify(notification)}::json, 3, now(),
              'answered 503', now(), now())`
        }
        const { data } = yield* get("/notifications/deliveries?status=dead&channel=ops")
        assert.lengthOf(data, 1)
        assert.deepInclude(data[0], { id: "d1", status: "dead", attempts: 3, error: "answered 503", notification })
        const retried = yield* post("/notifications/deliveries/d1/retry", {}, "k")
        assert.strictEqual(retried.status, 202)
        assert.strictEqual(
          (yield* post("/notifications/deliveries/d1/retry", {}, "k")).json.position,
          retried.json.position
        )
        const refused = yield* post("/notifications/deliveries/d2/retry", {})
        assert.strictEqual(refused.status, 409)
        assert.strictEqual(refused.json.currentStatus, "delivered")
        assert.strictEqual((yield* post("/notifications/deliveries/none/retry", {})).status, 404)
        const [event, ...others] = (yield* history).filter(({ type }) => type === "NotificationDeliveryRetried")
        assert.deepStrictEqual(others, [])
        assert.strictEqual(event!.metadata.principal, "admin")
        assert.deepStrictEqual(JSON.parse(event!.payload), { deliveryId: "d1", channel: "ops" })
      })
    )
  )

  it.effect("F76: what others raise is on it until they settle it, and counts how often it came back", () =>
    play(
      scenario,
      Effect.fnUntraced(function* () {
        yield* oneRun
        const desk = yield* AttentionDesk
        const id = "finding:orders.raw:missing"
        const raise = { id, kind: "finding", reasonCode: "missing", message: "gone", severity: "error" } as const
        for (let time = 1; time <= 3; time++) {
          yield* desk.raise({ ...raise, assetId: "orders.raw" })
          yield* desk.raise({ ...raise, assetId: "orders.raw" })
          const { data } = yield* until(listed, (body) => body.data[0]?.count === time, `time ${time}`)
          assert.strictEqual(data[0].severity, time === 3 ? "critical" : "error")
          assert.strictEqual(data[0].action.command, "kintsugi integrity recover")
          yield* desk.settle(id)
          yield* until(listed, (body) => body.data.length === 0, "an empty list")
        }
        assert.lengthOf(yield* eventsOf("attention", "AttentionRaised"), 3)
      })
    )
  )

  it.effect("F48: a store or a read model that is no part of the app any more leaves it", () =>
    play(
      scenario,
      Effect.fnUntraced(function* () {
        yield* oneRun
        const desk = yield* AttentionDesk
        const raise = { reasonCode: "x", message: "gone", severity: "critical" } as const
        yield* desk.raise({ ...raise, id: "store:attic", kind: "store" })
        yield* desk.raise({ ...raise, id: "projection:run_list_v0", kind: "projection" })
        yield* desk.raise({ ...raise, id: "finding:orders", kind: "finding" })
        const { data } = yield* until(listed, (body) => body.data.length > 0, "what was raised")
        assert.isAbove(data.length, 0)
        const left = yield* until(listed, (body) => body.data.length === 1, "what is settled", 20)
        assert.deepStrictEqual(ids(left), ["finding:orders"])
      })
    )
  )

  it.effect('F48: a wiped store whose onWiped is "wait" is critical, and says what to do', () =>
    play(
      {
        ...scenario,
        settings: { stores: { inbox: { type: "folder", path: "inbox", onWiped: "wait" } }, timestoreStore: "inbox" }
      },
      Effect.fnUntraced(function* (folder) {
        yield* oneRun
        const health = yield* StoreHealth
        yield* until(health.list, ([store]) => store!.status === "ready", "a store that is ready")
        rmSync(join(folder, "inbox", ".kintsugi"), { recursive: true })
        yield* health.confirmRoot("inbox")
        const { data } = yield* until(listed, (body) => body.data.length === 1, "the store")
        assert.deepInclude(data[0], {
          id: "store:inbox",
          kind: "store",
          severity: "critical",
          reasonCode: "store_wiped"
        })
        assert.include(data[0].action.text, "onWiped")
      })
    )
  )
})
