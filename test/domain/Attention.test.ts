import { assert, describe, it } from "@effect/vitest"
import * as Attention from "../../src/domain/Attention.ts"
import { fold } from "../../src/domain/Decider.ts"
import { given } from "../support/given.ts"

const item = given(Attention.decider)
const id = "finding:orders.raw:missing"
const raise: Attention.Raise = { id, kind: "finding", reasonCode: "missing", message: "it is gone", severity: "error" }
const raised = (count: number, severity: Attention.Severity = "error"): Attention.Event => ({
  ...{ _tag: "AttentionRaised", ...raise, severity, count, at: count }
})
const settled: Attention.Event = { _tag: "AttentionSettled", id, at: 9 }

describe("Attention", () => {
  it("is raised once, however often the same is said", () => {
    item().when({ _tag: "Raise", raise, now: 1 }).then(raised(1))
    item(raised(1)).when({ _tag: "Raise", raise, now: 2 }).then()
  })

  it("says it again when what is wrong changes, and that is no other time", () => {
    const message = "its folder is gone, too"
    item(raised(1))
      .when({ _tag: "Raise", raise: { ...raise, message }, now: 2 })
      .then({ ...raised(1), message, at: 2 } as Attention.Event)
  })

  it("F76: what was settled and comes back counts, and from the third time on it is critical", () => {
    item(raised(1), settled).when({ _tag: "Raise", raise, now: 2 }).then(raised(2))
    item(raised(1), settled, raised(2), settled).when({ _tag: "Raise", raise, now: 3 }).then(raised(3, "critical"))
  })

  it("F76: believes a caller that counts by itself", () => {
    item()
      .when({ _tag: "Raise", raise: { ...raise, count: 3 }, now: 3 })
      .then(raised(3, "critical"))
    item(raised(3, "critical"))
      .when({ _tag: "Raise", raise: { ...raise, count: 3 }, now: 4 })
      .then()
  })

  it("settles what is raised, and nothing else", () => {
    item(raised(1)).when({ _tag: "Settle", id, now: 9 }).then(settled)
    item().when({ _tag: "Settle", id, now: 9 }).then()
    item(raised(1), settled).when({ _tag: "Settle", id, now: 10 }).then()
  })

  it("F78: is muted with a reason and until when, and unmuted", () => {
    const mute = { _tag: "Mute", id, reason: "known", until: 99 } as const
    const muted: Attention.Event = { _tag: "AttentionMuted", id, reason: "known", until: 99, at: 5 }
    item(raised(1))
      .when({ ...mute, now: 5 })
      .then(muted)
    item(raised(1), muted)
      .when({ ...mute, now: 6 })
      .then()
    item(raised(1), muted).when({ _tag: "Unmute", id, now: 7 }).then({ _tag: "AttentionUnmuted", id, at: 7 })
    item(raised(1)).when({ _tag: "Unmute", id, now: 7 }).then()
    assert.deepStrictEqual(fold(Attention.decider, Attention.initial, [raised(1), muted]).muted, {
      reason: "known",
      until: 99
    })
  })
})
