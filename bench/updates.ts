import { Clock, Effect, Fiber, Schedule } from "effect"
import { Engine } from "../src/actors/Engine.ts"
import * as Actors from "../src/actors/Actors.ts"
import { parseDefinition } from "../src/domain/Definition.ts"
import * as Id from "../src/domain/Id.ts"
import { updateCycles } from "../src/domain/UpdateCycles.ts"
import { build } from "../src/domain/UpdateRoutes.ts"
import { EventStore, type Position, type RecordedEvent } from "../src/eventstore/EventStore.ts"
import { LogFollower } from "../src/eventstore/LogFollower.ts"
import { defineJob } from "../src/index.ts"
import { layer, temporaryFolder } from "./engine.ts"
import { percentile } from "./measure.ts"

const workflows = 1_000
const partitions = Array.from({ length: 100 }, (_, index) => `p${index}`)
const perSecond = 100

const partitioning = { type: "static", keys: partitions }
const dependant = (index: number) => ({
  steps: [
    {
      id: "derive",
      jobSlug: "derive",
      consumes: [{ assetId: `up.${index}` }],
      produces: [{ assetId: `down.${index}`, partitioning, autoMaterialize: { onUpstreamUpdate: true } }]
    }
  ]
})
const derive = defineJob({
  slug: "derive",
  run: (ctx) => ({ result: { assets: [{ assetId: ctx.workflowSlug.replace("dependant-", "down."), payload: 1 }] } })
})

/** Every event of these types, oldest first. */
const eventsOf = Effect.fnUntraced(function* (types: ReadonlyArray<string>) {
  const log = yield* EventStore
  const found: Array<RecordedEvent> = []
  let after: Position | null = null
  while (true) {
    const page: Effect.Success<ReturnType<typeof log.readAll>> = yield* log.readAll({ after, limit: 10_000, types })
    found.push(...page.events)
    if (page.events.length === 0) return found
    after = page.next
  }
})

const field = (event: RecordedEvent, name: string): unknown =>
  (JSON.parse(event.payload) as Record<string, unknown>)[name]

/** One production of an upstream partition, as a run of another program would have it recorded. */
const produce = Effect.fnUntraced(function* (assetId: string, partitionKey: string, number: number) {
  const assets = yield* Actors.asset.client
  yield* assets.execute(Id.asset(assetId, partitionKey), {
    ...{ _tag: "Produce", assetId, partitionKey, workflow: "elsewhere", version: 1, stepId: "s", attempt: 1 },
    ...{ runId: `bench-${number}`, parameters: {}, inputs: [], reads: [], parts: [], payload: number }
  })
})

/** From a production to the beginning of its dependant's run, at a steady rate; ms by the log's own times. */
const latency = (seconds: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      const body = Effect.gen(function* () {
        const engine = yield* Engine
        yield* Effect.forEach(
          Array.from({ length: workflows }, (_, index) => index),
          (index) => engine.define(`dependant-${index}`, dependant(index), "app"),
          { concurrency: 64, discard: true }
        )
        // The floor: another reader of the log notes when it is given the same productions.
        const follower = yield* LogFollower
        const seen: Array<number> = []
        yield* Effect.forkScoped(
          follower.follow({
            name: "bench_floor",
            types: ["AssetProduced"],
            begin: "now",
            handle: (events) =>
              Effect.map(Clock.currentTimeMillis, (now) => {
                for (const event of events)
                  if (field(event, "workflow") === "elsewhere") seen.push(now - event.recordedAt)
              })
          })
        )
        yield* Effect.sleep("500 millis")
        const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
        const count = seconds * perSecond
        for (let number = 0; number < count; number++) {
          // Every pair once, far apart: no two productions of one dependant within the measurement.
          const assetId = `up.${(number * 7) % workflows}`
          const partitionKey = partitions[Math.floor(number / workflows) % partitions.length]!
          fibers.push(yield* Effect.forkChild(produce(assetId, partitionKey, number)))
          yield* Effect.sleep(`${1_000 / perSecond} millis`)
        }
        yield* Effect.forEach(fibers, Fiber.await, { discard: true })
        const ended = Effect.map(eventsOf(["RunSucceeded"]), ({ length }) => length)
        yield* Effect.repeat(ended, {
          until: (length) => length >= count,
          schedule: Schedule.spaced("250 millis")
        }).pipe(Effect.timeout("60 seconds"))
        const produced = new Map<string, number>()
        for (const event of yield* eventsOf(["AssetProduced"])) {
          if (field(event, "workflow") === "elsewhere") produced.set(field(event, "runId") as string, event.recordedAt)
        }
        const upstreamOf = new Map<string, number>()
        for (const event of yield* eventsOf(["RunRequested"])) {
          const { upstream } = field(event, "trigger") as { readonly upstream: { readonly runId: string } }
          upstreamOf.set(event.streamName, produced.get(upstream.runId)!)
        }
        const delays = (yield* eventsOf(["StepStarted"])).map(
          ({ recordedAt, streamName }) => recordedAt - upstreamOf.get(streamName)!
        )
        return { delays, seen, count }
      })
      const { count, delays, seen } = yield* Effect.provide(body, layer(dataDir, { jobs: [derive] }))
      return {
        ...{ count, started: delays.length, p50Ms: percentile(delays, 0.5), p99Ms: percentile(delays, 0.99) },
        floor: { p50Ms: percentile(seen, 0.5), p99Ms: percentile(seen, 0.99) }
      }
    })
  )

