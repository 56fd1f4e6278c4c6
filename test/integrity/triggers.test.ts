import { renameSync, rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Integrity } from "../../src/actors/Integrity.ts"
import { makes, stepFor, uses } from "../support/chainApp.ts"
import { eventsOf, play, ran, start, succeeded, until } from "../support/engine.ts"
import { atOnce } from "./support.ts"

const jobs = [makes("base"), uses("base")]
const workflows = {
  bases: { steps: [stepFor("make-base", { produces: ["base"] })] },
  users: { steps: [stepFor("use-base", { consumes: ["base"] })] }
}
const automatic = { ...atOnce.integrity, isAutomatic: true, settleMs: 50, intervalMs: 0 }

/** Waits until a check was begun for this reason, and answers what it looks at. */
const begun = (reason: string) =>
  Effect.map(
    until(
      eventsOf("integrity", "IntegrityCheckStarted"),
      (events) => events.some((event) => event.reason === reason),
      `check by ${reason}`
    ),
    (events) => events.find((event) => event.reason === reason)!
  )

describe("checks that nobody has to think of", () => {
  it.live("F72: begin at start, and without a schedule it stays at that", () =>
    play({ jobs, workflows, settings: { integrity: automatic } }, () =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        assert.deepInclude(yield* begun("start"), { scope: {}, deep: false })
        const service = yield* Integrity
        yield* until(service.findings, ({ integrity }) => integrity.generation === 1, "its end")
      })
    )
  )

  it.live("F72: begin by the clock, as deep as they are told to be", () =>
    play({ jobs, workflows, settings: { integrity: { ...automatic, intervalMs: 200, isDeep: true } } }, () =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        assert.deepInclude(yield* begun("schedule"), { scope: {}, deep: true })
      })
    )
  )

  it.live("F72: begin after a recovery, and look at what it was about", () =>
    play({ jobs, workflows, settings: { integrity: automatic } }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        rmSync(join(folder, "lake", "base.txt"))
        yield* succeeded("users")
        assert.deepInclude(yield* begun("recovery"), { scope: { assetIds: ["base"] } })
      })
    )
  )

  it.live("F72: begin when a store has come back, and look at what is in it", () =>
    play({ jobs, workflows, settings: { integrity: automatic } }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        const lake = join(folder, "lake")
        renameSync(lake, `${lake}.away`)
        const run = yield* start("users")
        yield* until(eventsOf(`run-${run.id}`, "StepSuspended"), (events) => events.length === 1, "a step that waits")
        renameSync(`${lake}.away`, lake)
        assert.deepInclude(yield* begun("store"), { scope: { store: "lake" } })
        assert.strictEqual((yield* ran("users")).status, "succeeded")
      })
    )
  )

  it.live("wait for their window, and one that somebody asks for does not", () => {
    const hours = (ahead: number) => new Date(Date.now() + ahead * 3_600_000).toISOString().slice(11, 16)
    const window = { from: hours(2), to: hours(3), timezone: "UTC" }
    return play({ jobs, workflows, settings: { integrity: { ...automatic, window } } }, () =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        const service = yield* Integrity
        yield* until(service.findings, ({ integrity }) => integrity.state === "refresh_queued", "a check that waits")
        assert.deepStrictEqual(yield* eventsOf("integrity", "IntegrityCheckStarted"), [])
        yield* service.check({})
        yield* until(service.findings, ({ integrity }) => integrity.generation === 1, "the check that was asked for")
        const started = yield* eventsOf("integrity", "IntegrityCheckStarted")
        assert.deepStrictEqual(
          started.map(({ reason }) => reason),
          ["requested"],
          "both are one"
        )
      })
    )
  })
})
