import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import * as fc from "fast-check"
import { ObservedRead, Part, Produced, sameContent, UsedInput } from "../../src/domain/Production.ts"

const parts = (...digests: ReadonlyArray<string>) => digests.map((sha256) => ({ sha256 }))

describe("Production", () => {
  it("two sets of parts are the same content when their bytes are, whatever their order", () => {
    const digest = fc.constantFrom("aa", "bb", "cc")
    fc.assert(
      fc.property(fc.array(digest, { maxLength: 4 }), fc.array(digest, { maxLength: 4 }), (left, right) => {
        const equal = JSON.stringify([...left].sort()) === JSON.stringify([...right].sort())
        assert.strictEqual(sameContent(parts(...left), parts(...right)), equal)
        assert.strictEqual(sameContent(parts(...right), parts(...left)), equal)
        assert.isTrue(sameContent(parts(...left), parts(...left.toReversed())))
      })
    )
  })

  it("a part more, less or repeated is other content", () => {
    assert.isFalse(sameContent(parts("aa"), parts("aa", "aa")))
    assert.isFalse(sameContent(parts("aa", "aa", "bb"), parts("aa", "bb", "bb")))
    assert.isTrue(sameContent([], []))
  })

  it("comparing leaves the parts in their order", () => {
    const left = parts("bb", "aa")
    sameContent(left, parts("aa", "bb"))
    assert.deepStrictEqual(left, parts("bb", "aa"))
  })

  it("its stored shapes keep what is optional out, and refuse what is not whole", () => {
    const input = { assetId: "a", partitionKey: "", generation: 1 }
    assert.deepStrictEqual(Schema.decodeUnknownSync(UsedInput)(input), input)
    assert.isTrue(Result.isFailure(Schema.decodeUnknownResult(UsedInput)({ ...input, generation: 1.5 })))
    const part = { store: "s", key: "k", bytes: 1, etag: "e", sha256: "aa", written: false }
    assert.deepStrictEqual(Schema.decodeUnknownSync(Part)(part), part)
    const { written: _, ...unwritten } = part
    assert.isTrue(Result.isFailure(Schema.decodeUnknownResult(Part)(unwritten)))
    const produced = { assetId: "a", partitionKey: "", parts: [part] }
    assert.deepStrictEqual(Schema.decodeUnknownSync(Produced)(produced), produced)
    assert.deepStrictEqual(Schema.decodeUnknownSync(ObservedRead)({ store: "s", key: "k" }), { store: "s", key: "k" })
  })
})
