import { assert, layer } from "@effect/vitest"
import { Effect, Result } from "effect"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Announcements } from "../../src/actors/Announcements.ts"
import { defineApp } from "../../src/index.ts"
import * as RecoveryListQuery from "../../src/projections/RecoveryListQuery.ts"
import { checkApp } from "../../src/sdk/AppCheck.ts"
import { makes, readInput, stepFor } from "../support/chainApp.ts"
import { ended, recoveries, start, until } from "../support/engine.ts"
import { playPg } from "../support/pgEngine.ts"
import { TestServer } from "../support/postgres.ts"
import * as sourceServer from "../support/sourceServer.ts"

const jobs = [makes("reports", (ctx) => readInput(ctx, "erp.orders"), "report")]
const workflows = { reports: { steps: [stepFor("report", { consumes: ["erp.orders"], produces: ["reports"] })] } }

layer(TestServer.layer, { excludeTestServices: true })("sources on real Postgres", (it) => {
  it.effect("a lost announced asset is asked for at its webhook, which was down, and listed as what it is", () =>
    Effect.gen(function* () {
      const server = yield* sourceServer.make
      server.answer((response, count) => void response.writeHead(count === 1 ? 503 : 202).end())
      const webhook = { assetId: "ERP.orders", recheck: { webhook: `${server.endpoint}/exports` } }
      const { sources } = Result.getOrThrow(checkApp(defineApp({ sources: [webhook] })))
      const settings = { sources, httpAllow: server.allow }
      yield* playPg({ jobs, workflows, settings }, (folder) =>
        Effect.gen(function* () {
          const { announce } = yield* Announcements
          const delivers = (text: string) => {
            mkdirSync(join(folder, "inbox"), { recursive: true })
            writeFileSync(join(folder, "inbox", "orders.csv"), text)
            const locations = [{ store: "inbox", key: "orders.csv" }]
            return announce({ source: "erp", assetId: "erp.orders", partitionKey: "", locations })
          }
          yield* delivers("one")
          rmSync(join(folder, "inbox", "orders.csv"))
          const { id } = yield* start("reports")
          yield* until(
            Effect.sync(() => server.calls),
            ({ length }) => length === 2,
            "two calls"
          )
          yield* delivers("two")
          assert.strictEqual((yield* ended(id)).status, "succeeded")
          const [recovery] = yield* recoveries
          assert.deepInclude(recovery, { attempts: 2, recheck: "webhook", via: "producer", generation: 2 })
          const listed = yield* until(
            RecoveryListQuery.list({}, {}),
            ({ data: [first] }) => first?.status === "succeeded",
            "listed end"
          )
          assert.deepInclude(listed.data[0], { class: "recheck", attempts: 2, producerRunId: null })
        })
      )
    }).pipe(Effect.scoped)
  )
})
