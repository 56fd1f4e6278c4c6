import { mkdirSync, readdirSync, renameSync, rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import type { EventStore } from "../../src/eventstore/EventStore.ts"
import { defineJob, StoreUnavailable } from "../../src/index.ts"
import { keyOf, makes, stepFor, uses } from "../support/chainApp.ts"
import {
  ended,
  eventsOf,
  gate,
  history,
  play,
  ran,
  recoveries,
  start,
  stepIs,
  stepOf,
  succeeded,
  until
} from "../support/engine.ts"

const inbox = { type: "folder", path: "inbox" } as const
const workflows = {
  bases: { steps: [stepFor("make-base", { produces: ["base"] })] },
  users: { steps: [stepFor("use-base", { consumes: ["base"] })] }
}

const storeIs = (name: string, status: string) =>
  Effect.flatMap(Engine, (engine) =>
    until(
      engine.stores,
      (stores) => stores.some((store) => store.name === name && store.status === status),
      `store ${name} that is ${status}`
    )
  )

/** Runs that were started by a recovery. */
const producerRuns = Effect.map(
  history,
  (events) => events.filter(({ payload, type }) => type === "RunRequested" && payload.includes('"recoveryId"')).length
)

describe("a store that is away", () => {
  it.live("F3 F35 F90: nothing is healed while blind; steps wait without losing a retry and all end well", () => {
    const jobs = [makes("base"), uses("base")]
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        const lake = join(folder, "lake")
        for (const partition of ["p1", "p2", "p3"]) yield* succeeded("bases", partition)
        renameSync(lake, `${lake}.away`)
        const ids: Array<string> = []
        for (let count = 0; count < 30; count++) ids.push((yield* start("users", `p${(count % 3) + 1}`)).id)
        // A producer that only writes notices it as well.
        ids.push((yield* start("bases", "p4")).id)
        const first = yield* stepIs(ids[0]!, "use-base", "waiting")
        const waited = stepOf(first, "use-base").waitingFor as { type: string; store?: string }
        assert.deepStrictEqual([waited.type, waited.store], ["store", "lake"])
        yield* stepIs(ids.at(-1)!, "make-base", "waiting")
        const [away] = (yield* (yield* Engine).stores).filter(({ name }) => name === "lake")
        assert.strictEqual(away!.status, "unavailable")
        renameSync(`${lake}.away`, lake)
        for (const id of ids) {
          const run = yield* ended(id)
          assert.strictEqual(run.status, "succeeded", JSON.stringify(run, null, 1))
        }
        assert.deepStrictEqual(yield* recoveries, [])
        assert.strictEqual(yield* producerRuns, 0)
        assert.deepStrictEqual(yield* eventsOf("run", "StepRetryScheduled"), [])
        assert.deepStrictEqual(yield* eventsOf("asset", "AssetMissingDetected"), [])
        yield* storeIs("lake", "ready")
      })
    )
  })

  it.live("F90: an outage in the middle of a heal, longer than the attempt may take, uses up no attempt", () => {
    const door = gate()
    let made = 0
    const jobs = [
      makes("base", async () => {
        if (++made === 2) await door.pass()
        return "base"
      }),
      uses("base")
    ]
    const once = { assetId: "base", recovery: { maxAttempts: 1, attemptTimeoutMs: 300 } }
    const hurried = { ...workflows, bases: { steps: [{ ...stepFor("make-base"), produces: [once] }] } }
    return play({ jobs, workflows: hurried }, (folder) =>
      Effect.gen(function* () {
        const lake = join(folder, "lake")
        yield* succeeded("bases")
        rmSync(join(lake, keyOf("base")))
        const { id } = yield* start("users")
        yield* until(Effect.sync(door.arrived), (count) => count === 1, "producer in progress")
        renameSync(lake, `${lake}.away`)
        door.open()
        const [running] = yield* recoveries
        yield* stepIs(running!.producerRunId!, "make-base", "waiting")
        // Longer than the attempt's time.
        yield* Effect.sleep("600 millis")
        renameSync(`${lake}.away`, lake)
        const run = yield* ended(id)
        assert.strictEqual(run.status, "succeeded", JSON.stringify(run, null, 1))
        const [recovery] = yield* recoveries
        assert.deepStrictEqual([recovery!.status, recovery!.attempts], ["succeeded", 1])
      })
    )
  })

  it.live("F35: waiting steps are released at the store's own rate", () => {
    const jobs = [makes("base"), uses("base")]
    const paced = { inbox, lake: { type: "folder", path: "lake", drainPerSecond: 20 } } as const
    return play({ jobs, workflows, settings: { stores: paced } }, (folder) =>
      Effect.gen(function* () {
        const lake = join(folder, "lake")
        yield* succeeded("bases")
        renameSync(lake, `${lake}.away`)
        const ids: Array<string> = []
        for (let count = 0; count < 50; count++) ids.push((yield* start("users")).id)
        for (const id of ids) yield* stepIs(id, "use-base", "waiting")
        renameSync(`${lake}.away`, lake)
        for (const id of ids) assert.strictEqual((yield* ended(id)).status, "succeeded")
        const released = (yield* eventsOf("run", "StepResumed")).map(({ recordedAt }) => recordedAt)
        assert.strictEqual(released.length, 50)
        for (const at of released) {
          const within = released.filter((other) => other >= at && other < at + 900).length
          assert.isAtMost(within, 20, "no more than the rate within a second")
        }
      })
    )
  })

  it.live("a wiped store is healed after the settle time", () => {
    const jobs = [makes("base"), uses("base")]
    return play({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        const lake = join(folder, "lake")
        yield* succeeded("bases")
        rmSync(lake, { recursive: true })
        mkdirSync(lake)
        yield* succeeded("users")
        const [recovery, ...others] = yield* recoveries
        assert.strictEqual(recovery!.status, "succeeded")
        assert.strictEqual(others.length, 0)
        assert.include(readdirSync(lake), ".kintsugi", "the store bears its mark again")
      })
    )
  })

  it.live(
    'a wiped store whose onWiped is "wait" is left alone: nothing is written, and what comes back is used',
    () => {
      const jobs = [makes("base"), uses("base")]
      const careful = { inbox, lake: { type: "folder", path: "lake", onWiped: "wait" } } as const
      return play({ jobs, workflows, settings: { stores: careful } }, (folder) =>
        Effect.gen(function* () {
          const lake = join(folder, "lake")
          yield* succeeded("bases")
          renameSync(lake, `${lake}.away`)
          mkdirSync(lake)
          const { id } = yield* start("users")
          yield* stepIs(id, "use-base", "waiting")
          yield* storeIs("lake", "wiped")
          // Longer than the settle time, through several probes.
          yield* Effect.sleep("300 millis")
          assert.deepStrictEqual(readdirSync(lake), [])
          assert.deepStrictEqual(yield* recoveries, [])
          rmSync(lake, { recursive: true })
          renameSync(`${lake}.away`, lake)
          assert.strictEqual((yield* ended(id)).status, "succeeded")
          assert.deepStrictEqual(yield* recoveries, [])
        })
      )
    }
  )

  const partitions = Array.from({ length: 8 }, (_, index) => `p${index}`)
  const vanishing = (
    body: (file: (partition: string) => string) => Effect.Effect<void, unknown, Engine | EventStore>
  ) =>
    play({ jobs: [makes("base"), uses("base")], workflows, settings: { settleMs: 400 } }, (folder) =>
      Effect.gen(function* () {
        const file = (partition: string) => join(folder, "lake", keyOf("base", partition))
        for (const partition of partitions) yield* succeeded("bases", partition)
        yield* body(file)
      })
    )

  it.live("many assets that vanish within a second and come back within the settle time are not healed", () =>
    vanishing((file) =>
      Effect.gen(function* () {
        for (const partition of partitions) renameSync(file(partition), `${file(partition)}.away`)
        const runs = yield* Effect.forEach(partitions, (partition) => start("users", partition), { concurrency: 8 })
        yield* until(recoveries, (found) => found.length === 8, "recovery of each")
        // The first look at each is over by now, the second comes after the settle time.
        yield* Effect.sleep("150 millis")
        for (const partition of partitions) renameSync(`${file(partition)}.away`, file(partition))
        for (const { id } of runs) assert.strictEqual((yield* ended(id)).status, "succeeded")
        for (const recovery of yield* recoveries) assert.strictEqual(recovery.via, "found")
        assert.strictEqual(yield* producerRuns, 0)
      })
    )
  )

  it.live("many assets that vanish within a second and stay away are healed, each once, after the settle time", () =>
    vanishing((file) =>
      Effect.gen(function* () {
        for (const partition of partitions) rmSync(file(partition))
        const runs = yield* Effect.forEach(partitions, (partition) => start("users", partition), { concurrency: 8 })
        for (const { id } of runs) assert.strictEqual((yield* ended(id)).status, "succeeded")
        assert.strictEqual(yield* producerRuns, 8)
        const [requested] = yield* eventsOf("recovery", "RecoveryRequested")
        for (const planned of yield* eventsOf("recovery", "RecoveryPlanned")) {
          assert.isAtLeast(planned.recordedAt - requested!.recordedAt, 400)
        }
      })
    )
  )

  it.live("a job's word that a store is away counts only if the store does not answer: else it is tried again", () => {
    let executions = 0
    const jobs = [
      defineJob({
        slug: "nag",
        run: async () => {
          executions++
          throw new StoreUnavailable({ store: "lake" })
        }
      })
    ]
    return play({ jobs, workflows: { nags: { steps: [stepFor("nag")] } } }, () =>
      Effect.gen(function* () {
        const run = yield* ran("nags")
        assert.deepStrictEqual(
          [run.status, run.failure?.class, run.failure?.code],
          ["failed", "transient", "store_answers"]
        )
        assert.strictEqual(executions, run.steps[0]?.attempt)
        assert.deepStrictEqual(yield* eventsOf(`run-${run.id}`, "StepSuspended"), [])
      })
    )
  })

  it.live(
    "an outage of a store that the app does not name cannot be waited for: it is tried again like any other",
    () => {
      const jobs = [
        defineJob({
          slug: "call",
          run: async () => {
            throw new StoreUnavailable({ store: "elsewhere" })
          }
        })
      ]
      return play({ jobs, workflows: { calls: { steps: [stepFor("call")] } } }, () =>
        Effect.gen(function* () {
          const run = yield* ran("calls")
          assert.strictEqual(run.status, "failed")
          assert.strictEqual(run.failure?.class, "store_unavailable")
          assert.include(run.failure?.message, "elsewhere")
          assert.strictEqual(stepOf(run, "call").attempt, 3)
        })
      )
    }
  )
})
