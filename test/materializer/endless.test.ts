import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { defineJob, type JobContext } from "../../src/index.ts"
import { stepFor } from "../support/chainApp.ts"
import { ended, eventsOf, gate, play, recoveries, start, succeeded, until } from "../support/engine.ts"

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
let nonce = 0

/** A job whose bytes differ from run to run, with time before and after it writes. */
const maker = (assetId: string, beforeMs = 0, afterMs = 0, inputs: (ctx: JobContext) => unknown = () => null) =>
  defineJob({
    slug: `make-${assetId}`,
    run: async (ctx) => {
      await pause(beforeMs)
      const text = JSON.stringify({ nonce: ++nonce, of: inputs(ctx) })
      const location = await ctx.files.writeText("lake", `${assetId}-${ctx.partitionKey ?? "all"}.json`, text)
      await pause(afterMs)
      return { result: { assets: [{ assetId, payload: nonce, locations: [location] }] } }
    }
  })
const making = (assetId: string, produces: object = {}, consumes: ReadonlyArray<object> = []) => ({
  steps: [{ ...stepFor(`make-${assetId}`), consumes, produces: [{ assetId, ...produces }] }]
})
const onUpdate = { autoMaterialize: { onUpstreamUpdate: true } }

const runsOf = (workflow: string) =>
  Effect.map(eventsOf("run", "RunRequested"), (events) => events.filter((event) => event.workflow === workflow))

/** Waits until no run was asked for within a second, and says how many there are of each workflow. */
const settled = Effect.gen(function* () {
  let before = -1
  while (true) {
    const { length } = yield* eventsOf("run", "RunRequested")
    if (length === before) return length
    assert.isBelow(length, 60, "runs without end")
    before = length
    yield* Effect.sleep("1 second")
  }
})

describe("what is made because a step waited for it", () => {
  const day = { partitioning: { type: "timeWindow", granularity: "day" } }
  const daysAgo = (days: number) =>
    Effect.map(Clock.currentTimeMillis, (now) => new Date(now - days * 86_400_000).toISOString().slice(0, 10))
  const rolling = (assetId: string, last: number) =>
    making(assetId, { ...day, ...onUpdate }, [{ assetId: "sales", partitions: { last } }])

  it.live("T31: a rolling window does not go backwards through time: what it asked for does not start it", () =>
    play(
      {
        jobs: [maker("sales"), maker("rolling")],
        workflows: { sales: making("sales", day), rolling: rolling("rolling", 3) }
      },
      () =>
        Effect.gen(function* () {
          const key = yield* daysAgo(3)
          yield* succeeded("sales", key)
          yield* settled
          const partitions = (yield* runsOf("rolling")).map(({ partitionKey }) => partitionKey as string)
          assert.deepStrictEqual([...partitions].sort(), [key, yield* daysAgo(2), yield* daysAgo(1)])
        })
    )
  )

  it.live("T31: nor do two rolling windows that ask for inputs of each other's windows pass the ball for ever", () => {
    const workflows = { sales: making("sales", day), rolling: rolling("rolling", 3), wider: rolling("wider", 4) }
    return play({ jobs: [maker("sales"), maker("rolling"), maker("wider")], workflows }, () =>
      Effect.gen(function* () {
        yield* succeeded("sales", yield* daysAgo(3))
        yield* settled
        const oldest = (yield* runsOf("sales")).map(({ partitionKey }) => partitionKey as string).sort()[0]!
        assert.isTrue(oldest >= (yield* daysAgo(16)), `it reached back to ${oldest}`)
      })
    )
  })

  it.live(
    "T31: a consumer that takes longer than the age it accepts refreshes its input once a run, not for ever",
    () => {
      const workflows = {
        prices: making("prices"),
        quotes: making("quotes", onUpdate, [{ assetId: "prices", maxAgeMs: 200 }])
      }
      return play({ jobs: [maker("prices"), maker("quotes", 300)], workflows }, () =>
        Effect.gen(function* () {
          yield* succeeded("prices")
          yield* until(runsOf("quotes"), ({ length }) => length === 1, "first quote")
          yield* Effect.sleep("300 millis")
          yield* succeeded("quotes")
          yield* settled
          assert.isAtMost((yield* runsOf("quotes")).length, 3)
        })
      )
    }
  )
})

describe("a producer that is under way already", () => {
  const workflows = { base: making("base"), top: making("top", {}, [{ assetId: "base" }]) }

  it.live("is waited for: an input that is made for the first time is not made twice beside itself", () => {
    const door = gate()
    const jobs = [
      defineJob({
        slug: "make-base",
        run: async (ctx) => {
          const location = await ctx.files.writeText("lake", "base.json", String(++nonce))
          await door.pass()
          return { result: { assets: [{ assetId: "base", locations: [location] }] } }
        }
      }),
      maker("top")
    ]
    return play({ jobs, workflows }, () =>
      Effect.gen(function* () {
        const first = yield* start("base")
        yield* until(Effect.sync(door.arrived), (count) => count === 1, "producer in progress")
        const { id } = yield* start("top")
        yield* until(recoveries, ({ length }) => length === 1, "a step that waits")
        yield* Effect.sleep("300 millis")
        door.open()
        assert.strictEqual((yield* ended(first.id)).status, "succeeded")
        assert.strictEqual((yield* ended(id)).status, "succeeded")
        assert.strictEqual((yield* runsOf("base")).length, 1)
        assert.strictEqual((yield* recoveries)[0]!.via, "found")
      })
    )
  })

  it.live("and one that begins beside the heal and writes other bytes fails nobody", () =>
    play({ jobs: [maker("base", 100, 300), maker("top")], workflows }, () =>
      Effect.gen(function* () {
        const { id } = yield* start("top")
        yield* until(runsOf("base"), ({ length }) => length === 1, "producer of the recovery")
        yield* Effect.sleep("150 millis")
        const beside = yield* start("base")
        assert.strictEqual((yield* ended(beside.id)).status, "succeeded")
        assert.strictEqual((yield* ended(id)).status, "succeeded")
        for (const { status } of yield* recoveries) assert.strictEqual(status, "succeeded")
      })
    )
  )

  it.live("T15: an update of both sides of a triangle makes each side without failing any", () => {
    const dynamic = { partitioning: { type: "dynamic" } }
    const triangle = {
      x: making("x", dynamic),
      y: making("y", { ...dynamic, ...onUpdate }, [{ assetId: "x" }]),
      z: making("z", { ...dynamic, ...onUpdate }, [{ assetId: "x" }, { assetId: "y" }])
    }
    return play({ jobs: [maker("x"), maker("y", 100, 100), maker("z")], workflows: triangle }, () =>
      Effect.gen(function* () {
        const keys = ["k1", "k2", "k3", "k4"]
        yield* Effect.forEach(keys, (key) => succeeded("x", key), { concurrency: 4 })
        yield* settled
        const failed = yield* eventsOf("run", "RunFailed")
        assert.deepStrictEqual(failed, [])
        assert.strictEqual((yield* runsOf("y")).length, keys.length, "each once")
        assert.isAtMost((yield* runsOf("z")).length, 2 * keys.length)
      })
    )
  })
})
