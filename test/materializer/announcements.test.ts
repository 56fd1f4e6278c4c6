import { createHash } from "node:crypto"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import * as Server from "../../src/http/Server.ts"
import * as Fakes from "../http/Fakes.ts"
import { send, token } from "../http/Harness.ts"
import { makes, readInput, stepFor } from "../support/chainApp.ts"
import {
  ended,
  eventsOf,
  layerMemory,
  playOn,
  ran,
  recoveries,
  type Settings,
  start,
  stepOf,
  succeeded,
  until
} from "../support/engine.ts"

/** The engine behind its HTTP server. */
const play = playOn((given: Settings) =>
  Server.layer({ host: "127.0.0.1", port: 0, token: Redacted.make(token) }).pipe(
    Layer.provideMerge(Layer.mergeAll(Fakes.reads(Fakes.makeState()), Fakes.inventory)),
    Layer.provideMerge(layerMemory(given))
  )
)

const announce = (assetId: string, body: object, headers: Record<string, string> = {}) =>
  send("POST", `/api/v1/assets/${assetId}/produced`, { body: JSON.stringify(body), headers })

const put = (folder: string, key: string, text: string) => {
  mkdirSync(join(folder, "inbox"), { recursive: true })
  writeFileSync(join(folder, "inbox", key), text)
}

const automaticRuns = Effect.map(eventsOf("run", "RunRequested"), (events) =>
  events.filter((event) => (event.trigger as { readonly type: string }).type === "auto-materialize")
)

const report = {
  steps: [
    {
      ...stepFor("make-report"),
      consumes: [{ assetId: "erp.orders" }],
      produces: [{ assetId: "report", autoMaterialize: { onUpstreamUpdate: true } }]
    }
  ]
}
const jobs = [
  // Other bytes than its input has: a copy would heal that.
  makes("report", async (ctx) => `report of ${await readInput(ctx, "erp.orders")}`),
  makes("erp.orders", undefined, "make-orders")
]

