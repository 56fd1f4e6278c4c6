import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as DefinitionCheck from "../../src/domain/DefinitionCheck.ts"

const faults = (definition: object): ReadonlyArray<string> => {
  const parsed = DefinitionCheck.parse({ slug: "orders", ...definition }, () => true)
  return Result.isSuccess(parsed) ? [] : parsed.failure.problems.map(({ message, path }) => `${path}: ${message}`)
}

const making = (...partitionings: ReadonlyArray<object>) => ({
  steps: [
    {
      id: "load",
      jobSlug: "load",
      produces: partitionings.map((partitioning, index) => ({ assetId: `asset-${index}`, partitioning }))
    }
  ]
})
const consuming = (consumed: object) => ({
  steps: [{ id: "load", jobSlug: "load", consumes: [{ assetId: "raw", ...consumed }] }]
})
const hours = { type: "timeWindow", granularity: "hour" }
const days = { type: "timeWindow", granularity: "day" }
const listed = (...keys: ReadonlyArray<string>) => ({ type: "static", keys })

describe("the partitions of a definition", () => {
  it("F64 F87: a format that names two windows alike is refused at its path", () => {
    const [fault, ...more] = faults(making({ ...hours, format: "yyyy-MM-dd" }))
    assert.match(fault ?? "", /^steps\[0\]\.produces\[0\]\.partitioning\.format: /)
    assert.deepStrictEqual(more, [])
    assert.deepStrictEqual(faults(making({ ...hours, format: "yyyyMMddHH" })), [])
  })

  it("F64: a partitionKey that nothing would look at is refused", () => {
    assert.deepStrictEqual(faults(consuming({ partitionKey: "2024", partitions: { last: 3 } })), [
      'steps[0].consumes[0].partitionKey: is only for partitions: "same"; {"last":3} says which partitions by itself'
    ])
    for (const partitionKey of ["{{ run.partitionKey }}", "{{run.partitionKey}}", "{{  run.partitionKey}}"]) {
      assert.deepStrictEqual(faults(consuming({ partitionKey, partitions: "all" })), [], partitionKey)
    }
  })

  it("T18: a schedule on a day that never comes is refused", () => {
    const [fault] = faults({ ...making(days), schedule: { cron: "0 0 30 2 *" } })
    assert.strictEqual(fault, 'schedule: cron "0 0 30 2 *" names a day that never comes')
    assert.deepStrictEqual(faults({ ...making(days), schedule: { cron: "0 0 * * *" } }), [])
  })

  it("F87: a schedule of a workflow with dynamic partitions is refused: no clock knows their keys", () => {
    const [fault] = faults({ ...making({ type: "dynamic" }), schedule: { cron: "0 0 * * *" } })
    assert.match(fault ?? "", /^schedule: is not possible: asset asset-0 \(steps\[0\]\.produces\[0\]\.partitioning\)/)
  })

  it("F64: partitioned assets that no run key satisfies together are refused, each by name", () => {
    for (const [one, other, why] of [
      [days, hours, /"2026-03-30" must name an hour/],
      [listed("a", "b"), listed("c"), /no key is in both lists/],
      [days, listed("north"), /none of its keys names one of those windows/],
      [listed("north"), days, /none of those keys names one of its windows/]
    ] as const) {
      const [fault, ...more] = faults(making(one, other))
      assert.match(fault ?? "", /^steps\[0\]\.produces\[1\]\.partitioning: of asset asset-1 .* asset asset-0: /)
      assert.match(fault ?? "", why)
      assert.deepStrictEqual(more, [])
    }
    assert.lengthOf(faults(making(listed("a", "b"), listed("b", "c"), listed("c", "a"))), 1)
    const together = [
      [days, { ...days, timezone: "Europe/Berlin" }],
      [listed("a", "B"), listed("b")],
      [days, listed("2026-01-01", "later")],
      [{ type: "dynamic" }, days],
      [{ type: "dynamic" }, listed("a")]
    ]
    for (const accepted of together) assert.deepStrictEqual(faults(making(...accepted)), [])
  })

  it("F54 F87: no freshness of 0 ms, and no age of 0 ms", () => {
    const freshness = { ttlMs: 0, cadenceMs: 0, maxAgeMs: 0 }
    const step = {
      id: "a",
      jobSlug: "a",
      produces: [{ assetId: "x", freshness }],
      consumes: [{ assetId: "y", maxAgeMs: 0 }]
    }
    const at = "steps[0].produces[0].freshness"
    const range = "must be a whole number from 1 to 315360000000"
    assert.deepStrictEqual(faults({ steps: [step] }), [
      `${at}.ttlMs: ${range}`,
      `${at}.cadenceMs: ${range}`,
      `${at}.maxAgeMs: ${range}`,
      `steps[0].consumes[0].maxAgeMs: ${range}`
    ])
  })
})
