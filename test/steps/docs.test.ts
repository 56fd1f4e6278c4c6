import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { defineJob } from "../../src/index.ts"
import * as httpStub from "../capabilities/httpStub.ts"
import { play, stepOf, succeeded } from "../support/engine.ts"

const text = readFileSync(join(import.meta.dirname, "../../docs/STEPS.md"), "utf8")
const examples = [...text.matchAll(/```json\n([\s\S]*?)```/g)].map(([, json]) => json!)

describe("the examples of docs/STEPS.md", () => {
  it.live("run: an http step, its secret from the environment, its asset checked", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const server = yield* httpStub.make
        server.answer((request, response) => {
          assert.strictEqual(request.headers.authorization, "Bearer docs")
          response.writeHead(200, { "content-type": "application/json" }).end('{"usd":1.1}')
        })
        process.env.RATES_TOKEN = "docs"
        yield* Effect.addFinalizer(() => Effect.sync(() => delete process.env.RATES_TOKEN))
        const written = examples[0]!.replace("localhost:8080", `127.0.0.1:${server.port}`)
        const workflows = { rates: JSON.parse(written) as object }
        const settings = { httpAllow: [`127.0.0.1:${server.port}`] }
        yield* play({ jobs: [], workflows, settings }, () =>
          Effect.gen(function* () {
            const run = yield* succeeded("rates", "2024-01-02", { base: "eur" })
            assert.deepInclude(stepOf(run, "fetch").producedAssets[0], { assetId: "rates", payload: { usd: 1.1 } })
            assert.deepStrictEqual(server.requests, ["POST /rates/eur"])
          })
        )
      })
    )
  )

  it.live("run: a fan-out over what a job lists, and a step that has all results", () => {
    const regions = [{ name: "north" }, { name: "south" }]
    const jobs = [
      defineJob({ slug: "list-regions", run: async () => ({ result: { regions } }) }),
      defineJob({
        slug: "load-region",
        run: async ({ parameters: { place, region } }) => ({
          result: { place: place!, assets: [{ assetId: "region.sales", partitionKey: String(region), payload: 1 }] }
        })
      }),
      defineJob({ slug: "sum-regions", run: async (ctx) => ({ result: { all: ctx.steps.each as never } }) })
    ]
    return play({ jobs, workflows: { regions: JSON.parse(examples[1]!) as object } }, () =>
      Effect.gen(function* () {
        const run = yield* succeeded("regions")
        assert.deepStrictEqual(stepOf(run, "sum").result, { all: [{ place: 0 }, { place: 1 }] })
        assert.deepInclude(stepOf(run, "each[1]").producedAssets[0], { partitionKey: "south" })
      })
    )
  })
})
