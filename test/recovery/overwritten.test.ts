import { existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { EventStore, type LogUnavailable } from "../../src/eventstore/EventStore.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import { defineJob, PermanentFailure, TransientFailure } from "../../src/index.ts"
import { makes, stepFor, uses } from "../support/chainApp.ts"
import {
  define,
  ended,
  eventsOf,
  gate,
  play,
  ran,
  recoveries,
  type Settings,
  start,
  stepOf,
  succeeded,
  temporaryFolder,
  until
} from "../support/engine.ts"
import { boot, type Process } from "./process.ts"

/** A producer that may leave its file half done: `fail` after the write, or `hang` until it is canceled. */
const unsteady = (door = gate()) => {
  let good = 0
  return defineJob({
    slug: "make-base",
    run: async (ctx) => {
      const { mode } = ctx.parameters as { readonly mode?: string }
      const text = mode === undefined ? `good ${++good}` : "half done"
      const location = await ctx.files.writeText("lake", "base.txt", text)
      if (mode === "fail") throw new PermanentFailure("broken in the middle")
      if (mode === "hang") await door.pass()
      return { result: { assets: [{ assetId: "base", locations: [location] }] } }
    }
  })
}
const bases = { steps: [stepFor("make-base", { produces: ["base"] })] }
const users = { steps: [stepFor("use-base", { consumes: ["base"] })] }
const aside = (folder: string, runId: string) => join(folder, "lake", ".quarantine", runId, "base.txt")

const on =
  ({ engine }: Process) =>
  <B, F, R>(effect: Effect.Effect<B, F, R>) => {
    assert(engine !== null, "the process died while it started")
    return Effect.provideService(effect, Engine, engine)
  }

describe("a recorded file that an attempt of ours wrote over and did not record", () => {
  it.live("F7: is moved aside when the run has failed, and made again for the next who needs it", () =>
    play({ jobs: [unsteady(), uses("base")], workflows: { bases, users } }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        const failed = yield* ran("bases", undefined, { mode: "fail" })
        assert.strictEqual(failed.status, "failed")
        const run = yield* succeeded("users")
        assert.deepStrictEqual(stepOf(run, "use-base").result, { text: "good 2" })
        assert.strictEqual(readFileSync(aside(folder, failed.id), "utf8"), "half done")
        assert.strictEqual((yield* recoveries).length, 1)
        assert.deepStrictEqual(yield* eventsOf(`run-${run.id}`, "StepRetryScheduled"), [])
      })
    )
  )

  it.live("F7: likewise when the run was canceled in the middle", () => {
    const door = gate()
    return play({ jobs: [unsteady(door), uses("base")], workflows: { bases, users } }, () =>
      Effect.gen(function* () {
        const engine = yield* Engine
        yield* succeeded("bases")
        const { id } = yield* start("bases", undefined, { mode: "hang" })
        yield* until(Effect.sync(door.arrived), (count) => count === 1, "half of a write")
        yield* engine.cancelRun(id, "changed my mind")
        assert.deepStrictEqual(stepOf(yield* succeeded("users"), "use-base").result, { text: "good 2" })
        door.open()
      })
    )
  })

  it.live("F7 F38: and is no change of somebody else for the next process", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const log = Context.get(yield* Layer.build(MemoryEventStore.layer), EventStore)
        const given: Settings = { baseDir: folder, jobs: [unsteady(), uses("base")] }
        yield* Effect.gen(function* () {
          const first = yield* boot(log, given)
          yield* on(first)(define({ bases, users }))
          yield* on(first)(succeeded("bases"))
          yield* on(first)(ran("bases", undefined, { mode: "fail" }))
          yield* until(eventsOf("asset", "AssetMissingDetected"), ({ length }) => length === 1, "a noted loss")
          yield* first.kill
          const second = yield* boot(log, given)
          assert.deepStrictEqual(stepOf(yield* on(second)(succeeded("users")), "use-base").result, { text: "good 2" })
          yield* second.stop
        }).pipe(Effect.provideService(EventStore, log))
      })
    )
  )

  it.live("a step that writes over another asset's part and does not list it fails, naming both", () => {
    const patch = defineJob({
      slug: "patch",
      run: async (ctx) => void (await ctx.files.writeText("lake", "base.txt", "patched"))
    })
    return play(
      {
        jobs: [makes("base"), patch, uses("base")],
        workflows: { bases, users, patches: { steps: [stepFor("patch")] } }
      },
      () =>
        Effect.gen(function* () {
          yield* succeeded("bases")
          const run = yield* ran("patches")
          assert.deepStrictEqual([run.failure?.class, run.failure?.code], ["permanent", "overwrote_asset"])
          assert.include(run.failure?.message, "lake/base.txt, a part of base")
          assert.deepStrictEqual(stepOf(yield* succeeded("users"), "use-base").result, { text: "base of all" })
        })
    )
  })
})

