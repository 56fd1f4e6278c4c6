import { assert, describe, it } from "@effect/vitest"
import { partitionsOf } from "../../src/domain/PartitionSet.ts"
import { compare, make } from "../../src/projections/DeclaredPartitions.ts"

const hours = { type: "timeWindow", granularity: "hour", timezone: "Europe/Berlin", lookbackWindows: 30 } as const
const hourMs = 3_600_000
/** Three hours before the clocks go back. */
const begin = Date.UTC(2024, 9, 26, 22)

describe("the declared partitions of an asset", () => {
  it("F64: are the windows of the lookback as time goes on, also over a change of the clocks, and the upcoming one", () => {
    const declaredOf = make()
    for (const after of [0, 0.5, 1, 2, 3, 4, 40, 41, 500, 499]) {
      const now = begin + after * hourMs
      const { keys, upcoming } = partitionsOf(hours, new Map(), now)
      const declared = declaredOf(hours, now)
      assert.sameMembers([...declared.keyOf.values()], [...keys, upcoming!], `after ${after} hours`)
      assert.strictEqual(declared.upcoming, upcoming)
      assert.deepStrictEqual(
        declared.ids,
        [...declared.ids].sort((left, right) => compare(right, left))
      )
    }
  })

  it("without a lookback are the current window and the next", () => {
    const { lookbackWindows: _, ...spec } = hours
    assert.lengthOf(make()(spec, begin).ids, 2)
  })

  it("are ordered as the database orders them, by the bytes of UTF-8", () => {
    const keys = ["b", "\u{1f600}", "\uffee", "a", "ab"]
    assert.deepStrictEqual([...keys].sort(compare), ["a", "ab", "b", "\uffee", "\u{1f600}"])
  })
})
