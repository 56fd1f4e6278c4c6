import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import * as LimitedStore from "../../src/capabilities/LimitedStore.ts"
import type { ObjectStore } from "../../src/capabilities/ObjectStore.ts"

describe("a store with a limit of its own", () => {
  it.effect("F34: no more operations go on at once than its concurrency says, and a probe is not one of them", () =>
    Effect.gen(function* () {
      const open = yield* Deferred.make<void>()
      let active = 0
      let most = 0
      const operation = Effect.suspend(() => {
        active++
        most = Math.max(most, active)
        return Effect.ensuring(
          Deferred.await(open),
          Effect.sync(() => {
            active--
          })
        )
      })
      const driver: ObjectStore = {
        name: "lake",
        type: "folder",
        readBytes: () => Effect.as(operation, new Uint8Array(new ArrayBuffer(0))),
        write: (key) => Effect.as(operation, { store: "lake", key, bytes: 0, etag: "", sha256: "" }),
        stat: (key) => Effect.as(operation, { key, bytes: 0, etag: "" }),
        list: () => Effect.as(operation, []),
        delete: () => operation,
        copy: (_, key) => Effect.as(operation, { key, bytes: 0, etag: "" }),
        probe: Effect.succeed({ status: "ready" }),
        ensureMarker: Effect.void
      }
      const store = LimitedStore.make(driver, 3)
      const all = [
        ...[store.readBytes("a"), store.write("a", new Uint8Array()), store.stat("a")],
        ...[store.list("", 1), store.delete("a"), store.copy("a", "b")]
      ]
      const fibers = yield* Effect.forEach(all, (each) => Effect.forkChild(each, { startImmediately: true }))
      assert.strictEqual(active, 3)
      assert.deepStrictEqual(yield* store.probe, { status: "ready" })
      yield* Deferred.succeed(open, undefined)
      yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual([most, active], [3, 0])
    })
  )
})
