import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { Slots } from "../../src/actors/Slots.ts"

describe("the execution slots of a process that stops", () => {
  it.live("go to nobody once they are closed, neither freed nor handed over", () =>
    Effect.gen(function* () {
      const slots = yield* Slots
      yield* slots.acquire("a", 100)
      yield* slots.acquire("b", 100)
      const granted: Array<string> = []
      const asked = yield* Effect.forEach(["c", "d"], (runId) =>
        Effect.forkChild(Effect.tap(slots.acquire(runId, 200), () => Effect.sync(() => granted.push(runId))))
      )
      yield* Effect.sleep("5 millis")
      assert.strictEqual(slots.stats().waiting, 2)
      slots.close()
      slots.release()
      slots.handOver("b", 100)
      const late = yield* Effect.forkChild(slots.acquire("b", 1))
      yield* Effect.sleep("5 millis")
      slots.unpin("b")
      assert.deepStrictEqual(granted, [])
      assert.strictEqual(slots.stats().executing, 0)
      assert.isFalse(slots.promise("b"))
      assert.isUndefined(late.pollUnsafe())
      yield* Fiber.interruptAll([...asked, late])
    }).pipe(Effect.provide(Slots.layer(2)))
  )
})
