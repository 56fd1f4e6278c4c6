import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { JsonObject } from "../../src/sdk/JobContext.ts"
import type { Client } from "../../src/sdk/HttpClient.ts"
import { absent, RedisServer } from "../support/redis.ts"
import { eventually, inStatus, withFolder, written } from "./processSupport.ts"

const app = (folder: string): string =>
  written(
    folder,
    "makes.ts",
    `import { defineApp, defineJob } from "kintsugi"

const make = defineJob({ slug: "make", run: () => ({ result: { assets: [{ assetId: "made", payload: { rows: 3 } }] } }) })

export default defineApp({
  stores: { lake: { type: "folder", path: "lake" } },
  jobs: [make],
  workflows: [{ slug: "makes", steps: [{ id: "make", jobSlug: "make", produces: [{ assetId: "made" }] }] }]
})
`
  )

/** The queue of events that the bus has not taken, as queue health shows it. */
const eventQueue = async (client: Client) => {
  const { data } = (await client.request("GET", "/admin/queue-health")) as unknown as {
    readonly data: { readonly queues: ReadonlyArray<JsonObject> }
  }
  const { counts, oldestWaitingMs } = data.queues.find(({ key }) => key === "events")!
  return { waiting: (counts as { readonly waiting: number }).waiting, oldestWaitingMs }
}

describe.skipIf(absent)("a server whose Redis is down", () => {
  layer(RedisServer.layer, { excludeTestServices: true })((it) => {
    it.effect("starts, says so, is ready, and what it produced is published after kill -9 (T4, T26)", () =>
      Effect.gen(function* () {
        const redis = yield* RedisServer
        const client = yield* redis.client
        yield* redis.stop("SIGTERM")
        const types = async () => {
          const entries = await client.xrange("kintsugi.events", "-", "+")
          return entries.map(
            ([, [, text]]) => JSON.parse(text!) as { readonly type: string; readonly data: JsonObject }
          )
        }
        const context = yield* Effect.context<never>()
        yield* withFolder(async ({ folder, start }) => {
          const options = { app: app(folder), env: { REDIS_URL: redis.path } }
          const first = await start(options)
          const ready = await fetch(`${first.url}/readyz`)
          assert.strictEqual(ready.status, 200, await ready.text())
          const run = String((await first.client.run("makes", { idempotencyKey: "one" })).data.id)
          await inStatus(first.client, run, "succeeded")
          const queue = await eventually("a production waits", async () => {
            const found = await eventQueue(first.client)
            return found.waiting > 0 && found
          })
          assert.isAtLeast(Number(queue.oldestWaitingMs), 0)
          assert.lengthOf(first.stderr().match(/takes nothing now/g) ?? [], 1, first.stderr())
          assert.lengthOf(first.stderr().match(/waits for its server/g) ?? [], 1, first.stderr())
          first.signal("SIGKILL")
          await first.ended

          await Effect.runPromiseWith(context)(redis.start)
          const second = await start(options)
          const production = await eventually("the production is published", async () =>
            (await types()).find(({ type }) => type === "asset.produced")
          )
          assert.deepInclude(production.data, { assetId: "made", runId: run, payload: { rows: 3 } })
          await eventually("nothing waits", async () => (await eventQueue(second.client)).waiting === 0)
          second.signal("SIGTERM")
          assert.deepStrictEqual(await second.ended, { code: 0, signal: null }, second.stderr())
        })
      })
    )
  })
})
