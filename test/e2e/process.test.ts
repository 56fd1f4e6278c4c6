import { assert, describe, it } from "@effect/vitest"
import { eventsOf, inStatus, napApp, naps, napping, withFolder } from "./processSupport.ts"

describe("a server that is told to stop", () => {
  it.live("SIGTERM lets a running step finish, keeps its result and ends with 0", () =>
    withFolder(async ({ folder, start }) => {
      const app = napApp(folder)
      const first = await start({ app })
      const runId = await napping(first.client, 1_000)
      first.signal("SIGTERM")
      assert.deepStrictEqual(await first.ended, { code: 0, signal: null }, first.stderr())
      assert.deepStrictEqual(naps(folder, runId), { begun: 1, done: 1 })

      const second = await start({ app })
      await inStatus(second.client, runId, "succeeded")
      const types = (await eventsOf(second.client, runId)).map(({ type }) => type)
      assert.notInclude(types, "RunInterrupted")
      assert.deepStrictEqual(naps(folder, runId), { begun: 1, done: 1 })
    })
  )

  it.live("a step that takes longer than KINTSUGI_DRAIN_MS is interrupted, noted as a drain, and done again", () =>
    withFolder(async ({ folder, start }) => {
      const app = napApp(folder)
      const first = await start({ app, env: { KINTSUGI_DRAIN_MS: "300" } })
      const runId = await napping(first.client, 3_000)
      const told = performance.now()
      first.signal("SIGTERM")
      assert.deepStrictEqual(await first.ended, { code: 0, signal: null }, first.stderr())
      assert(performance.now() - told < 2_500, "it waited for the step all the same")
      assert.deepStrictEqual(naps(folder, runId), { begun: 1, done: 0 })

      const second = await start({ app })
      await inStatus(second.client, runId, "succeeded")
      const interrupted = (await eventsOf(second.client, runId)).filter(({ type }) => type === "RunInterrupted")
      assert.deepStrictEqual(
        interrupted.map(({ data }) => [data.reason, data.steps]),
        [["drain", [{ stepId: "nap", attempt: 1 }]]]
      )
      assert.deepStrictEqual(naps(folder, runId), { begun: 2, done: 1 })
    })
  )
})

describe("a second server", () => {
  it.live("on the same data directory ends with 2 and says who serves it, and the first goes on", () =>
    withFolder(async ({ start, spawn }) => {
      const first = await start()
      const second = spawn()
      assert.strictEqual((await second.ended).code, 2)
      assert.match(
        second.stderr(),
        new RegExp(`^kintsugi: this database is already served by process ${first.pid} on \\S+ since \\S+\\n$`)
      )
      assert.deepStrictEqual((await first.client.listRuns()).data, [])
    })
  )

  it.live("on the same DATABASE_URL ends with 2 and says who serves it", () =>
    withFolder(async ({ dataDir, folder, start, spawn }) => {
      const first = await start()
      const DATABASE_URL = `postgres://kintsugi@localhost/postgres?host=${encodeURIComponent(`${dataDir}/postgres.socket`)}`
      const second = spawn({ dataDir: `${folder}/other`, env: { DATABASE_URL } })
      assert.strictEqual((await second.ended).code, 2)
      assert.match(
        second.stderr(),
        new RegExp(`^kintsugi: this database is already served by process ${first.pid} on `)
      )
    })
  )
})
