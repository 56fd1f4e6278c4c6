import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { diff } from "../../src/domain/JsonDiff.ts"

describe("the difference of two JSON values", () => {
  it("names each place, what was there and what is there now", () => {
    const before = { rows: [{ id: 1 }, { id: 2 }], unit: "kg", "odd key": null }
    const after = { rows: [{ id: 1, ok: true }], unit: "t", "odd key": null, more: [] }
    assert.deepStrictEqual(diff(before, after), {
      differences: [
        { path: "rows[0].ok", op: "added", after: true },
        { path: "rows[1]", op: "removed", before: { id: 2 } },
        { path: "unit", op: "changed", before: "kg", after: "t" },
        { path: "more", op: "added", after: [] }
      ],
      truncated: false
    })
  })

  it("tells null from absent, a list from an object, and looks at own keys only", () => {
    assert.deepStrictEqual(diff(null, undefined).differences, [{ path: "", op: "removed", before: null }])
    assert.deepStrictEqual(diff([], {}).differences, [{ path: "", op: "changed", before: [], after: {} }])
    assert.deepStrictEqual(diff({}, { toString: 1 }).differences, [{ path: "toString", op: "added", after: 1 }])
  })

  it("lists 1,000 places, and says when there are more", () => {
    const { differences, truncated } = diff(
      [],
      Array.from({ length: 1_001 }, () => 1)
    )
    assert.deepStrictEqual([differences.length, truncated], [1_000, true])
    assert.isFalse(
      diff(
        [],
        Array.from({ length: 1_000 }, () => 1)
      ).truncated
    )
  })

  it.prop("is empty for equal values only", [Schema.Json, Schema.Json], ([before, after]) => {
    assert.lengthOf(diff(before, JSON.parse(JSON.stringify(before))).differences, 0)
    const same = diff(JSON.parse(JSON.stringify(before)), JSON.parse(JSON.stringify(after))).differences.length === 0
    if (same) assert.deepEqual(JSON.parse(JSON.stringify(before)), JSON.parse(JSON.stringify(after)))
  })
})
