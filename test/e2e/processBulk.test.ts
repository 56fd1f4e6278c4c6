import { assert, describe, it } from "@effect/vitest"
import { setTimeout as sleep } from "node:timers/promises"
import type { Client } from "../../src/sdk/HttpClient.ts"
import type { JsonObject } from "../../src/sdk/JobContext.ts"
import { eventsOf, eventually, napApp, withFolder } from "./processSupport.ts"

const count = 40

const dataOf = (answer: unknown): JsonObject => (answer as { readonly data: JsonObject }).data
const bulkOf = async (client: Client, id: string) => dataOf(await client.request("GET", `/bulk/${id}`))

describe("a server killed with kill -9 in the middle of a bulk operation", () => {
  it.live("F52: the next one goes on with it: each run is canceled once, and none is counted as skipped", () =>
    withFolder(async ({ folder, start }) => {
      const app = napApp(folder)
      const first = await start({ app })
      const post = (path: string, body: object) => first.client.request("POST", path, { body: body as JsonObject })
      await post("/workflows/naps/pause", {})
      const runIds: Array<string> = []
      for (let index = 0; index < count; index++) {
        const { data } = await first.client.run("naps", { parameters: { ms: 1 }, idempotencyKey: `nap-${index}` })
        runIds.push(String(data.id))
      }
      const request = { action: "cancel", filter: { workflow: "naps" }, ratePerSecond: 40, reason: "the wrong day" }
      await eventually("every run is in the list", async () => {
        return dataOf(await post("/bulk", { ...request, dryRun: true })).wouldDo === count
      })
      const id = String(dataOf(await post("/bulk", request)).id)
      await eventually("the first batch is noted", async () => Number((await bulkOf(first.client, id)).done) > 0)
      // Half of the second batch has been told and is not noted.
      await sleep(250)
      const before = await bulkOf(first.client, id)
      first.signal("SIGKILL")
      await first.ended
      assert.deepInclude(before, { status: "running", done: 20 })

      const second = await start({ app })
      const ended = await eventually("the bulk operation ends", async () => {
        const bulk = await bulkOf(second.client, id)
        return bulk.endedAt !== null && bulk
      })
      assert.deepInclude(ended, { status: "succeeded", total: count, done: count, skipped: 0, failed: 0 })
      for (const runId of runIds) {
        const canceled = (await eventsOf(second.client, runId)).filter(({ type }) => type === "RunCanceled")
        assert.deepStrictEqual(
          canceled.map(({ data }) => data.reason),
          ["the wrong day"]
        )
      }
      const listed = (await second.client.request("GET", "/bulk", { query: { action: "cancel" } })) as unknown as {
        readonly data: ReadonlyArray<JsonObject>
      }
      assert.deepStrictEqual(
        listed.data.map((bulk) => bulk.id),
        [id]
      )
    })
  )
})
