import { rmSync } from "node:fs"
import { join } from "node:path"
import { Effect, Schedule } from "effect"
import { Engine } from "../src/actors/Engine.ts"
import { EventStore, type Position, type RecordedEvent } from "../src/eventstore/EventStore.ts"
import { defineJob } from "../src/index.ts"
import { layer, temporaryFolder } from "./engine.ts"

const waitersDefault = 10_000
const startedAtOnce = 200
const waitSecondsMax = 600
const bytesPerMebibyte = 1024 ** 2

/** Made anew, the asset is held back until everybody waits for it. */
let everybodyWaits: Promise<void> = Promise.resolve()

const make = defineJob({
  slug: "make",
  run: async (ctx) => {
    await everybodyWaits
    const location = await ctx.files.writeText("lake", "one.txt", "one for all")
    return { result: { assets: [{ assetId: "one", locations: [location] }] } }
  }
})
const use = defineJob({
  slug: "use",
  run: async (ctx) => ({ result: { bytes: (await ctx.files.readText("lake", "one.txt")).length } })
})
const maker = { steps: [{ id: "make", jobSlug: "make", produces: [{ assetId: "one" }] }] }
const user = { steps: [{ id: "use", jobSlug: "use", consumes: [{ assetId: "one" }] }] }

/** The whole log of these categories, counted by `name`. */
const countOf = Effect.fnUntraced(function* (category: string, name: (event: RecordedEvent) => string | null) {
  const log = yield* EventStore
  const counts = new Map<string, number>()
  let after: Position | null = null
  while (true) {
    const page: Effect.Success<ReturnType<typeof log.readAll>> = yield* log.readAll({ after, limit: 10_000, category })
    for (const event of page.events) {
      const key = name(event)
      if (key !== null) counts.set(key, (counts.get(key) ?? 0) + 1)
    }
    if (page.events.length === 0) return counts
    after = page.next
  }
})

const typeOf = (event: RecordedEvent): string => event.type

/** How a run was started, once a run. */
const triggerOf = ({ payload, type }: RecordedEvent): string | null =>
  type === "RunRequested" ? (JSON.parse(payload) as { readonly trigger: { readonly type: string } }).trigger.type : null

/** `waiters` runs wait for one lost asset: how many recoveries and producer runs that takes, how long, how much memory. */
export const measure = (options: { readonly waiters?: number } = {}) =>
  Effect.scoped(
    Effect.gen(function* () {
      const waiters = options.waiters ?? waitersDefault
      const dataDir = yield* temporaryFolder
      const body = Effect.gen(function* () {
        const engine = yield* Engine
        yield* engine.define("maker", maker, "app")
        yield* engine.define("user", user, "app")
        yield* engine.runToEnd({ workflow: "maker" })
        yield* Effect.sync(() => rmSync(join(dataDir, "lake", "one.txt")))

        const gate = Promise.withResolvers<void>()
        everybodyWaits = gate.promise
        const before = process.memoryUsage().rss
        let peak = before
        const watching = Effect.sync(() => {
          peak = Math.max(peak, process.memoryUsage().rss)
        })
        yield* Effect.forkScoped(Effect.repeat(watching, Schedule.spaced("50 millis")))
        const begun = performance.now()
        const ends = yield* Effect.forEach(
          Array.from({ length: waiters }, (_, index) => index),
          () => engine.startRun({ workflow: "user" }),
          { concurrency: startedAtOnce }
        )
        const joining = countOf("recovery", typeOf)
        yield* Effect.repeat(joining, {
          until: (counts) => counts.get("RecoveryWaiterJoined") === waiters,
          schedule: Schedule.spaced("250 millis")
        })
        const waitingSeconds = (performance.now() - begun) / 1_000
        yield* Effect.sync(gate.resolve)
        const statuses = yield* Effect.forEach(ends, ({ run }) => engine.awaitRun(run.id), {
          concurrency: startedAtOnce
        })
        const seconds = (performance.now() - begun) / 1_000
        const succeeded = statuses.filter(({ status }) => status === "succeeded").length
        const recoveryEvents = yield* countOf("recovery", typeOf)
        const triggers = yield* countOf("run", triggerOf)
        const joined = recoveryEvents.get("RecoveryWaiterJoined") ?? 0
        const recoveries = recoveryEvents.get("RecoveryRequested") ?? 0
        const producerRuns = triggers.get("recovery") ?? 0
        const memoryMebibytes = (peak - before) / bytesPerMebibyte
        const exactly = (figure: string, measured: number, target: number) => ({
          ...{ figure, measured, unit: "", target: `= ${target}`, isMet: measured === target }
        })
        const stated = (figure: string, measured: number, unit: string) => ({
          ...{ figure, measured, unit, target: "stated", isMet: true }
        })
        return {
          ...{ waiters, joined, recoveries, producerRuns, succeeded, waitingSeconds, seconds, memoryMebibytes },
          rows: [
            exactly(`recoveries of one asset with ${waiters} waiters`, recoveries, 1),
            exactly("… runs of its producer", producerRuns, 1),
            exactly("… waiters resumed, and their runs ended well", succeeded, waiters),
            stated("… until all of them wait", waitingSeconds, "s"),
            stated("… from the asset's return until all have ended", seconds - waitingSeconds, "s"),
            stated("… memory on top of the idle process", memoryMebibytes, "MiB")
          ]
        }
      })
      return yield* Effect.provide(body, layer(dataDir, { jobs: [make, use] }))
    }).pipe(Effect.timeout(`${waitSecondsMax} seconds`))
  )
