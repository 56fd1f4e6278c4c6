import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { JsonObject } from "../../src/sdk/JobContext.ts"
import { killQuietly, postmasterPid, startServer } from "../chaos/serverProcess.ts"
import { eventually, inStatus } from "../e2e/processSupport.ts"

const appText = `import { defineApp, defineJob } from "kintsugi"

const make = defineJob({
  slug: "make",
  run: async (ctx) => {
    const location = await ctx.files.writeText("lake", "made/" + ctx.partitionKey + ".txt", "made")
    return { result: { assets: [{ assetId: "made", locations: [location] }] } }
  }
})
const use = defineJob({
  slug: "use",
  run: async (ctx) => ({ result: { text: await ctx.files.readText("lake", "made/" + ctx.partitionKey + ".txt") } })
})

export default defineApp({
  stores: { lake: { type: "folder", path: "lake" } },
  jobs: [make, use],
  workflows: [
    {
      slug: "making",
      steps: [
        { id: "make", jobSlug: "make", produces: [{ assetId: "made", partitioning: { type: "static", keys: ["a", "b"] } }] }
      ]
    },
    { slug: "using", steps: [{ id: "use", jobSlug: "use", consumes: [{ assetId: "made" }] }] }
  ]
})
`

/** A whole server as a process, on its own Postgres, in which there is one of everything that can be had at once. */
export interface WholeServer {
  readonly url: string
  /** What stands for the parameters of a path. */
  readonly fill: (path: string) => string
  readonly close: () => Promise<void>
}

/** Starts it, and makes an asset, a recovery that healed it, a backfill, a bulk operation and a token. */
export const wholeServer = async (): Promise<WholeServer> => {
  const folder = mkdtempSync(join(tmpdir(), "kintsugi-whole-"))
  const dataDir = join(folder, "data")
  writeFileSync(join(folder, "app.ts"), appText)
  const { client, ended, signal, url } = await startServer({
    dataDir,
    app: join(folder, "app.ts"),
    env: { KINTSUGI_STORE_SETTLE_MS: "0", KINTSUGI_RATE_LIMIT_PER_SECOND: "0" }
  })
  const close = async () => {
    signal("SIGKILL")
    await ended
    killQuietly(postmasterPid(dataDir))
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
  }
  try {
    const run = async (slug: string, key: string) => {
      const { data } = await client.run(slug, { partitionKey: key, idempotencyKey: `${slug}-${key}` })
      await inStatus(client, String(data.id), "succeeded")
      return String(data.id)
    }
    const post = async (path: string, body: JsonObject) => {
      const { data } = (await client.request("POST", path, { body })) as unknown as { readonly data: JsonObject }
      return String(data.id)
    }
    await run("making", "a")
    rmSync(join(folder, "lake", "made", "a.txt"))
    const runId = await run("using", "a")
    const recoveryId = await eventually("a recovery", async () => {
      const { data } = (await client.request("GET", "/recoveries")) as unknown as { readonly data: Array<JsonObject> }
      return data[0] !== undefined && String(data[0].id)
    })
    const ids: Readonly<Record<string, string>> = {
      runs: runId,
      recoveries: recoveryId,
      backfills: await post("/backfills", { workflow: "making", partitions: { keys: ["b"] } }),
      bulk: await post("/bulk", { action: "recover", filter: { status: "failed" }, reason: "all of none" }),
      tokens: await post("/admin/tokens", { name: "ci", role: "viewer" })
    }
    const others: Readonly<Record<string, string>> = {
      ...{ slug: "making", assetId: "made", key: "a", generation: "1", stepId: "use", store: "lake", runId },
      name: "run_list_v1"
    }
    const fill = (path: string) =>
      path.replace(/(\w[\w-]*)\/\{(\w+)\}|\{(\w+)\}/g, (_, group, inGroup, alone) => {
        const name = String(inGroup ?? alone)
        const value = name === "id" ? (ids[String(group)] ?? "nothing") : (others[name] ?? "nothing")
        return group === undefined ? value : `${group}/${value}`
      })
    return { url, fill, close }
  } catch (cause) {
    await close()
    throw cause
  }
}
