import { assert, describe, it } from "@effect/vitest"
import { setTimeout as sleep } from "node:timers/promises"
import { killQuietly, postmasterPid, token } from "../chaos/serverProcess.ts"
import { eventsOf, eventually, inStatus, napApp, naps, napping, withFolder } from "./processSupport.ts"

describe("Postgres killed under a server", () => {
  it.live("commands are answered 503 with Retry-After or late, a running step keeps its result, and all goes on", () =>
    withFolder(async ({ dataDir, folder, start }) => {
      const server = await start({ app: napApp(folder) })
      const runId = await napping(server.client, 1_000)
      const before = postmasterPid(dataDir)
      killQuietly(before)

      const command = () =>
        fetch(`${server.url}/api/v1/workflows/naps/run`, {
          method: "POST",
          headers: {
            authorization: `Bearer ${token}`,
            "content-type": "application/json",
            "idempotency-key": "while-it-is-away"
          },
          body: JSON.stringify({ parameters: { ms: 1 } })
        })
      const answers: Array<number> = []
      const accepted = await eventually("the command is accepted", async () => {
        const response = await command()
        answers.push(response.status)
        if (response.status === 503) assert.match(response.headers.get("retry-after") ?? "", /^\d+$/)
        else assert.strictEqual(response.status, 202, await response.clone().text())
        return response.status === 202 && ((await response.json()) as { readonly data: { readonly id: string } })
      })
      await inStatus(server.client, accepted.data.id, "succeeded")
      await inStatus(server.client, runId, "succeeded")
      assert.deepStrictEqual(naps(folder, runId), { begun: 1, done: 1 }, `commands were answered ${answers}`)
      const after = postmasterPid(dataDir)
      assert(after !== null && after !== before, "the embedded server was not started again")
      assert.strictEqual(server.child.exitCode, null)
      const types = (await eventsOf(server.client, runId)).map(({ type }) => type)
      assert.deepStrictEqual(
        types.filter((type) => type === "RunInterrupted"),
        []
      )
    })
  )
})

describe("a server killed with kill -9", () => {
  it.live("F38 F47: its Postgres is adopted, every run goes on as interrupted, and one summary says so", () =>
    withFolder(async ({ dataDir, folder, start }) => {
      const app = napApp(folder)
      const first = await start({ app })
      const runIds = await Promise.all([1, 2, 3].map(() => napping(first.client, 1_500)))
      const postgres = postmasterPid(dataDir)
      first.signal("SIGKILL")
      await first.ended
      await sleep(100)

      const second = await start({ app })
      assert.strictEqual(postmasterPid(dataDir), postgres, "the orphaned Postgres was not adopted")
      for (const runId of runIds) {
        await inStatus(second.client, runId, "succeeded")
        const interrupted = (await eventsOf(second.client, runId)).filter(({ type }) => type === "RunInterrupted")
        assert.deepStrictEqual(
          interrupted.map(({ data }) => [data.reason, data.steps]),
          [["crash", [{ stepId: "nap", attempt: 1 }]]]
        )
        assert.deepStrictEqual(naps(folder, runId), { begun: 2, done: 1 })
      }
      const summary = await eventually("one summary says that all three have recovered", async () => {
        const { data } = (await second.client.request("GET", "/notifications")) as unknown as {
          readonly data: ReadonlyArray<{
            readonly kind: string
            readonly data: {
              readonly total: number
              readonly recovered: number
              readonly runs: ReadonlyArray<{ readonly runId: string; readonly outcome: string }>
            }
          }>
        }
        const summaries = data.filter(({ kind }) => kind === "runs_interrupted")
        assert(summaries.length <= 1, "one restart is told more than once")
        return summaries[0]?.data.recovered === 3 && summaries[0].data
      })
      assert.strictEqual(summary.total, 3)
      assert.sameMembers(
        summary.runs.map(({ runId }) => runId),
        runIds
      )
    })
  )

  it.live("killed again before it did anything, it still finds every run, and slots of a limit are not lost", () =>
    withFolder(async ({ folder, start }) => {
      const app = napApp(folder, 1)
      const first = await start({ app })
      const runIds = [await napping(first.client, 1_000)]
      for (const key of ["second", "third"]) {
        const { data } = await first.client.run("naps", { parameters: { ms: 10 }, idempotencyKey: key })
        runIds.push(String(data.id))
      }
      first.signal("SIGKILL")
      await first.ended
      for (let again = 0; again < 3; again++) {
        const next = await start({ app })
        next.signal("SIGKILL")
        await next.ended
      }
      const last = await start({ app })
      for (const runId of runIds) await inStatus(last.client, runId, "succeeded")
    })
  )
})
