import { setTimeout as sleep } from "node:timers/promises"
import { assert, describe, it } from "@effect/vitest"
import { eventsOf, eventually, hungApp, inStatus, withFolder } from "./processSupport.ts"

const drainMs = 1_500
/** Closing work, and what a busy machine adds to it. */
const closingMs = 900

describe("a server that is told to stop while a step hangs", () => {
  it.live("ends within the drain, requests in flight included, and begins no step of those that wait", () =>
    withFolder(async ({ folder, start }) => {
      const app = hungApp(folder)
      const env = { KINTSUGI_DRAIN_MS: String(drainMs), KINTSUGI_CONCURRENCY: "1" }
      const first = await start({ app, env })
      const ids: Array<string> = []
      for (const idempotencyKey of ["one", "two"]) {
        ids.push(String((await first.client.run("hangs", { idempotencyKey })).data.id))
      }
      const [hung, queued] = ids as [string, string]
      await inStatus(first.client, hung, "running")
      // A read that waits for 5 s for a place that the log will not reach.
      const minPosition = "00000099-0000000000000099-0000000000000099"
      const waiting = first.client.request("GET", "/runs", { query: { minPosition } }).catch(() => null)
      await sleep(200)

      const told = performance.now()
      first.signal("SIGTERM")
      await eventually("new connections are refused", () =>
        fetch(`${first.url}/readyz`, { headers: { connection: "close" } }).then(
          () => false,
          () => true
        )
      )
      assert.isNull(first.child.exitCode, "while the step has its time, as docs/OPERATIONS.md says")
      assert.deepStrictEqual(await first.ended, { code: 0, signal: null }, first.stderr())
      const tookMs = performance.now() - told
      assert.isAbove(tookMs, drainMs - 100, "the step had its time")
      assert.isBelow(tookMs, drainMs + closingMs)
      assert.notInclude(first.stdout() + first.stderr(), "ERROR")
      await waiting

      const second = await start({ app, env })
      const interrupted = (await eventsOf(second.client, hung)).filter(({ type }) => type === "RunInterrupted")
      assert.deepStrictEqual(
        interrupted.map(({ data }) => data.reason),
        ["drain"]
      )
      const cut = (await eventsOf(second.client, queued)).filter(({ type }) => type === "RunInterrupted")
      assert.deepStrictEqual(cut, [], "it had not begun")
    })
  )
})