/** Building the graph of 10,000 declarations; ms. */
const rebuild = Effect.sync(() => {
  const definitions = Array.from({ length: 10_000 }, (_, index) => {
    const parsed = parseDefinition(dependant(index), `dependant-${index}`)
    if (parsed._tag === "Failure") throw new Error(parsed.failure.message)
    return parsed.success
  })
  const begun = performance.now()
  const { cyclicInputs } = updateCycles(definitions)
  const { size } = build(definitions, () => cyclicInputs.length > 0)
  return { ms: performance.now() - begun, declarations: size }
})

const bursting = {
  steps: [
    {
      id: "derive",
      jobSlug: "slow",
      consumes: [{ assetId: "burst" }],
      produces: [
        {
          assetId: "calm",
          partitioning: { type: "static", keys: partitions.slice(0, 50) },
          autoMaterialize: { onUpstreamUpdate: true }
        }
      ]
    }
  ]
}

/** 10,000 productions over 50 partitions while each dependant takes a second. */
const burst = (productions: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      const inUse = new Set<string>()
      let overlaps = 0
      const newest = new Map<string, number>()
      const slow = defineJob({
        slug: "slow",
        run: async (ctx) => {
          const key = ctx.partitionKey ?? ""
          if (inUse.has(key)) overlaps++
          inUse.add(key)
          const payload = ctx.inputs.burst!.payload as number
          await new Promise((resolve) => setTimeout(resolve, 1_000))
          inUse.delete(key)
          newest.set(key, payload)
          return { result: { assets: [{ assetId: "calm", payload }] } }
        }
      })
      const body = Effect.gen(function* () {
        const engine = yield* Engine
        yield* engine.define("bursting", bursting, "app")
        const last = new Map<string, number>()
        const begun = performance.now()
        yield* Effect.forEach(
          Array.from({ length: productions }, (_, index) => index),
          (index) => {
            const key = partitions[index % 50]!
            last.set(key, index)
            return produce("burst", key, index)
          },
          { concurrency: 50, discard: true }
        )
        const seconds = (performance.now() - begun) / 1_000
        const isFresh = Effect.sync(() => [...last].filter(([key, number]) => newest.get(key) !== number).length)
        yield* Effect.repeat(isFresh, { until: (stale) => stale === 0, schedule: Schedule.spaced("100 millis") }).pipe(
          Effect.timeout("120 seconds")
        )
        const runs = new Map<string, number>()
        for (const event of yield* eventsOf(["RunRequested"])) {
          const key = field(event, "partitionKey") as string
          runs.set(key, (runs.get(key) ?? 0) + 1)
        }
        return { seconds, runsMax: Math.max(...runs.values()), overlaps }
      })
      return yield* Effect.provide(body, layer(dataDir, { jobs: [slow] }))
    })
  )

/** Automatic runs: how soon they start, what the graph costs, what a burst comes to. */
export const measure = Effect.fnUntraced(function* (options: { readonly quick: boolean }) {
  const started = yield* latency(options.quick ? 5 : 10)
  const graph = yield* rebuild
  const burstOf = yield* burst(10_000)
  const atMost = (figure: string, measured: number, unit: string, target: number, floor?: number) => ({
    ...{ figure, measured, unit, target: `≤ ${target}`, isMet: measured <= target },
    ...(floor === undefined ? {} : { floor })
  })
  return {
    ...{ started, graph, burst: burstOf },
    rows: [
      atMost("production to its dependant's start, 100/s, p50", started.p50Ms, "ms", 20, started.floor.p50Ms),
      atMost("… p99", started.p99Ms, "ms", 100, started.floor.p99Ms),
      atMost("graph of 10,000 declarations", graph.ms, "ms", 1_000),
      atMost("burst of 10,000: most runs of one partition", burstOf.runsMax, "runs", Math.ceil(burstOf.seconds) + 2),
      atMost("… runs of one partition at the same time, beyond one", burstOf.overlaps, "runs", 0)
    ]
  }
})
