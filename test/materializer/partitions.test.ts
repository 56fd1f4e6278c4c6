import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { LocationIndex } from "../../src/actors/LocationIndex.ts"
import { idOf } from "../../src/domain/PartitionKeys.ts"
import * as TimeWindow from "../../src/domain/TimeWindow.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import { defineJob } from "../../src/index.ts"
import { appendOf } from "../support/appends.ts"
import { makes, stepFor } from "../support/chainApp.ts"
import { eventsOf, play, ran, recoveries, start, stepOf, succeeded, until } from "../support/engine.ts"

const producing = (job: string, asset: object, consumes: ReadonlyArray<object> = []) => ({
  steps: [{ ...stepFor(job), consumes, produces: [asset] }]
})

/** A job that answers the keys that it was given of an input, in their order. */
const sees = (slug: string, assetId: string, produces?: string) =>
  defineJob({
    slug,
    run: (ctx) => {
      const keys = ctx.inputs[assetId]?.all.map(({ partitionKey }) => partitionKey ?? "") ?? []
      return Promise.resolve({ result: { keys, assets: produces === undefined ? [] : [{ assetId: produces }] } })
    }
  })
const seen = (run: Effect.Success<ReturnType<typeof ran>>, stepId: string) =>
  (stepOf(run, stepId).result as { readonly keys: ReadonlyArray<string> }).keys

const dynamic = (more: object) => ({ type: "dynamic", ...more })
const dayMs = 86_400_000

describe("the keys of a dynamic asset", () => {
  it.live("F64 T20: a run for one key more than maxKeys is refused, naming the field and the limit", () => {
    const workflows = { bases: producing("make-base", { assetId: "base", partitioning: dynamic({ maxKeys: 2 }) }) }
    return play({ jobs: [makes("base")], workflows }, () =>
      Effect.gen(function* () {
        yield* succeeded("bases", "a")
        yield* succeeded("bases", "b")
        yield* succeeded("bases", "A")
        const refused = yield* Effect.flip(start("bases", "c"))
        assert(refused._tag === "InvalidInput")
        assert.deepStrictEqual(refused.problems, [
          {
            path: "partitionKey",
            message:
              "would be one partition more than maxKeys 2: raise maxKeys, or set retentionDays so that old ones expire (asset base)"
          }
        ])
      })
    )
  })

  it.live("T20: a job that reports one key more than maxKeys itself fails for good, and what there is counts", () => {
    const splits = defineJob({
      slug: "split",
      run: (ctx) => {
        const keys = ctx.parameters.keys as ReadonlyArray<string>
        return Promise.resolve({ result: { assets: keys.map((partitionKey) => ({ assetId: "base", partitionKey })) } })
      }
    })
    return play({ jobs: [splits], workflows: { splits: producing("split", { assetId: "base" }) } }, () =>
      Effect.gen(function* () {
        const runs = yield* Engine
        // Produced before anybody limited the keys.
        yield* succeeded("splits", undefined, { keys: ["old"] })
        const limited = producing("split", { assetId: "base", partitioning: dynamic({ maxKeys: 3 }) })
        yield* runs.define("splits", limited, "app")
        yield* succeeded("splits", "a", { keys: ["a", "b"] })
        const { failure } = stepOf(yield* ran("splits", "b", { keys: ["b", "c"] }), "split")
        assert.deepInclude(failure, { class: "permanent", code: "invalid_partition" })
        assert.match(failure?.message ?? "", /^partition "c" of asset base would be one partition more than maxKeys 3/)
        assert.lengthOf(yield* eventsOf("asset", "AssetProduced"), 3)
      })
    )
  })

  it.live("T20: an automatic run for one key more is not started, and says why", () => {
    const derived = { autoMaterialize: { onUpstreamUpdate: true }, partitioning: dynamic({ maxKeys: 1 }) }
    const workflows = {
      bases: producing("make-base", { assetId: "base", partitioning: dynamic({}) }),
      tops: producing("make-top", { assetId: "top", ...derived }, [{ assetId: "base" }])
    }
    return play({ jobs: [makes("base"), makes("top")], workflows }, () =>
      Effect.gen(function* () {
        yield* succeeded("bases", "a")
        yield* until(eventsOf("materialization", "MaterializationEnded"), ({ length }) => length === 1, "run for a")
        yield* succeeded("bases", "b")
        const skipped = eventsOf("materialization", "MaterializationSkipped")
        const [reason] = yield* until(skipped, ({ length }) => length === 1, "refusal for b")
        assert.match(reason!.why as string, /^partitionKey would be one partition more than maxKeys 1/)
      })
    )
  })

  it.live(
    "T20: keys that nothing was produced for longer than retentionDays are no partitions until they are again",
    () => {
      const jobs = [makes("base"), sees("look", "base")]
      const looks = { steps: [{ ...stepFor("look"), consumes: [{ assetId: "base", partitions: "all" }] }] }
      return play({ jobs, workflows: { bases: producing("make-base", { assetId: "base" }), looks } }, () =>
        Effect.gen(function* () {
          const runs = yield* Engine
          const log = yield* EventStore
          const index = yield* LocationIndex
          for (const key of ["old", "older"]) yield* succeeded("bases", key)
          // As it was noted 40 days ago.
          const payload = JSON.stringify({ assetId: "base", keys: ["old", "older"] })
          const recordedAt = Date.now() - 40 * dayMs
          const event = { type: "PartitionKeysTakenOver", payload, recordedAt }
          yield* log.append(appendOf({ streamName: `keys-${idOf("base")}`, events: [event] }))
          const kept = dynamic({ retentionDays: 30, maxKeys: 2 })
          yield* runs.define("bases", producing("make-base", { assetId: "base", partitioning: kept }), "app")
          yield* succeeded("bases", "new")
          yield* until(eventsOf("keys", "PartitionKeysRetired"), ({ length }) => length === 1, "keys that are retired")
          assert.deepStrictEqual(yield* index.partitions("base"), ["new"])
          assert.deepStrictEqual(seen(yield* succeeded("looks"), "look"), ["new"])
          yield* succeeded("bases", "OLD")
          assert.deepStrictEqual(yield* index.partitions("base"), ["new", "old"])
          assert.isTrue(Result.isFailure(yield* Effect.result(start("bases", "older"))), "it counts again")
        })
      )
    }
  )
})

