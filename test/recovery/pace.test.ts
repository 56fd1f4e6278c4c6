import { renameSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Layer } from "effect"
import { StoreHealth } from "../../src/actors/StoreHealth.ts"
import { Stores } from "../../src/capabilities/Stores.ts"
import { temporaryFolder } from "../support/engine.ts"

describe("who waits for a store", () => {
  it.live("F35: goes on one after another, at the store's own rate; nobody waits while it is ready", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const lake = join(folder, "lake")
        const stores = Stores.layer({ lake: { type: "folder", path: "lake", drainPerSecond: 20 } }, folder)
        const unused = { settleMs: 0, wasUsed: () => Effect.succeed(false), noteUsed: () => Effect.void }
        yield* Effect.gen(function* () {
          const health = yield* StoreHealth
          yield* health.onReady(() => Effect.void)
          const before = yield* Clock.currentTimeMillis
          yield* Effect.forEach(Array(1_000), () => health.awaitReady("lake"))
          assert.isBelow((yield* Clock.currentTimeMillis) - before, 1_000)

          renameSync(lake, `${lake}.away`)
          assert.strictEqual(yield* health.confirmRoot("lake"), "unavailable")
          yield* Effect.forkChild(
            Effect.delay(
              Effect.sync(() => renameSync(`${lake}.away`, lake)),
              "50 millis"
            )
          )
          const wentOn = yield* Effect.forEach(
            Array(25),
            () => Effect.andThen(health.awaitReady("lake"), Clock.currentTimeMillis),
            { concurrency: "unbounded" }
          )
          wentOn.sort((one, other) => one - other)
          for (const at of wentOn) {
            const within = wentOn.filter((other) => other >= at && other < at + 900).length
            assert.isAtMost(within, 20, "no more than the rate within a second")
          }
          assert.strictEqual(wentOn.length, 25)
        }).pipe(Effect.provide(Layer.provide(StoreHealth.layer(unused), stores)))
      })
    )
  )
})
