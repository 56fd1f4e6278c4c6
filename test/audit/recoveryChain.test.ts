import { rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as RecoveryChain from "../../src/http/RecoveryChain.ts"
import { makeChain } from "../support/chainApp.ts"
import { eventsOf, play, recoveries, succeeded } from "../support/engine.ts"

describe("the chain of a recovery", () => {
  it.live("tells the loss, who noticed and waited, the root cause, what ran and what went on, with positions", () => {
    const chain = makeChain()
    return play(chain, (folder) =>
      Effect.gen(function* () {
        yield* succeeded("acquisition", "p1")
        yield* succeeded("ingest", "p1")
        rmSync(join(folder, "inbox", "raw_p1.csv"))
        rmSync(join(folder, "lake", "cleaned/p1.txt"))
        rmSync(join(folder, "lake", "table/p1.txt"))
        const run = yield* succeeded("publish", "p1")
        const log = yield* EventStore
        const asked = (yield* recoveries).find(({ assetId }) => assetId === "table")!
        const found = yield* RecoveryChain.read(asked.id)

        assert.deepStrictEqual(
          found.recoveries.map(({ assetId }) => assetId),
          ["table", "cleaned", "raw"],
          "the recoveries of missing inputs are followed to the root"
        )
        assert.isTrue(found.isComplete)
        const [table, , raw] = found.recoveries
        assert.deepInclude(table!.lost, { reason: "missing", store: "lake", key: "table/p1.txt" })
        assert.include(table!.lost!.reportedBy, run.id)
        assert.deepInclude(table!.rootCause, { assetId: "raw", partitionKey: "p1" })
        assert.strictEqual(table!.waiterCount, 1)
        const [waiter] = table!.waiters
        assert.deepInclude(waiter, { runId: run.id })
        assert.isTrue(waiter!.suspended!.position < waiter!.resumed!.position)
        assert.strictEqual(waiter!.resumed!.reason, "recovered")
        assert.deepInclude(raw!.attempts[0]!.run, { workflow: "acquisition", status: "succeeded", steps: ["acquire"] })
        assert.deepInclude(table!.outcome, { status: "succeeded", via: "producer", generation: 2 })

        const kinds = found.timeline.filter(({ recoveryId }) => recoveryId === table!.id).map(({ kind }) => kind)
        const order = ["lost", "requested", "planned", "scheduled", "succeeded", "resumed"] as const
        const places = order.map((kind) => kinds.indexOf(kind))
        assert.deepStrictEqual(
          places,
          [...places].sort((left, right) => left - right),
          kinds.join(" ")
        )
        assert.notInclude(places, -1)
        // Every entry is an event of the log at that place.
        for (const { position, stream } of found.timeline) {
          const events = yield* log.read(stream, 0)
          assert.isTrue(
            events.some((event) => event.position === position),
            `${stream} ${position}`
          )
        }
        const positions = found.timeline.map(({ position }) => position)
        assert.deepStrictEqual(positions, [...new Set(positions)].sort())
        assert.deepInclude(yield* Effect.flip(RecoveryChain.read("nope")), { _tag: "NotFound", kind: "recovery" })
        assert.lengthOf(yield* eventsOf("recovery", "RecoverySucceeded"), 3)
      })
    )
  })
})