describe("windows of time", () => {
  const zone = "Europe/Berlin"
  const hours = { type: "timeWindow", granularity: "hour", timezone: zone } as const
  // In the order of text the 28th of a month comes before the 30th of the month before it.
  const days = { type: "timeWindow", granularity: "day", timezone: zone, format: "dd.MM.yyyy" } as const
  const keysOf = (day: string) => {
    const window = Result.getOrThrow(TimeWindow.windowOf(days, day))
    return Result.getOrThrow(TimeWindow.windowsBetween(hours, window.start, window.end, 100)).map(({ key }) => key)
  }
  const jobs = [makes("hourly"), sees("sum", "hourly", "daily"), sees("spread", "daily", "spread")]
  const workflows = {
    hourly: producing("make-hourly", { assetId: "hourly", partitioning: hours }),
    daily: producing("sum", { assetId: "daily", partitioning: days }, [{ assetId: "hourly" }]),
    spread: producing("spread", { assetId: "spread", partitioning: hours }, [{ assetId: "daily" }])
  }

  it.live("F64 T19: a day on which clocks are put back needs its 25 hours, each of which is there or made first", () =>
    play({ jobs, workflows }, () =>
      Effect.gen(function* () {
        const keys = keysOf("26.10.2025")
        assert.lengthOf(keys, 25)
        yield* Effect.forEach(keys.slice(4), (key) => succeeded("hourly", key), { concurrency: 5 })
        assert.deepStrictEqual(seen(yield* succeeded("daily", "26.10.2025"), "sum"), keys)
        const made = (yield* recoveries).map(({ partitionKey }) => partitionKey)
        assert.deepStrictEqual(made.sort(), keys.slice(0, 4))
        assert.include(made, "2025-10-26T02")
        assert.include(keys, "2025-10-26T02+01:00")
      })
    )
  )

  it.live("F64 T19: a day on which an hour is skipped needs 23, and an hour needs the day that covers it", () =>
    play({ jobs, workflows }, () =>
      Effect.gen(function* () {
        const keys = keysOf("29.03.2026")
        assert.lengthOf(keys, 23)
        assert.deepStrictEqual(seen(yield* succeeded("daily", "29.03.2026"), "sum"), keys)
        assert.deepStrictEqual(seen(yield* succeeded("spread", "2026-03-29T14"), "spread"), ["29.03.2026"])
      })
    )
  )

  it.live("F64: the newest n windows up to the run's are needed, oldest first", () => {
    const last = producing("sum", { assetId: "daily", partitioning: days }, [
      { assetId: "hourly", partitions: { last: 3 } }
    ])
    return play({ jobs, workflows: { ...workflows, daily: last } }, () =>
      Effect.gen(function* () {
        const run = yield* succeeded("daily", "29.03.2026")
        assert.deepStrictEqual(seen(run, "sum"), ["2026-03-29T21", "2026-03-29T22", "2026-03-29T23"])
      })
    )
  })

  it.live("F65: a run without a key needs everything that there is, and fails by name while there is nothing", () => {
    const whole = producing("spread", { assetId: "spread" }, [{ assetId: "daily" }])
    return play({ jobs, workflows: { ...workflows, spread: whole } }, () =>
      Effect.gen(function* () {
        const { failure } = stepOf(yield* ran("spread"), "spread")
        assert.deepInclude(failure, { class: "permanent", code: "input_undetermined" })
        assert.match(failure?.message ?? "", /needs daily, and no partition of it: nothing of the consumed asset/)
        for (const day of ["01.04.2026", "28.03.2026"]) yield* succeeded("daily", day)
        assert.deepStrictEqual(seen(yield* succeeded("spread"), "spread"), ["28.03.2026", "01.04.2026"])
      })
    )
  })
})
