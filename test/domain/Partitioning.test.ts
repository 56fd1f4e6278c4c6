import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { type Definition, parseDefinition } from "../../src/domain/Definition.ts"
import * as Partitioning from "../../src/domain/Partitioning.ts"
import { runPartitionProblems } from "../../src/domain/RunPartition.ts"

const workflow = (...produces: ReadonlyArray<object>): Definition =>
  Result.getOrThrow(parseDefinition({ slug: "orders", steps: [{ id: "load", jobSlug: "load", produces }] }))

const plain = workflow({ assetId: "orders.raw" })
const months = workflow({ assetId: "orders.raw", partitioning: { type: "static", keys: ["2024-01", "2024-02"] } })

const messages = (definition: Definition, partitionKey?: string) =>
  runPartitionProblems(definition, partitionKey, 0).map(({ message, path }) => `${path}: ${message}`)

describe("Partitioning", () => {
  it("needs a partition key only for a workflow that produces a partitioned asset", () => {
    assert.isFalse(Partitioning.needsPartitionKey(plain))
    assert.isTrue(Partitioning.needsPartitionKey(months))
    assert.deepStrictEqual(messages(plain), [])
    assert.deepStrictEqual(messages(plain, "anything"), [])
    assert.deepStrictEqual(messages(months, "2024-02"), [])
    assert.deepStrictEqual(messages(months), [
      "partitionKey: is required: the workflow produces the partitioned asset orders.raw"
    ])
  })

  it("refuses keys that are empty, longer than 200 characters or hold control characters", () => {
    assert.deepStrictEqual(messages(plain, ""), ["partitionKey: must not be empty"])
    assert.deepStrictEqual(messages(plain, "k".repeat(200)), [])
    assert.deepStrictEqual(messages(plain, "k".repeat(201)), [
      "partitionKey: must be at most 200 characters long, not 201"
    ])
    for (const bad of ["a\u0000", "a\nb", "\u007f", "\u0085"]) {
      assert.deepStrictEqual(messages(plain, bad), ["partitionKey: must not contain control characters"])
    }
    assert.deepStrictEqual(messages(plain, "\ud800"), ["partitionKey: must be well-formed Unicode"])
    assert.deepStrictEqual(messages(plain, "Straße 東京 ☂"), [])
  })

  it("lists at most ten of the allowed keys of a static asset, and every asset that refuses", () => {
    const keys = Array.from({ length: 12 }, (_, index) => `k${index}`)
    const both = workflow(
      { assetId: "a", partitioning: { type: "static", keys } },
      { assetId: "b", partitioning: { type: "static", keys: ["x"] } },
      { assetId: "c", partitioning: { type: "static", keys: ["k12"] } }
    )
    const ten = keys.slice(0, 10).map((key) => `"${key}"`)
    assert.deepStrictEqual(messages(both, "k12"), [
      `partitionKey: must be one of ${ten.join(", ")} and 2 more, not "k12": asset a has no other partitions`,
      'partitionKey: must be one of "x", not "k12": asset b has no other partitions'
    ])
  })

  it("gives an asset of a result the run's partition key unless it names its own (F65, T21)", () => {
    assert.strictEqual(Partitioning.resultPartitionKey(undefined, "2024-01"), "2024-01")
    assert.strictEqual(Partitioning.resultPartitionKey("2024-02", "2024-01"), "2024-02")
    assert.strictEqual(Partitioning.resultPartitionKey(undefined, undefined), "")
  })
})