type Then = "hang" | "fail" | "again" | "write"

/** A producer whose first attempt in mode `torn` leaves its file half done and then hangs or fails; so do the others. */
const torn = (first: Then, next: Then, door = gate()) => {
  let good = 0
  const act = async (what: Then) => {
    if (what === "hang") await door.pass()
    if (what === "fail") throw new PermanentFailure("not today")
    if (what === "again") throw new TransientFailure("later")
  }
  return defineJob({
    slug: "make-base",
    run: async (ctx) => {
      const isTorn = (ctx.parameters as { readonly torn?: boolean }).torn === true
      if (isTorn && ctx.attempt > 1) await act(next)
      const text = !isTorn ? `good ${++good}` : ctx.attempt === 1 ? "half done" : "new version"
      const location = await ctx.files.writeText("lake", "base.txt", text)
      if (isTorn && ctx.attempt === 1) await act(first)
      return { result: { assets: [{ assetId: "base", locations: [location] }] } }
    }
  })
}

const retried = (initialDelayMs: number) => ({
  bases: {
    steps: [
      stepFor("make-base", {
        produces: ["base"],
        retryPolicy: { maxAttempts: 3, strategy: "fixed", initialDelayMs, jitter: "none" }
      })
    ]
  },
  users
})

/** A process makes the base, starts a run that tears it, and dies once `isTorn`; then `body` in the next process. */
const acrossRestart = <A, E>(
  job: ReturnType<typeof torn>,
  delayMs: number,
  isTorn: Effect.Effect<boolean, LogUnavailable, EventStore>,
  body: (second: Process, tornId: string, folder: string) => Effect.Effect<A, E, EventStore>
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const log = Context.get(yield* Layer.build(MemoryEventStore.layer), EventStore)
      const given: Settings = { baseDir: folder, jobs: [job, uses("base")] }
      yield* Effect.gen(function* () {
        const first = yield* boot(log, given)
        yield* on(first)(define(retried(delayMs)))
        yield* on(first)(succeeded("bases"))
        const { id } = yield* on(first)(start("bases", undefined, { torn: true }))
        yield* until(isTorn, (is) => is, "a torn file")
        assert.strictEqual((yield* eventsOf("run", "StepOverwriting")).length, 1)
        yield* first.kill
        const second = yield* boot(log, given)
        yield* body(second, id, folder)
        yield* second.stop
      }).pipe(Effect.provideService(EventStore, log))
    })
  )

const retryIsPending = Effect.map(eventsOf("run", "StepRetryScheduled"), ({ length }) => length === 1)

