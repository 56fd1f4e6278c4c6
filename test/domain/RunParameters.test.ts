import { assert, describe, it } from "@effect/vitest"
import type { Partitioning } from "../../src/domain/Definition.ts"
import { merge, windowOf } from "../../src/domain/RunParameters.ts"

const days: Partitioning = { type: "timeWindow", granularity: "day", timezone: "Europe/Berlin" }

describe("RunParameters", () => {
  it("lays defaults, policy, the partition's, the window and the run's over each other, and shows sources (F68)", () => {
    const window = windowOf(days, "2026-03-29")
    const { parameters, sources } = merge({
      defaults: { a: 1, b: 1, c: 1, d: 1 },
      policy: { b: 2, c: 2, d: 2 },
      partition: { c: 3, d: 3, window: "stored" },
      window,
      run: { d: 4, e: null }
    })
    assert.deepStrictEqual(parameters, { a: 1, b: 2, c: 3, d: 4, e: null, window: { ...window } })
    assert.deepStrictEqual(sources, {
      a: "defaults",
      b: "policy",
      c: "partition",
      d: "run",
      e: "run",
      window: "window"
    })
  })

  it("lets the run's own window stand, and replaces values whole (F68)", () => {
    const merged = merge({
      defaults: { limits: { low: 1, high: 2 } },
      window: windowOf(days, "2026-03-29"),
      run: { window: "mine", limits: { low: 0 } }
    })
    assert.deepStrictEqual(merged, {
      parameters: { limits: { low: 0 }, window: "mine" },
      sources: { limits: "run", window: "run" }
    })
  })

  it("leaves out the layers that a run does not have", () => {
    assert.deepStrictEqual(merge({ defaults: { a: 1 } }), { parameters: { a: 1 }, sources: { a: "defaults" } })
  })

  it("derives the window of a time window partition, in UTC, 23 hours where clocks change (F64, F68)", () => {
    assert.deepStrictEqual(windowOf(days, "2026-03-29"), {
      key: "2026-03-29",
      start: "2026-03-28T23:00:00.000Z",
      end: "2026-03-29T22:00:00.000Z",
      timezone: "Europe/Berlin"
    })
  })

  it("derives none for any other partitioning, and none of a key that is no window", () => {
    assert.strictEqual(windowOf(undefined, "2026-03-29"), undefined)
    assert.strictEqual(windowOf({ type: "static", keys: ["2026-03-29"] }, "2026-03-29"), undefined)
    assert.strictEqual(windowOf(days, undefined), undefined)
    assert.strictEqual(windowOf(days, "eu"), undefined)
  })
})
