import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as ObjectKey from "../../src/capabilities/ObjectKey.ts"
import * as PartitionFile from "../../src/capabilities/PartitionFile.ts"

describe("a partition's object key", () => {
  it("is readable, and stays inside its data set whatever the partition key is", () => {
    const keys: ReadonlyArray<readonly [string, string]> = [
      ["2024-01", "timestore/readings/2024-01.parquet"],
      ["", "timestore/readings/.parquet"],
      ["..", "timestore/readings/...parquet"],
      ["../../x", "timestore/readings/..%2F..%2Fx.parquet"],
      ["a b%", "timestore/readings/a%20b%25.parquet"]
    ]
    for (const [partitionKey, key] of keys) {
      assert.strictEqual(PartitionFile.keyOf("readings", partitionKey), key)
      assert.strictEqual(PartitionFile.fault("readings", partitionKey), null)
    }
  })

  it.prop("leads back to the partition key, and fits a file system", [Schema.String], ([partitionKey]) => {
    if (PartitionFile.fault("readings", partitionKey) !== null) return
    const key = PartitionFile.keyOf("readings", partitionKey)
    assert.strictEqual(PartitionFile.partitionKeyOf("readings", key), partitionKey)
    assert.strictEqual(ObjectKey.fault(key), null)
    for (const segment of key.split("/")) assert(segment.length <= 255)
  })

  it("takes the longest partition key of plain characters in folders, and refuses what no store takes", () => {
    const long = "x/".repeat(100)
    const key = PartitionFile.keyOf("readings", long)
    for (const segment of key.split("/")) assert(segment.length <= 255)
    assert.strictEqual(PartitionFile.partitionKeyOf("readings", key), long)
    assert.match(PartitionFile.fault("readings", "日".repeat(200)) ?? "", /bytes/)
  })

  it("of another data set, or of nobody, has no partition key", () => {
    for (const key of ["timestore/other/x.parquet", "timestore/readings/x.csv", "timestore/readings/%zz.parquet"]) {
      assert.strictEqual(PartitionFile.partitionKeyOf("readings", key), null)
    }
    assert.strictEqual(PartitionFile.partitionKeyOf("readings", "timestore/readings/a/b.parquet"), null)
  })
})
