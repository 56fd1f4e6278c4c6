import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Bus from "../../src/cli/Bus.ts"
import { makes, readInput, stepFor } from "../support/chainApp.ts"
import { define, ended, eventsOf, layerMemory, temporaryFolder, until } from "../support/engine.ts"
import { absent, RedisServer } from "../support/redis.ts"
import { quiet } from "./events.ts"

const workflows = {
  report: {
    steps: [
      {
        ...stepFor("make-report"),
        consumes: [{ assetId: "erp.orders" }],
        produces: [{ assetId: "report", autoMaterialize: { onUpstreamUpdate: true } }]
      }
    ]
  }
}
const jobs = [makes("report", async (ctx) => `report of ${await readInput(ctx, "erp.orders")}`)]

describe.skipIf(absent)("announcements on the inbound stream of the whole engine", () => {
  layer(RedisServer.layer, { excludeTestServices: true })((it) => {
    it.effect("start who consumes the asset, once an id; what cannot be recorded is a dead letter (F53)", () =>
      Effect.gen(function* () {
        const server = yield* RedisServer
        const folder = yield* temporaryFolder
        mkdirSync(join(folder, "inbox"))
        writeFileSync(join(folder, "inbox", "orders.csv"), "id\n1\n")
        const client = yield* server.client
        const add = (id: string, store: string) =>
          Effect.promise(() =>
            client.xadd(
              "kintsugi.inbound",
              "*",
              "event",
              JSON.stringify({
                ...{ specversion: "1.0", id, source: "https://erp.example", type: "asset.produced" },
                data: { assetId: "erp.orders", locations: [{ store, key: "orders.csv" }] }
              })
            )
          )
        const inbound = Bus.inbound(server.address, { leaseMs: 600 })
        yield* Effect.provide(
          Effect.gen(function* () {
            yield* define(workflows)
            yield* add("1", "inbox")
            yield* add("2", "attic")
            yield* add("1", "inbox")
            const started = until(eventsOf("run", "RunRequested"), (found) => found.length > 0, "run of the report")
            const [run] = yield* started
            assert.strictEqual((yield* ended(run!.runId as string)).status, "succeeded")
            yield* until(
              Effect.promise(() => client.xlen("kintsugi.inbound")),
              (length) => length === 0,
              "empty in-tray"
            )
            const [letter, ...others] = yield* Effect.promise(() => client.xrange("kintsugi.inbound.dead", "-", "+"))
            const fields = letter![1]
            assert.lengthOf(others, 0)
            const of = (name: string) => fields[fields.indexOf(name) + 1]
            assert.deepStrictEqual(
              [of("path"), of("reason")],
              ["data.locations[0].store", 'no store is named "attic"; there are: inbox, lake']
            )
            const productions = yield* eventsOf("asset", "AssetProduced")
            assert.lengthOf(
              productions.filter(({ source }) => source === "https://erp.example"),
              1
            )
            assert.lengthOf(yield* eventsOf("run", "RunRequested"), 1)
          }).pipe(Effect.scoped),
          inbound.pipe(Layer.provideMerge(layerMemory({ jobs, baseDir: folder })))
        )
      }).pipe(Effect.scoped, quiet)
    )
  })
})
