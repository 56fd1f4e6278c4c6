import { Effect, Layer } from "effect"
import { Engine } from "../src/actors/Engine.ts"
import * as Export from "../src/telemetry/Export.ts"
import { layer, layerLogAlone, temporaryFolder } from "./engine.ts"
import { counters, cpuUs, percentile } from "./measure.ts"
import { defineTrivial, trivial } from "./trivial.ts"

/** Runs until `count` have ended, `inFlight` at a time; ms of each from its start to its end. */
const drive = Effect.fnUntraced(function* (count: number, inFlight: number) {
  const engine = yield* Engine
  const latencies: Array<number> = []
  yield* Effect.forEach(
    Array.from({ length: count }, (_, index) => index),
    () =>
      Effect.gen(function* () {
        const begun = performance.now()
        const ended = yield* engine.runToEnd({ workflow: "bench" })
        if (ended !== "succeeded") return yield* Effect.die(new Error(`a run ${ended}`))
        latencies.push(performance.now() - begun)
      }),
    { concurrency: inFlight, discard: true }
  )
  return latencies
})

/** Three trivial durable steps a run, started in process, with every projection on. */
export const measure = (options: {
  readonly count: number
  readonly inFlight: number
  readonly buckets?: number | "actor"
  /** Without them the log alone is measured. */
  readonly projections?: boolean
  /** What lies below the engine; default: nothing is exported, as a server has it by default. */
  readonly telemetry?: Layer.Layer<never>
}) =>
  Effect.scoped(
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      const { buckets, count, inFlight } = options
      const body = Effect.gen(function* () {
        yield* defineTrivial
        // The first runs compile the code and fill the caches.
        yield* drive(Math.min(count, 2_000), inFlight)
        const before = yield* counters
        const cpuBefore = cpuUs()
        const begun = performance.now()
        const latencies = yield* drive(count, inFlight)
        const seconds = (performance.now() - begun) / 1_000
        const cpu = cpuUs() - cpuBefore
        const after = yield* counters
        return {
          inFlight,
          runsPerSecond: count / seconds,
          p50Ms: percentile(latencies, 0.5),
          p99Ms: percentile(latencies, 0.99),
          cpuUsPerRun: cpu / count,
          commitsPerRun: (after.commits - before.commits) / count,
          walBytesPerRun: (after.walBytes - before.walBytes) / count,
          fullPageImages: after.fullPageImages - before.fullPageImages
        }
      })
      const given = { jobs: [trivial], ...(buckets === undefined ? {} : { buckets }) }
      return yield* Effect.provide(
        body,
        (options.projections === false ? layerLogAlone(dataDir, given) : layer(dataDir, given)).pipe(
          Layer.provide(options.telemetry ?? Export.layer(null))
        )
      )
    })
  )