describe("a recorded file that an attempt of a process before this one wrote over", () => {
  const heals = Effect.fnUntraced(function* (second: Process, tornId: string, folder: string) {
    assert.deepStrictEqual(stepOf(yield* on(second)(succeeded("users")), "use-base").result, { text: "good 2" })
    assert.strictEqual(readFileSync(aside(folder, tornId), "utf8"), "half done")
    const moved = eventsOf(`run-${tornId}`, "StepLeftOversMoved")
    yield* until(moved, ({ length }) => length === 1, "a confirmed move")
  })
  const canceled = (second: Process, tornId: string, folder: string) =>
    on(second)(Effect.flatMap(Engine, (engine) => engine.cancelRun(tornId, "changed my mind"))).pipe(
      Effect.andThen(heals(second, tornId, folder))
    )

  it.live("F7 F38: is made again when the process was killed in the middle and the run then canceled at once", () => {
    const door = gate()
    const isTorn = Effect.sync(() => door.arrived() === 1)
    return acrossRestart(torn("hang", "hang", door), 10, isTorn, canceled)
  })

  it.live("F7 F38: is made again when the run was canceled while the next attempt was to come", () =>
    acrossRestart(torn("again", "write"), 600_000, retryIsPending, canceled)
  )

  it.live("F7 F38: is made again when the attempt after the one cut off failed before it wrote", () => {
    const door = gate()
    const isTorn = Effect.sync(() => door.arrived() === 1)
    return acrossRestart(torn("hang", "fail", door), 10, isTorn, (second, tornId, folder) =>
      Effect.andThen(on(second)(ended(tornId)), heals(second, tornId, folder))
    )
  })

  it.live("F26 F38: is waited for by its readers while the next attempt is to come", () =>
    acrossRestart(torn("again", "write"), 3_000, retryIsPending, (second) =>
      Effect.gen(function* () {
        const run = yield* on(second)(succeeded("users"))
        assert.deepStrictEqual(stepOf(run, "use-base").result, { text: "new version" })
        const failures = yield* eventsOf(`run-${run.id}`, "StepFailed")
        assert.deepStrictEqual(
          failures.map(({ failure }) => (failure as { readonly code: string }).code),
          ["unrecorded_write"]
        )
        assert.deepStrictEqual(yield* eventsOf("run", "StepLeftOversMoved"), [])
      })
    )
  )

  it.live("F40: is neither noted nor moved without recovery", () =>
    play({ jobs: [unsteady()], workflows: { bases }, settings: { recovery: false } }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        const failed = yield* ran("bases", undefined, { mode: "fail" })
        assert.deepStrictEqual(yield* eventsOf("run", "StepOverwriting"), [])
        assert.isFalse(existsSync(aside(folder, failed.id)))
      })
    )
  )
})

describe("what a step reads of the asset that it makes itself", () => {
  const grow = defineJob({
    slug: "grow",
    run: async (ctx) => {
      const { before } = ctx.parameters as { readonly before?: string }
      const text = before === undefined ? "" : await ctx.files.readText("lake", `sum-${before}.txt`)
      const location = await ctx.files.writeText("lake", `sum-${ctx.partitionKey}.txt`, `${text}+${ctx.partitionKey}`)
      return { result: { text, assets: [{ assetId: "sum", locations: [location] }] } }
    }
  })
  const sums = { steps: [stepFor("grow", { produces: ["sum"] })] }

  for (const [how, spoil] of [
    ["edited by hand", (file: string) => writeFileSync(file, "edited by hand")],
    ["cut off", (file: string) => truncateSync(file, 0)]
  ] as const) {
    it.live(`F7: another partition of it that was ${how} is refused like any other read`, () =>
      play({ jobs: [grow], workflows: { sums } }, (folder) =>
        Effect.gen(function* () {
          yield* succeeded("sums", "d1")
          spoil(join(folder, "lake", "sum-d1.txt"))
          const run = yield* ran("sums", "d2", { before: "d1" })
          assert.deepStrictEqual([run.failure?.class, run.failure?.code], ["permanent", "changed_outside"])
          assert.isFalse(existsSync(join(folder, "lake", "sum-d2.txt")))
        })
      )
    )
  }

  it.live("F40: without recovery nobody's changes are judged, as in a plain engine", () =>
    play({ jobs: [grow], workflows: { sums }, settings: { recovery: false } }, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("sums", "d1")
        writeFileSync(join(folder, "lake", "sum-d1.txt"), "edited by hand")
        const run = yield* succeeded("sums", "d2", { before: "d1" })
        assert.deepStrictEqual(stepOf(run, "grow").result, { text: "edited by hand" })
      })
    )
  )

  it.live("F26: readers wait for a slow producer that has written already, and none of them fails", () => {
    const door = gate()
    return play({ jobs: [unsteady(door), uses("base")], workflows: { bases, users } }, () =>
      Effect.gen(function* () {
        yield* succeeded("bases")
        const slow = yield* start("bases", undefined, { mode: "hang" })
        yield* until(Effect.sync(door.arrived), (count) => count === 1, "half of a production")
        const readers: Array<string> = []
        for (let reader = 0; reader < 5; reader++) readers.push((yield* start("users")).id)
        yield* until(eventsOf("run", "StepFailed"), ({ length }) => length === 5, "five readers that wait")
        door.open()
        yield* ended(slow.id)
        for (const id of readers) {
          assert.deepStrictEqual(stepOf(yield* ended(id), "use-base").result, { text: "half done" })
        }
      })
    )
  })
})
