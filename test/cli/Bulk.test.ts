import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { is, runs, served, world } from "../bulk/server.ts"
import * as Server from "../../src/http/Server.ts"
import { token } from "../http/Harness.ts"
import { temporaryFolder } from "../support/engine.ts"
import { kintsugi } from "./kintsugi.ts"

const bulk = (...args: ReadonlyArray<string>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { url } = yield* Server.Listening
      const cwd = yield* temporaryFolder
      const env = { KINTSUGI_URL: url, KINTSUGI_ADMIN_TOKEN: token }
      return yield* Effect.promise(() => kintsugi(["bulk", ...args], { cwd, env }))
    })
  )

const failed = ["--filter", "workflow=w", "--filter", "status=failed", "--reason", "the table is back"]

describe("kintsugi bulk", () => {
  it.live("F52: says what would be done, does it, waits for its end, and ends with 0", () =>
    served(
      Effect.gen(function* () {
        const ids = yield* runs("w", 2, "failed")
        const plan = yield* bulk("retry", ...failed, "--dry-run")
        assert.strictEqual(plan.code, 0, plan.stderr)
        assert.include(plan.stdout, `would retry 2 of 2 runs, skip 0\n  ${ids[1]}\n  ${ids[0]}\n`)
        world.broken = false
        const done = yield* bulk("retry", ...failed, "--canary", "1", "--rate", "100", "--wait")
        assert.strictEqual(done.code, 0, done.stderr)
        assert.match(done.stdout, /^bulk \S+ has succeeded: 2 of 2 done\n$/)
        for (const id of ids) yield* is(`runs/${id}`, "succeeded")
        const skipped = yield* bulk("recover", "--filter", "status=succeeded", "--reason", "x", "--wait", "--json")
        assert.strictEqual(skipped.stderr, "")
        assert.deepInclude(JSON.parse(skipped.stdout), { status: "succeeded", done: 0, skipped: 2 })
        const detached = yield* bulk("replay", "--filter", "workflow=w", "--reason", "again")
        assert.match(detached.stdout, /^bulk \S+: replay 2 runs\n$/)
      })
    )
  )

  it.live("F52: ends with 1 and the canary that failed, and with 2 and the reason where it is refused", () =>
    served(
      Effect.gen(function* () {
        const ids = yield* runs("w", 2, "failed")
        const ended = yield* bulk("retry", ...failed, "--canary", "1", "--wait")
        assert.strictEqual(ended.code, 1)
        assert.include(ended.stderr, `has failed: the canary ${ids[1]} failed with: no such table`)
        const refusals: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
          [["retry", "--reason", "x"], "filter must say which runs are meant"],
          [
            ["retry", "--filter", "status", "--reason", "x"],
            "--filter must be NAME=VALUE, such as status=failed, not status"
          ],
          [["retry", "--filter", "a=1", "--filter", "a=2", "--reason", "x"], "--filter a=… must not be given twice"],
          [["retry", "--filter", "speed=1", "--reason", "x"], "filter.speed is not known here"],
          [["retry", ...failed, "--limit", "1001"], "limit must be a whole number from 1 to 1000"],
          [["retry", "--all"], "--reason"],
          [["delete", ...failed], "delete"]
        ]
        for (const [args, told] of refusals) {
          const refused = yield* bulk(...args)
          assert.strictEqual(refused.code, 2, refused.stderr)
          assert.include(refused.stderr, told)
        }
      })
    )
  )
})
