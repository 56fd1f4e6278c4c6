import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makes, stepFor, uses } from "../support/chainApp.ts"
import { eventsOf, play, ran, recoveries, stepOf, succeeded } from "../support/engine.ts"
import { rot } from "./rot.ts"

const workflows = {
  bases: { steps: [stepFor("make-base", { produces: ["base"] })] },
  users: { steps: [stepFor("use-base", { consumes: ["base"] })] }
}

describe("corrupt content", () => {
  it.live("F7: bytes that changed under their etag are moved aside and made again, and the step goes on", () => {
    const jobs = [makes("base", () => "good bytes"), uses("base")]
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        rot(join(folder, "lake", "base.txt"), "bad bytes!")
        const run = yield* succeeded("users")
        assert.deepStrictEqual(stepOf(run, "use-base").result, { text: "good bytes" })
        const [failed] = yield* eventsOf(`run-${run.id}`, "StepFailed")
        assert.strictEqual((failed!.failure as { class: string }).class, "corrupt")
        assert.strictEqual((yield* eventsOf("asset", "AssetMissingDetected"))[0]!.reason, "corrupt")
        assert.strictEqual((yield* recoveries)[0]!.via, "producer")
        const aside = join(folder, "lake", ".quarantine", run.id, "base.txt")
        assert.strictEqual(readFileSync(aside, "utf8"), "bad bytes!", "what was found is kept")
        assert.deepStrictEqual(yield* eventsOf(`run-${run.id}`, "StepRetryScheduled"), [])
      })
    )
  })

  it.live("F8: content that is corrupt again after each heal ends in a clear error, bounded by the ceiling", () => {
    let path = ""
    const jobs = [
      makes("base", () => "good bytes"),
      {
        ...uses("base"),
        run: async (ctx: Parameters<ReturnType<typeof uses>["run"]>[0]) => {
          rot(path, "bad bytes!")
          const part = ctx.inputs.base!.locations[0]!
          await ctx.files.readText(part.store, part.key)
        }
      }
    ]
    const bounded = {
      ...workflows,
      users: { steps: [{ ...stepFor("use-base", { consumes: ["base"] }), recovery: { ceilingPerRun: 3 } }] }
    }
    return play({ jobs, workflows: bounded }, (folder) =>
      Effect.gen(function* () {
        path = join(folder, "lake", "base.txt")
        yield* succeeded("bases")
        const run = yield* ran("users")
        assert.strictEqual(run.status, "failed")
        assert.strictEqual(run.failure?.code, "ceiling_reached")
        assert.strictEqual((yield* recoveries).length, 3)
      })
    )
  })

  it.live("content that somebody else replaced is nothing to heal: the step fails with changed_outside at once", () => {
    const jobs = [makes("base", () => "good bytes"), uses("base")]
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        writeFileSync(join(folder, "lake", "base.txt"), "edited by hand")
        const run = yield* ran("users")
        assert.strictEqual(run.failure?.class, "permanent")
        assert.strictEqual(run.failure?.code, "changed_outside")
        assert.strictEqual(stepOf(run, "use-base").attempt, 1)
        assert.deepStrictEqual(yield* recoveries, [])
        assert.strictEqual(readFileSync(join(folder, "lake", "base.txt"), "utf8"), "edited by hand")
        assert.isFalse(existsSync(join(folder, "lake", ".quarantine")))
        assert.notInclude(readdirSync(join(folder, "lake")), ".quarantine")
      })
    )
  })
})
