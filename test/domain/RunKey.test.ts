import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import * as Decider from "../../src/domain/Decider.ts"
import * as RunKey from "../../src/domain/RunKey.ts"
import { given } from "../support/given.ts"

const runKey = given(RunKey.decider)

const start = { workflow: "orders" }
const claim = (runId: string): RunKey.Command => ({ _tag: "Claim", runId, start, now: 100 })
const confirm = (runId: string): RunKey.Command => ({ _tag: "Confirm", runId, now: 100 })
const ended = (runId: string): RunKey.Command => ({ _tag: "RunEnded", runId, now: 100 })

const claimed = (runId: string): RunKey.Event => ({ _tag: "RunKeyClaimed", runId, start, at: 100 })
const confirmed = (runId: string): RunKey.Event => ({ _tag: "RunKeyConfirmed", runId, at: 100 })
const released = (runId: string): RunKey.Event => ({ _tag: "RunKeyReleased", runId, at: 100 })
const conflict = (runId: string): RunKey.Event => ({ _tag: "RunKeyConflictCounted", runId, at: 100 })

describe("RunKey", () => {
  it("gives the key to the first claim and keeps what starts the run (F51)", () => {
    runKey().when(claim("r1")).then(claimed("r1"))
    const state = Decider.fold(RunKey.decider, RunKey.initial, [claimed("r1")])
    assert.deepStrictEqual(state.active, { runId: "r1", start, confirmed: false })
  })

  it("counts a claim of another run while one is active, and leaves the key where it is (F51)", () => {
    runKey(claimed("r1")).when(claim("r2")).then(conflict("r1"))
    const state = Decider.fold(RunKey.decider, RunKey.initial, [claimed("r1"), conflict("r1")])
    assert.strictEqual(state.active?.runId, "r1")
    assert.strictEqual(state.conflicts, 1)
  })

  it("answers the run that ended for as long as the claim's window, and counts it (F51)", () => {
    const past = [claimed("r1"), confirmed("r1"), released("r1")]
    const within = { _tag: "Claim", runId: "r2", start, now: 100, windowMs: 1 } as const
    runKey(...past)
      .when(within)
      .then(conflict("r1"))
    runKey(...past)
      .when({ ...within, windowMs: 0 })
      .then(claimed("r2"))
    const state = Decider.fold(RunKey.decider, RunKey.initial, past)
    const at = within.now
    assert.strictEqual(RunKey.holder(state, "r2", at, 1), "r1")
    assert.strictEqual(RunKey.holder(state, "r2", at + 1, 1), "r2", "the window has passed")
    assert.strictEqual(RunKey.holder(state, "r1", at, 1), "r1")
  })

  it("changes nothing when a claim is repeated, also after its run has ended", () => {
    runKey(claimed("r1")).when(claim("r1")).then()
    runKey(claimed("r1"), released("r1")).when(claim("r1")).then()
  })

  it("confirms once, and only the run that has the key", () => {
    runKey(claimed("r1")).when(confirm("r1")).then(confirmed("r1"))
    runKey(claimed("r1"), confirmed("r1")).when(confirm("r1")).then()
    runKey(claimed("r1")).when(confirm("r2")).then()
    runKey().when(confirm("r1")).then()
  })

  it("is free for another run when the one that has it ends, confirmed or not", () => {
    runKey(claimed("r1"), confirmed("r1")).when(ended("r1")).then(released("r1"))
    runKey(claimed("r1")).when(ended("r1")).then(released("r1"))
    runKey(claimed("r1")).when(ended("r2")).then()
    runKey(claimed("r1"), released("r1")).when(ended("r1")).then()
    runKey(claimed("r1"), released("r1")).when(claim("r2")).then(claimed("r2"))
  })

  it("has at most one active run, and gives the key to no run twice", () => {
    const command = fc
      .tuple(fc.constantFrom(claim, confirm, ended), fc.constantFrom("r1", "r2", "r3", "r4"))
      .map(([make, runId]) => make(runId))
    fc.assert(
      fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
        let state = RunKey.initial
        const active = new Set<string>()
        const ever = new Set<string>()
        for (const next of commands) {
          const events = Result.getOrThrow(RunKey.decide(next, state))
          for (const event of events) {
            if (event._tag === "RunKeyClaimed") {
              assert(!ever.has(event.runId), `${event.runId} has had the key`)
              ever.add(event.runId)
              active.add(event.runId)
            }
            if (event._tag === "RunKeyReleased") active.delete(event.runId)
          }
          state = Decider.fold(RunKey.decider, state, events)
          assert(active.size <= 1, `active: ${[...active].join(", ")}`)
          assert.deepStrictEqual([...active], state.active === null ? [] : [state.active.runId])
          // Repeating a command at once has nothing left to do, but for the count of conflicts.
          const again = Result.getOrThrow(RunKey.decide(next, state))
          assert(again.every(({ _tag }) => _tag === "RunKeyConflictCounted"))
        }
      })
    )
  })
})
