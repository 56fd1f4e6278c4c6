import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { decider, type Unstamped } from "../../src/domain/bulk/BulkDecide.ts"
import { demands, wakeAt } from "../../src/domain/bulk/BulkDemand.ts"
import type { Event, ItemResult } from "../../src/domain/bulk/BulkEvents.ts"
import { batchMax, initial, type State } from "../../src/domain/bulk/BulkState.ts"
import { view } from "../../src/domain/bulk/BulkView.ts"
import { fold } from "../../src/domain/Decider.ts"

const done: ItemResult = { outcome: "done" }
const watched: ItemResult = { outcome: "done", watched: true }
const skipped: ItemResult = { outcome: "skipped", code: "illegal_transition", message: "the status is succeeded" }
const failed: ItemResult = { outcome: "failed", code: "internal_error", message: "broken" }

/** A bulk operation in memory on the items i0, i1, i2 … */
const bulk = (count: number, canary = 0) => {
  const ids = Array.from({ length: count }, (_, index) => `i${index}`)
  let events: ReadonlyArray<Event> = []
  const state = (): State => fold(decider, initial, events)
  const decide = (command: Unstamped) => decider.decide({ ...command, now: events.length + 1 }, state())
  const tell = (command: Unstamped): ReadonlyArray<string> => {
    const decided = decide(command)
    if (Result.isFailure(decided)) throw new Error(`refused: ${decided.failure._tag}`)
    events = [...events, ...decided.success]
    return decided.success.map(({ _tag }) => _tag.replace("Bulk", ""))
  }
  tell({
    ...{ _tag: "Request", bulkId: "b1", target: "runs", action: "retry", filter: { status: "failed" }, ids },
    ...{ more: false, canary, ratePerSecond: 20, reason: "the table is back", principal: "ann" }
  })
  const end = (from: number, ...results: ReadonlyArray<ItemResult>) => tell({ _tag: "EndItems", from, results })
  const batchOf = () => demands(state()).flatMap((demand) => (demand._tag === "Tell" ? demand.ids : []))
  const watching = () => demands(state()).flatMap((demand) => (demand._tag === "Watch" ? [demand.itemId] : []))
  return {
    batchOf,
    decide,
    end,
    events: () => events,
    shown: () => view(state(), events.length),
    state,
    tell,
    watching
  }
}

