import { assert, describe, it } from "@effect/vitest"
import { AssetMissing, isJobFailure, PermanentFailure, StoreUnavailable, TransientFailure } from "../../src/index.ts"

describe("the failures that a job may throw", () => {
  it("are errors whose message says what is missing", () => {
    assert.strictEqual(new AssetMissing({ assetId: "orders.raw" }).message, "asset orders.raw is missing")
    assert.strictEqual(
      new AssetMissing({ assetId: "orders.raw", partitionKey: "2024-01", store: "inbox", key: "a.csv" }).message,
      "asset orders.raw[2024-01] is missing (key a.csv of store inbox)"
    )
    assert.strictEqual(
      new AssetMissing({ store: "inbox", key: "a.csv" }).message,
      "key a.csv of store inbox is missing"
    )
    assert.strictEqual(new AssetMissing().message, "an asset is missing")
    assert.strictEqual(new StoreUnavailable({ store: "inbox" }).message, "store inbox is unavailable")
    assert.strictEqual(new TransientFailure({ message: "busy" }).message, "busy")
    assert.strictEqual(new PermanentFailure("bad input").message, "bad input")
    assert.instanceOf(new PermanentFailure({ message: "x" }), Error)
  })

  it("keep their cause", () => {
    const cause = new Error("ECONNREFUSED")
    assert.strictEqual(new StoreUnavailable({ store: "inbox", cause }).cause, cause)
    assert.isFalse("cause" in new TransientFailure("x"))
  })

  it("are recognized by their brand, also from another copy of the module", async () => {
    const copy: typeof import("../../src/sdk/JobFailure.ts") = await import(
      "../../src/sdk/JobFailure.ts?copy" as string
    )
    assert.notStrictEqual(copy.AssetMissing, AssetMissing)
    const foreign = new copy.AssetMissing({ assetId: "a" })
    assert.isFalse(foreign instanceof AssetMissing)
    assert.isTrue(isJobFailure(foreign))
    assert.isTrue(isJobFailure(new TransientFailure("x")))
  })

  it("are not mistaken for something that only looks like one", () => {
    assert.isFalse(isJobFailure({ _tag: "AssetMissing" }))
    assert.isFalse(isJobFailure(Object.assign(new Error("x"), { _tag: "TransientFailure" })))
    assert.isFalse(isJobFailure(null))
    assert.isFalse(isJobFailure("AssetMissing"))
  })
})
