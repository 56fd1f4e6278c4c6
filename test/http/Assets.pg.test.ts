import { rmSync } from "node:fs"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { AttentionReads } from "../../src/http/AttentionReads.ts"
import * as InventoryLive from "../../src/http/InventoryLive.ts"
import { ProjectionControl } from "../../src/http/ProjectionControl.ts"
import * as ReadsLive from "../../src/http/ReadsLive.ts"
import { Deliveries } from "../../src/notify/Deliveries.ts"
import * as Server from "../../src/http/Server.ts"
import { defineJob } from "../../src/index.ts"
import { stepFor } from "../support/chainApp.ts"
import { playOn, ran, stepOf, succeeded, until } from "../support/engine.ts"
import { layerPg } from "../support/pgEngine.ts"
import { TestServer } from "../support/postgres.ts"
import { send, token } from "./Harness.ts"

// biome-ignore lint/suspicious/noExplicitAny: an answer's JSON, of which each assertion says what it has to be
type Body = Record<string, any>

const play = playOn((given) =>
  Server.layer({ host: "127.0.0.1", port: 0, token: Redacted.make(token) }).pipe(
    Layer.provideMerge(ReadsLive.layer),
    Layer.provideMerge(Layer.mergeAll(InventoryLive.layer, AttentionReads.layer, Deliveries.layer(true))),
    Layer.provideMerge(ProjectionControl.layer),
    Layer.provideMerge(layerPg(given))
  )
)

const get = (path: string) => Effect.map(send("GET", `/api/v1${path}`), ({ json }) => json as Body)
const command = (method: string, path: string, body?: object, key?: string) =>
  Effect.map(
    send(method, `/api/v1${path}`, {
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(key === undefined ? {} : { headers: { "idempotency-key": key } })
    }),
    ({ json, status }) => ({ status, json: json as Body })
  )

const keys = ["2024-01", "2024-02", "2024-03"]
const partitioning = { type: "static", keys }

let rows = 1
const load = defineJob({
  slug: "load",
  run: async (ctx) => {
    const location = await ctx.files.writeText("lake", `raw/${ctx.partitionKey}.csv`, `rows ${rows}`)
    const payload = { rows, region: { name: "north" } }
    return { result: { rows, assets: [{ assetId: "Orders.raw", payload, locations: [location] }] } }
  }
})
const sum = defineJob({
  slug: "sum",
  run: async (ctx) => {
    const location = await ctx.files.writeText("lake", `sum/${ctx.partitionKey}.txt`, `sum ${rows}`)
    return { result: { assets: [{ assetId: "orders.sum", locations: [location] }] } }
  }
})
const report = defineJob({
  slug: "report",
  run: async (ctx) => {
    const location = await ctx.files.writeText("lake", "report.txt", `report ${rows}`)
    return { result: { assets: [{ assetId: "report", locations: [location] }] } }
  }
})
const flag = defineJob({
  slug: "flag",
  run: async (ctx) => {
    await ctx.assets.markStale("ORDERS.raw", ctx.parameters.keys as ReadonlyArray<string>, "rates were wrong")
    return { status: "succeeded" as const }
  }
})

const jobs = [load, sum, report, flag]
const workflows = {
  orders: {
    defaultParameters: { unit: "kg" },
    steps: [
      {
        ...stepFor("load"),
        produces: [{ assetId: "Orders.raw", partitioning, autoMaterialize: { parameterDefaults: { unit: "t" } } }]
      }
    ]
  },
  sums: {
    steps: [
      { ...stepFor("sum"), consumes: [{ assetId: "orders.RAW" }], produces: [{ assetId: "orders.sum", partitioning }] }
    ]
  },
  reports: {
    steps: [
      {
        ...stepFor("report"),
        consumes: [{ assetId: "orders.sum", partitions: "all" }],
        produces: [{ assetId: "report" }]
      }
    ]
  },
  flags: { steps: [stepFor("flag")] }
}

const raw = "/workflows/orders/assets/orders.raw"
const states = (page: Body) => page.data.map((item: Body) => [item.partitionKey, item.state, item.declared])

/** Waits until the lists have what the log has now. */
const settled = Effect.gen(function* () {
  const { data } = yield* get("/admin/projections")
  yield* get(`/assets?minPosition=${data.head}`)
})