describe("a production that another system announces", () => {
  it.live("T20: keeps the maxKeys of the workflow that declares the asset", () => {
    const devices = { assetId: "devices", partitioning: { type: "dynamic", maxKeys: 2 } }
    const workflows = { devices: { steps: [{ ...stepFor("make-devices"), produces: [devices] }] } }
    return play({ jobs: [makes("devices")], workflows }, () =>
      Effect.gen(function* () {
        yield* succeeded("devices", "a")
        for (const partitionKey of ["b", "A"]) {
          assert.strictEqual((yield* announce("devices", { partitionKey, payload: 1 })).status, 202)
        }
        const refused = yield* announce("devices", { partitionKey: "c", payload: 1 })
        assert.strictEqual(refused.status, 400)
        assert.include(refused.text, "maxKeys 2")
      })
    )
  })

  it.live("cannot say that it comes from this runtime itself: its update would be taken for nobody's", () =>
    play({ jobs, workflows: { report } }, () =>
      Effect.gen(function* () {
        const refused = yield* announce("erp.orders", { payload: 1, source: "provenance" })
        assert.strictEqual(refused.status, 400)
        assert.include(refused.text, "own word")
        assert.strictEqual((yield* announce("erp.orders", { payload: 1, source: "erp" })).status, 202)
        yield* until(automaticRuns, ({ length }) => length === 1, "run")
      })
    )
  )

  it.live("F53: is recorded with its objects and starts whoever consumes it, with who announced it", () =>
    play({ jobs, workflows: { report } }, (folder) =>
      Effect.gen(function* () {
        put(folder, "orders.csv", "id\n1\n")
        const body = {
          source: "https://erp.example",
          eventId: "42",
          payload: { rows: 1 },
          producedAt: "2024-01-05T06:00:00Z",
          locations: [{ store: "inbox", key: "orders.csv" }]
        }
        const answer = yield* announce("erp.orders", body)
        assert.strictEqual(answer.status, 202, answer.text)
        assert.deepStrictEqual(answer.json.data, { assetId: "erp.orders", partitionKey: null, generation: 1 })
        const [produced] = yield* eventsOf("asset", "AssetProduced")
        assert.strictEqual(produced!.producedAt, Date.UTC(2024, 0, 5, 6))
        assert.deepStrictEqual(
          [produced!.source, produced!.workflow, produced!.payload],
          ["https://erp.example", "", { rows: 1 }]
        )
        const [part] = produced!.parts as ReadonlyArray<{ readonly bytes: number; readonly sha256: string }>
        assert.deepStrictEqual(
          [part!.bytes, part!.sha256],
          [5, createHash("sha256").update("id\n1\n").digest("hex")],
          "what was not said is found out"
        )
        const [run] = yield* until(automaticRuns, ({ length }) => length === 1, "run of the report")
        assert.deepStrictEqual((run!.trigger as { readonly upstream: object }).upstream, {
          assetId: "erp.orders",
          generation: 1,
          source: "https://erp.example"
        })
        assert.strictEqual((yield* ended(run!.runId as string)).status, "succeeded")
      })
    )
  )

  it.live("F53: announced twice under one id it is one production and one run, whichever key the request has", () =>
    play({ jobs, workflows: { report } }, (folder) =>
      Effect.gen(function* () {
        put(folder, "orders.csv", "id\n1\n")
        const locations = [{ store: "inbox", key: "orders.csv" }]
        const body = { source: "erp", eventId: "1", locations }
        const [first, second] = yield* Effect.all([announce("erp.orders", body), announce("erp.orders", body)], {
          concurrency: 2
        })
        const third = yield* announce("ERP.orders", body)
        assert.deepStrictEqual([second.json, third.json], [first.json, first.json])
        const key = { "idempotency-key": "k1" }
        const keyed = yield* announce("erp.orders", { source: "erp", locations }, key)
        const again = yield* announce("erp.orders", { source: "erp", locations }, key)
        assert.deepStrictEqual(again.json, keyed.json)
        assert.deepInclude(keyed.json.data, { generation: 2 })
        assert.strictEqual((yield* announce("erp.orders", { source: "crm", locations }, key)).status, 422)
        // Another partition under the same id is another production.
        assert.deepInclude((yield* announce("erp.orders", { ...body, partitionKey: "p" })).json.data, {
          partitionKey: "p",
          generation: 1
        })
        const runs = yield* until(
          automaticRuns,
          (found) => found.some(({ partitionKey }) => partitionKey === "p"),
          "run of the partition"
        )
        for (const { runId } of runs) yield* ended(runId as string)
        assert.isAtMost(runs.filter(({ partitionKey }) => partitionKey === undefined).length, 2)
        const announced = (yield* eventsOf("asset", "AssetProduced")).filter(({ source }) => source !== undefined)
        assert.lengthOf(announced, 3)
      })
    )
  )

  it.live("is refused with every fault: of its objects, its partition, its payload", () => {
    const declared = {
      steps: [
        {
          ...stepFor("make-orders"),
          produces: [
            {
              assetId: "erp.orders",
              partitioning: { type: "static", keys: ["2024-01"] },
              schema: { type: "object", required: ["rows"] }
            }
          ]
        }
      ]
    }
    return play({ jobs, workflows: { declared } }, (folder) =>
      Effect.gen(function* () {
        put(folder, "there.csv", "12345")
        const faults = (body: object) =>
          Effect.map(announce("erp.orders", body), ({ json, status, text }) => {
            assert.strictEqual(status, 400, text)
            const errors = json.errors as ReadonlyArray<{ readonly path: string; readonly message: string }>
            return errors.map(({ message, path }) => `${path} ${message}`)
          })
        const right = { partitionKey: "2024-01", payload: { rows: 1 } }
        assert.deepStrictEqual(
          yield* faults({
            ...right,
            locations: [
              { store: "attic", key: "there.csv" },
              { store: "inbox", key: "gone.csv" },
              { store: "inbox", key: "there.csv", bytes: 4 },
              { store: "inbox", key: "there.csv" },
              { store: "inbox", key: ".kintsugi/store" },
              { store: "inbox", key: "../there.csv" }
            ]
          }).pipe(Effect.map((found) => found.map((fault) => fault.replace(/\(.*/, "")).sort())),
          [
            'locations[0].store no store is named "attic"; there are: inbox, lake',
            "locations[1].key is not in store inbox: only what is there can be recorded",
            "locations[2].bytes is 5 in store inbox",
            "locations[3].key is listed at locations[2] already",
            "locations[4].key belongs to the runtime",
            "locations[5].key permanent "
          ]
        )
        const at = "workflow declared declares the partitions of erp.orders"
        assert.deepStrictEqual(yield* faults({ payload: { rows: 1 } }), [`partitionKey is required: ${at}`])
        assert.deepStrictEqual(yield* faults({ ...right, partitionKey: "2024-02" }), [
          `partitionKey must be one of "2024-01", not "2024-02": ${at}`
        ])
        assert.match((yield* faults({ partitionKey: "2024-01" })).join(), /^payload/)
        assert.match((yield* faults({ ...right, payload: { rows: "x".repeat(70_000) } })).join(), /^payload must be at/)
        assert.match((yield* faults({ ...right, producedAt: "yesterday" })).join(), /^producedAt must be an ISO 8601/)
        assert.match((yield* faults({ ...right, freshness: { ttlMs: 0 } })).join(), /^freshness.ttlMs/)
        assert.match((yield* faults({ ...right, locatoins: [] })).join(), /^locatoins is not known here/)
        assert.lengthOf(yield* eventsOf("asset", "AssetProduced"), 0)
        // A history to judge.
        yield* ran("declared", "2024-01")
      })
    )
  })

  it.live("F54: expires like any other, and is made again by a workflow that declares it and opted in", () => {
    const orders = {
      steps: [{ ...stepFor("make-orders"), produces: [{ assetId: "erp.orders", autoMaterialize: { enabled: true } }] }]
    }
    return play({ jobs, workflows: { orders } }, () =>
      Effect.gen(function* () {
        yield* announce("erp.orders", { source: "erp", payload: { rows: 1 }, freshness: { ttlMs: 100 } })
        const [run] = yield* until(automaticRuns, ({ length }) => length === 1, "refresh")
        assert.deepStrictEqual(
          [run!.workflow, run!.trigger],
          [
            "orders",
            {
              type: "auto-materialize",
              reason: "expiry",
              expiry: "ttl",
              assetId: "erp.orders",
              upstream: { assetId: "erp.orders", generation: 1 },
              coalesced: 1
            }
          ]
        )
        assert.strictEqual((yield* ended(run!.runId as string)).status, "succeeded")
      })
    )
  })

  it.live("when it is lost and no workflow produces it, cannot be healed: source_asset", () =>
    play({ jobs, workflows: { report } }, (folder) =>
      Effect.gen(function* () {
        put(folder, "orders.csv", "id\n1\n")
        yield* announce("erp.orders", { source: "erp", locations: [{ store: "inbox", key: "orders.csv" }] })
        const [first] = yield* until(automaticRuns, ({ length }) => length === 1, "run of the report")
        yield* ended(first!.runId as string)
        rmSync(join(folder, "inbox", "orders.csv"))
        const run = yield* ran("report")
        assert.strictEqual(stepOf(run, "make-report").failure?.code, "source_asset")
        const [recovery] = yield* recoveries
        assert.deepStrictEqual([recovery!.assetId, recovery!.reasonCode], ["erp.orders", "source_asset"])
        assert.include(recovery!.rootCause?.why, "erp announced it, and no workflow produces it")
        // Announced again it is there again.
        put(folder, "orders.csv", "id\n2\n")
        yield* announce("erp.orders", { source: "erp", locations: [{ store: "inbox", key: "orders.csv" }] })
        yield* succeeded("report")
      })
    )
  )

  it.live("when it is lost and a workflow declares it, is made by that workflow", () => {
    const orders = {
      steps: [
        {
          ...stepFor("make-orders"),
          produces: [{ assetId: "erp.orders", partitioning: { type: "static", keys: ["2024-01"] } }]
        }
      ]
    }
    const monthly = { steps: [{ ...report.steps[0]!, produces: [{ assetId: "report" }] }] }
    return play({ jobs, workflows: { orders, monthly } }, (folder) =>
      Effect.gen(function* () {
        put(folder, "orders.csv", "id\n1\n")
        const body = { partitionKey: "2024-01", locations: [{ store: "inbox", key: "orders.csv" }] }
        yield* announce("erp.orders", body)
        rmSync(join(folder, "inbox", "orders.csv"))
        const run = yield* ended((yield* start("monthly", "2024-01")).id)
        assert.strictEqual(run.status, "succeeded", JSON.stringify(run))
        const [recovery] = yield* recoveries
        assert.deepStrictEqual([recovery!.status, recovery!.partitionKey], ["succeeded", "2024-01"])
      })
    )
  })
})