describe("a bulk operation", () => {
  it("F52: tells its items in batches, in order, each once, and counts what each came to", () => {
    const { batchOf, end, shown, state } = bulk(batchMax + 2)
    assert.lengthOf(batchOf(), batchMax)
    assert.isNotNull(wakeAt(state(), 0))
    assert.deepStrictEqual(end(0, ...Array.from({ length: batchMax }, () => done)), ["ItemsDone"])
    assert.deepStrictEqual(end(0, done), [], "told twice")
    assert.deepStrictEqual(batchOf(), [`i${batchMax}`, `i${batchMax + 1}`])
    assert.deepStrictEqual(end(batchMax, skipped, done), ["ItemsDone", "Ended"])
    assert.deepInclude(shown(), { status: "succeeded", done: batchMax + 1, skipped: 1, failed: 0, waiting: 0 })
    assert.deepStrictEqual(shown().undone, [
      { id: `i${batchMax}`, outcome: "skipped", code: "illegal_transition", message: "the status is succeeded" }
    ])
    assert.isNull(wakeAt(state(), 0))
    assert.deepStrictEqual(demands(state()), [])
  })

  it("F52: an item that could not be told fails it, and the others have their turn", () => {
    const { end, shown } = bulk(2)
    assert.deepStrictEqual(end(0, failed, done), ["ItemsDone", "Ended"])
    assert.deepInclude(shown(), { status: "failed", done: 1, failed: 1, failedCanary: null })
  })

  it("F52: of what matches nothing is over at once", () => {
    assert.deepInclude(bulk(0).shown(), { status: "succeeded", total: 0 })
  })

  it("F52: canaries go first; the rest begins when as many have ended well", () => {
    const { batchOf, end, shown, tell, watching } = bulk(5, 2)
    assert.deepStrictEqual(batchOf(), ["i0", "i1"])
    end(0, watched, skipped)
    assert.deepStrictEqual(batchOf(), ["i2"], "what is skipped is no canary")
    end(2, watched)
    assert.deepStrictEqual([batchOf(), watching()], [[], ["i0", "i2"]])
    tell({ _tag: "EndCanary", itemId: "i2", ended: "succeeded" })
    assert.deepStrictEqual(batchOf(), [])
    tell({ _tag: "EndCanary", itemId: "i0", ended: "succeeded" })
    assert.deepStrictEqual(tell({ _tag: "EndCanary", itemId: "i0", ended: "failed" }), [], "told twice")
    assert.deepStrictEqual(batchOf(), ["i3", "i4"])
    assert.deepStrictEqual(end(3, done, done), ["ItemsDone", "Ended"])
    assert.deepInclude(shown(), { status: "succeeded", done: 4, skipped: 1 })
  })

  it("F52: a canary that fails ends it, and says which; the rest never began", () => {
    for (const ended of ["failed", "canceled"] as const) {
      const { batchOf, end, shown, tell } = bulk(5, 1)
      end(0, watched)
      assert.deepStrictEqual(tell({ _tag: "EndCanary", itemId: "i0", ended, message: "no such table" }), [
        "CanaryEnded",
        "Ended"
      ])
      assert.deepStrictEqual(batchOf(), [])
      assert.deepInclude(shown(), { status: "failed", done: 1, waiting: 4 })
      assert.deepStrictEqual(shown().failedCanary, { id: "i0", message: "no such table" })
    }
    const broken = bulk(3, 1)
    assert.deepStrictEqual(broken.end(0, failed), ["ItemsDone", "Ended"])
    assert.deepInclude(broken.shown(), { status: "failed", waiting: 2 })
  })

  it("F52: for an action that begins nothing a canary has passed when it was told", () => {
    const { batchOf, end } = bulk(4, 1)
    end(0, done)
    assert.deepStrictEqual(batchOf(), ["i1", "i2", "i3"])
  })

  it("F52: canceled, it finishes what is under way, counts it, and begins nothing more", () => {
    const { batchOf, decide, end, shown, tell } = bulk(batchMax + 5)
    assert.deepStrictEqual(tell({ _tag: "Cancel", reason: "wrong workflow" }), ["Canceled"])
    assert.lengthOf(batchOf(), batchMax)
    const again = decide({ _tag: "Cancel", reason: "" })
    assert.deepInclude(Result.isFailure(again) ? again.failure : {}, { command: "cancel", status: "canceling" })
    assert.deepStrictEqual(end(0, ...Array.from({ length: batchMax }, () => done)), ["ItemsDone", "Ended"])
    assert.deepInclude(shown(), { status: "canceled", done: batchMax, waiting: 5, stopReason: "wrong workflow" })
    const waiting = bulk(3, 1)
    waiting.end(0, watched)
    assert.deepStrictEqual(waiting.tell({ _tag: "Cancel", reason: "" }), ["Canceled", "Ended"])
    assert.deepStrictEqual(waiting.watching(), [])
  })

  it("nobody's is unknown, and asking twice asks once", () => {
    const decided = decider.decide({ _tag: "Cancel", reason: "", now: 1 }, initial)
    assert.strictEqual(Result.isFailure(decided) ? decided.failure._tag : "", "UnknownBulk")
    const { events, tell } = bulk(1)
    const [request] = events()
    assert.deepInclude(request, { total: 1, principal: "ann", reason: "the table is back" })
    const again: Unstamped = {
      ...{ _tag: "Request", bulkId: "b1", target: "runs", action: "cancel", filter: {}, ids: ["x"], more: true },
      ...{ canary: 0, ratePerSecond: 1, reason: "other" }
    }
    assert.deepStrictEqual(tell(again), [])
  })
})