layer(TestServer.layer, { excludeTestServices: true, timeout: 60_000 })("assets over HTTP, on real Postgres", (it) => {
  it.effect("F13 F64: partitions, history with provenance, and what changed from one generation to the next", () =>
    play({ jobs, workflows }, () =>
      Effect.gen(function* () {
        rows = 1
        const first = yield* succeeded("orders", "2024-02")
        rows = 2
        const second = yield* succeeded("orders", "2024-02")
        yield* succeeded("orders", "2024-03")
        yield* settled
        const page = yield* get(`${raw}/partitions`)
        assert.deepStrictEqual(states(page), [
          ["2024-01", "not_materialized", true],
          ["2024-02", "materialized", true],
          ["2024-03", "materialized", true]
        ])
        assert.strictEqual(page.counts.not_materialized, 1)
        assert.strictEqual(page.counts.materialized, 2)
        assert.strictEqual(page.data[1].latestRun.id, second.id)
        assert.strictEqual(page.data[1].recorded.assetId, "Orders.raw")
        const one = yield* get(`${raw}/partitions?limit=1`)
        const next = yield* get(`${raw}/partitions?limit=1&cursor=${one.nextCursor}`)
        assert.deepStrictEqual([one.data[0].partitionKey, next.data[0].partitionKey], ["2024-01", "2024-02"])

        const history = yield* get(`${raw}/history?partitionKey=2024-02&limit=1`)
        const [newest] = history.data
        assert.deepStrictEqual([newest.generation, newest.runId, newest.payload.rows], [2, second.id, 2])
        assert.lengthOf(newest.locations, 1)
        const older = yield* get(`${raw}/history?partitionKey=2024-02&cursor=${history.nextCursor}`)
        assert.deepStrictEqual(
          older.data.map((generation: Body) => generation.runId),
          [first.id]
        )
        assert.lengthOf((yield* get(`${raw}/history`)).data, 3)

        const { data: diff } = yield* get(`${raw}/history/2/diff?with=1&partitionKey=2024-02`)
        assert.deepStrictEqual(diff.payload.differences, [{ path: "rows", op: "changed", before: 1, after: 2 }])
        assert.lengthOf(diff.parts.changed, 1)
        const { data: runs } = yield* get(`/runs/${second.id}/diff?with=${first.id}`)
        assert.deepStrictEqual(runs.steps[0].result.differences, [{ path: "rows", op: "changed", before: 1, after: 2 }])
        assert.isFalse(runs.produced[0].same)
        assert.deepStrictEqual(runs.produced[0].generation, { before: 1, after: 2 })

        const assets = (yield* get("/workflows/orders/assets")).data
        assert.deepStrictEqual(
          assets.map((asset: Body) => [asset.assetId, asset.producedBy, asset.counts.materialized]),
          [["Orders.raw", ["load"], 2]]
        )
      })
    )
  )

  it.effect(
    "F12 F14: lineage over all workflows says what is outdated, missing, and hit by the loss of a partition",
    () =>
      play({ jobs, workflows }, (folder) =>
        Effect.gen(function* () {
          for (const workflow of ["orders", "sums"]) for (const key of keys) yield* succeeded(workflow, key)
          yield* succeeded("reports")
          rows++
          yield* succeeded("orders", "2024-02")
          rmSync(join(folder, "lake/sum/2024-01.txt"))
          assert.strictEqual((yield* get("/assets/orders.sum?partitionKey=2024-01")).data.available.status, "missing")
          yield* settled
          const { data } = yield* get("/lineage?assetId=orders.raw&direction=down&partitionKey=2024-02")
          const node = (id: string) => data.nodes.find((found: Body) => found.id === id)
          assert.strictEqual(node("Orders.raw").state, "fresh")
          assert.strictEqual(node("orders.sum").state, "missing")
          assert.deepStrictEqual(node("orders.sum").outdated, { partitions: 1, compared: 3 })
          assert.deepStrictEqual(node("orders.sum").consumers, ["reports"])
          assert.deepStrictEqual(
            data.edges.map(({ from, kind, to }: Body) => `${from} ${kind} ${to}`),
            [
              "asset:Orders.raw consume workflow:sums",
              "workflow:sums produce asset:orders.sum",
              "asset:orders.sum consume workflow:reports",
              "workflow:reports produce asset:report"
            ]
          )
          const { assets, partitions } = data.blastRadius
          assert.strictEqual(partitions, 2)
          assert.deepStrictEqual(assets, [
            { assetId: "orders.sum", count: 1, partitionKeys: ["2024-02"] },
            { assetId: "report", count: 1, partitionKeys: [null] }
          ])
          const near = (yield* get("/lineage?assetId=orders.raw&direction=down&depth=1")).data.nodes
          assert.sameMembers(
            near.map(({ id }: Body) => id),
            ["Orders.raw", "orders.sum", "sums"]
          )
          const up = (yield* get("/lineage?assetId=report&direction=up")).data
          assert.lengthOf(
            up.nodes.filter(({ type }: Body) => type === "asset"),
            3
          )
          assert.lengthOf((yield* get("/lineage")).data.nodes, 6)
          const missing = yield* get("/assets?state=missing")
          assert.deepStrictEqual(
            missing.data.map((asset: Body) => asset.assetId),
            ["orders.sum"]
          )
        })
      )
  )

  it.effect("F15: available is a probe with its time, given again for 5 s; what was has none", () =>
    play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("orders", "2024-01")
        const { data } = yield* get("/assets/ORDERS.raw?partitionKey=2024-01")
        assert.deepStrictEqual([data.available.status, data.state, data.generation], ["present", "materialized", 1])
        rmSync(join(folder, "lake/raw/2024-01.csv"))
        const again = (yield* get("/assets/orders.raw?partitionKey=2024-01")).data
        assert.deepStrictEqual(again.available, data.available)
        const never = (yield* get("/assets/orders.raw?partitionKey=2024-02")).data
        assert.deepStrictEqual([never.available.status, never.state], ["never", "not_materialized"])
        const before = yield* command("GET", "/assets/orders.raw?partitionKey=2024-01&at=2001-01-01")
        assert.strictEqual(before.status, 404)
        const past = (yield* get("/assets/orders.raw?partitionKey=2024-01&at=2999-01-01")).data
        assert.deepStrictEqual([past.generation, past.available], [1, null])
      })
    )
  )

  it.effect("F60 F62: a stale mark is told, starts the producer, and the decisions say why", () =>
    play({ jobs, workflows }, () =>
      Effect.gen(function* () {
        for (const key of keys) yield* succeeded("orders", key)
        const marked = yield* command("POST", `${raw}/partitions/2024-01/stale`, { note: "wrong rates" }, "k1")
        assert.deepStrictEqual([marked.status, marked.json.data.staleNote], [202, "wrong rates"])
        const activity = yield* until(
          get(`/workflows/orders/auto-materialize?partitionKey=2024-01`),
          ({ data }) => data[0].runs[0]?.outcome === "succeeded",
          "automatic run"
        )
        const [partition] = activity.data
        assert.strictEqual(partition.runs[0].cause.reason, "stale")
        assert.includeMembers(
          partition.decisions.map(({ decision }: Body) => decision),
          ["requested", "started", "succeeded"]
        )
        assert.deepStrictEqual([partition.active, partition.pending, partition.backoff.failures], [null, null, 0])
        const again = yield* command("POST", `${raw}/partitions/2024-01/stale`, { note: "wrong rates" }, "k1")
        assert.strictEqual(again.status, 202)
        assert.isNull(again.json.data.staleSince, "the same command marks nothing again")
        yield* settled
        assert.lengthOf((yield* get("/workflows/orders/auto-materialize")).data, 1)
        const { text } = yield* send("GET", "/metrics")
        assert.include(text, 'kintsugi_auto_materialize_runs_total{reason="stale",outcome="succeeded"} 1')
        const unknown = yield* command("POST", `${raw}/partitions/2024-09/stale`, { note: "x" })
        assert.deepStrictEqual([unknown.status, unknown.json.id], [404, "orders.raw[2024-09]"])
        const empty = yield* command("POST", `${raw}/partitions/2024-01/stale`, { note: "" })
        assert.strictEqual(empty.status, 400)
        assert.strictEqual((yield* command("DELETE", `${raw}/partitions/2024-01/stale`)).status, 202)
      })
    )
  )

  it.effect("ctx.assets.markStale marks all that it names or none, and an unknown partition fails the step", () =>
    play({ jobs, workflows }, () =>
      Effect.gen(function* () {
        for (const key of ["2024-01", "2024-02"]) yield* succeeded("orders", key)
        const failed = yield* ran("flags", undefined, { keys: ["2024-01", "2024-03"] })
        const { failure } = stepOf(failed, "flag")
        assert.deepStrictEqual([failed.status, failure?.class], ["failed", "permanent"])
        assert.include(failure!.message, "ORDERS.raw[2024-03] was never produced")
        const untouched = (yield* get("/assets/orders.raw?partitionKey=2024-01")).data
        assert.strictEqual(untouched.generation, 1)
        yield* succeeded("flags", undefined, { keys: ["2024-01", "2024-02"] })
        for (const key of ["2024-01", "2024-02"]) {
          yield* until(
            get(`/assets/orders.raw?partitionKey=${key}`),
            ({ data }) => data.generation === 2 && data.staleSince === null,
            "remade partition"
          )
        }
      })
    )
  )

  it.effect("F68: stored partition parameters are shown merged, each with where it comes from", () =>
    play({ jobs, workflows }, () =>
      Effect.gen(function* () {
        const path = `${raw}/partitions/2024-01/parameters`
        const before = (yield* get(path)).data
        assert.deepStrictEqual([before.parameters, before.sources], [{ unit: "t" }, { unit: "policy" }])
        const put = yield* command("PUT", path, { parameters: { unit: "g", limit: 3 } })
        assert.strictEqual(put.status, 202)
        const after = (yield* get(path)).data
        assert.deepStrictEqual(after.parameters, { unit: "g", limit: 3 })
        assert.deepStrictEqual(after.sources, { unit: "partition", limit: "partition" })
        assert.deepStrictEqual(after.stored, { unit: "g", limit: 3 })
        yield* succeeded("orders", "2024-01")
        yield* command("POST", `${raw}/partitions/2024-01/stale`, { note: "other unit" })
        const activity = yield* until(
          get("/workflows/orders/auto-materialize?partitionKey=2024-01"),
          ({ data }) => data[0].runs[0]?.outcome === "succeeded",
          "automatic run"
        )
        const run = (yield* get(`/runs/${activity.data[0].runs[0].runId}`)).data
        assert.deepStrictEqual(run.parameters, { unit: "g", limit: 3 })
        // As lists show it, it lacks nothing but its steps.
        const listed = yield* until(
          get("/runs?workflow=orders&trigger=auto-materialize"),
          ({ data }) => data[0]?.status === "succeeded" && data[0].streamVersion === run.streamVersion,
          "the run in the list"
        )
        const { steps, ...shown } = run
        assert.isNotEmpty(steps)
        assert.deepStrictEqual(listed.data, [shown])
        const other = yield* command("PUT", `${raw}/partitions/2024-09/parameters`, { parameters: {} })
        assert.deepStrictEqual([other.status, other.json.errors[0].path], [400, "partitionKey"])
        assert.include(other.json.errors[0].message, "2024-01")
      })
    )
  )

  it.effect("what nobody knows is 404, and a cursor of another list 400", () =>
    play({ jobs, workflows }, () =>
      Effect.gen(function* () {
        const refused = [
          ["/workflows/nobody/assets", 404],
          ["/workflows/orders/assets/nothing/history", 404],
          ["/workflows/orders/assets/nothing/partitions", 404],
          [`${raw}/history/7/diff`, 404],
          ["/assets/nothing", 404],
          ["/assets/orders.raw?partitionKey=1999-01", 404],
          ["/lineage?assetId=nothing", 404],
          ["/runs/nobody/diff?with=nobody", 404],
          ["/workflows/nobody/auto-materialize", 404],
          ["/assets?cursor=x", 400],
          ["/assets?state=lost", 400],
          [`${raw}/history?cursor=x`, 400],
          [`${raw}/partitions?cursor=x`, 400],
          ["/lineage?depth=1000", 400],
          ["/workflows/orders/auto-materialize?cursor=x", 400]
        ] as const
        yield* succeeded("orders", "2024-01")
        for (const [path, status] of refused) assert.strictEqual((yield* command("GET", path)).status, status, path)
      })
    )
  )
})
