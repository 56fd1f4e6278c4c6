import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { createHash } from "node:crypto"
import * as Id from "../../src/domain/Id.ts"

/** RFC 4648 base32 the slow way: all bits as text, five at a time. */
const base32 = (bytes: Uint8Array) =>
  [...bytes]
    .map((byte) => byte.toString(2).padStart(8, "0"))
    .join("")
    .match(/.{5}/g)!
    .map((bits) => "abcdefghijklmnopqrstuvwxyz234567"[Number.parseInt(bits, 2)])
    .join("")

describe("Id", () => {
  it("is the first 26 characters of base32 of the SHA-256 of the JSON array of its parts", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.nat())), (parts) => {
        const digest = createHash("sha256").update(JSON.stringify(parts)).digest()
        assert.strictEqual(Id.ofParts(...parts), base32(digest).slice(0, 26))
      })
    )
  })

  it("of other parts is another one: where one part ends is part of it", () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), fc.array(fc.string(), { minLength: 1 }), (left, right) => {
        assert.strictEqual(Id.ofParts(...left) === Id.ofParts(...right), JSON.stringify(left) === JSON.stringify(right))
      })
    )
    assert.notStrictEqual(Id.ofParts("a", "bc"), Id.ofParts("ab", "c"))
    assert.notStrictEqual(Id.ofParts("1"), Id.ofParts(1))
  })

  it("asset ids, partition keys and run keys are compared without case, workflows with it", () => {
    assert.strictEqual(Id.asset("Orders.Raw", "2024-W05"), Id.asset("orders.raw", "2024-w05"))
    assert.strictEqual(Id.recovery("Orders.Raw", "EU", 1), Id.recovery("orders.raw", "eu", 1))
    assert.strictEqual(Id.runKey("orders", "Daily"), Id.runKey("orders", "dAILY"))
    assert.notStrictEqual(Id.runKey("orders", "daily"), Id.runKey("Orders", "daily"))
    // Only A to Z, so that the database compares as we do whatever its locale.
    assert.notStrictEqual(Id.partitionKey("É"), Id.partitionKey("é"))
  })

  it("each lost generation has a recovery of its own (F25, T34)", () => {
    const ids = [0, 1, 2].map((generation) => Id.recovery("orders.raw", "", generation))
    assert.strictEqual(new Set([...ids, Id.asset("orders.raw", "")]).size, 4)
  })

  it("stays what it was: streams already written are found by it", () => {
    assert.strictEqual(Id.asset("orders.raw", ""), "ggvpazago3jmyzv7ab22xtiv7x")
    assert.strictEqual(Id.recovery("orders.raw", "2024-01", 1), "2yvanfvcwhv53p2z5c5an4tkrl")
  })
})
