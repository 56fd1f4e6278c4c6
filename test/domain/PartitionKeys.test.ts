import { assert, describe, it } from "@effect/vitest"
import { HashMap, Result, Schema } from "effect"
import * as fc from "fast-check"
import { snapshot } from "../../src/actors/PartitionKeysActor.ts"
import { fold } from "../../src/domain/Decider.ts"
import * as PartitionKeys from "../../src/domain/PartitionKeys.ts"

const dayMs = 86_400_000
const at = (day: number, ms = 0) => day * dayMs + ms

const admit = (partitionKey: string, now: number, more: { maxKeys?: number; retentionDays?: number } = {}) => ({
  _tag: "Admit" as const,
  assetId: "store.orders",
  partitionKey,
  maxKeys: more.maxKeys,
  retentionDays: more.retentionDays,
  now
})

/** The state after the commands, and the events of the last; a refused one changes nothing. */
const play = (...commands: ReadonlyArray<PartitionKeys.Command>) => {
  let state = PartitionKeys.initial
  let last: ReadonlyArray<PartitionKeys.Event> | "refused" = []
  for (const command of commands) {
    const decided = PartitionKeys.decide(command, state)
    last = Result.isSuccess(decided) ? decided.success : "refused"
    if (last !== "refused") state = fold(PartitionKeys.decider, state, last)
  }
  return { state, last, keys: [...HashMap.values(state.keys)].map(({ key }) => key).sort() }
}
const tags = (events: ReadonlyArray<PartitionKeys.Event> | "refused") =>
  events === "refused" ? events : events.map(({ _tag }) => _tag)

describe("the keys of a dynamic asset", () => {
  it("F64 T20: are admitted up to maxKeys; one that is there is admitted again, in whatever case", () => {
    const limit = { maxKeys: 2 }
    const two = [admit("a", at(1), limit), admit("b", at(1), limit)]
    assert.strictEqual(play(...two, admit("c", at(1), limit)).last, "refused")
    assert.deepStrictEqual(play(...two, admit("B", at(2), limit)).keys, ["a", "b"])
    assert.deepStrictEqual(play(...two, admit("c", at(1), { maxKeys: 3 })).keys, ["a", "b", "c"])
  })

  it("T20: are noted at most once a day each", () => {
    assert.deepStrictEqual(play(admit("a", at(1)), admit("a", at(1, dayMs - 1))).last, [])
    assert.deepStrictEqual(tags(play(admit("a", at(1)), admit("a", at(2))).last), ["PartitionKeyAdmitted"])
  })

  it("T20: are retired when retentionDays are over since the day of their last production, never earlier", () => {
    const kept = { retentionDays: 30 }
    const past = [admit("a", at(1, 5), kept), admit("b", at(10), kept), admit("a", at(3, dayMs - 1), kept)]
    assert.strictEqual(PartitionKeys.retiresAt(play(...past).state), at(34))
    const retire = (now: number) => ({ _tag: "Retire" as const, retentionDays: 30, now })
    assert.deepStrictEqual(play(...past, retire(at(34) - 1)).last, [])
    const over = play(...past, retire(at(34)))
    assert.deepStrictEqual(over.last, [
      { _tag: "PartitionKeysRetired", assetId: "store.orders", keys: ["a"], at: at(34) }
    ])
    assert.deepStrictEqual(over.keys, ["b"])
    assert.strictEqual(PartitionKeys.retiresAt(over.state), at(41))
  })

  it("T20: make room when their time is over, whether or not it was noticed", () => {
    const limits = { maxKeys: 1, retentionDays: 1 }
    const late = play(admit("a", at(1), limits), admit("b", at(3), limits))
    assert.deepStrictEqual(tags(late.last), ["PartitionKeysRetired", "PartitionKeyAdmitted"])
    assert.deepStrictEqual(late.keys, ["b"])
    assert.strictEqual(play(admit("a", at(1), limits), admit("b", at(3) - 1, limits)).last, "refused")
  })

  it("T20: outlive a retention that was made longer or taken away before their time came", () => {
    const before = [admit("a", at(1), { retentionDays: 2 })]
    const longer = play(...before, { _tag: "Retire", retentionDays: 20, now: at(4) })
    assert.deepStrictEqual(tags(longer.last), ["PartitionRetentionSet"])
    assert.strictEqual(PartitionKeys.retiresAt(longer.state), at(22))
    const none = play(...before, { _tag: "Retire", retentionDays: undefined, now: at(4) })
    assert.isNull(PartitionKeys.retiresAt(none.state))
    assert.deepStrictEqual(none.keys, ["a"])
  })

  it("T20: count what was produced before they were counted, in events of bounded size", () => {
    const takenOver = Array.from({ length: 2_500 }, (_, index) => `k${index}`)
    const first = { ...admit("k7", at(1), { maxKeys: 2_500 }), takenOver }
    const { keys, last } = play(first)
    assert.lengthOf(keys, 2_500)
    assert.lengthOf(tags(last) as ReadonlyArray<string>, 4)
    assert.strictEqual(play(first, admit("new", at(1), { maxKeys: 2_500 })).last, "refused")
  })

  it("come back from a snapshot as they were, and never are more than maxKeys", () => {
    const encode = Schema.encodeSync(snapshot.schema)
    const decode = Schema.decodeSync(snapshot.schema)
    const limits = { maxKeys: 4, retentionDays: 3 }
    const commands = fc.array(fc.tuple(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 0, max: 3 })), {
      maxLength: 40
    })
    fc.assert(
      fc.property(commands, (steps) => {
        let day = 0
        const given = steps.map(([key, days]) => {
          day += days
          return admit(`k${key}`, at(day), limits)
        })
        const { keys, state } = play(...given)
        assert.isAtMost(keys.length, 4)
        const restored = decode(encode(state))
        assert.deepStrictEqual([...restored.days].sort(), [...state.days].sort())
        assert.strictEqual(PartitionKeys.retiresAt(restored), PartitionKeys.retiresAt(state))
        assert.strictEqual(encode(restored), encode(state))
      })
    )
  })
})
