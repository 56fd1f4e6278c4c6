import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestConsole } from "effect/testing"
import type { Seen } from "../../src/cli/DemoClient.ts"
import * as DemoNarrator from "../../src/cli/DemoNarrator.ts"
import * as DemoScreen from "../../src/cli/DemoScreen.ts"
import { expectNumber, expectProducers, tally } from "../../src/cli/DemoTally.ts"

const assetId = "observatory.inbox.csv"
const partitionKey = "2026-01-01T00-02"
const ref = { assetId, partitionKey }
const request = { version: 1, parameters: {}, partitionKey }
const plan = [{ ...ref, class: "recheck", workflow: "observatory-generator", step: "generate", why: "gone" }] as const

/** One loss and its heal, as the log tells it. */
const healed: ReadonlyArray<Seen> = [
  {
    stream: "run-a",
    at: 0,
    event: {
      _tag: "RunRequested",
      runId: "a",
      workflow: "observatory-minute-ingest",
      trigger: { type: "manual" },
      ...request
    }
  },
  { stream: "run-a", at: 1, event: { _tag: "StepStarted", stepId: "normalize-inbox", attempt: 1 } },
  {
    stream: "run-a",
    at: 2,
    event: {
      _tag: "StepFailed",
      stepId: "normalize-inbox",
      attempt: 1,
      final: false,
      failure: { class: "asset_missing", code: "enoent", message: "gone", store: "inbox", key: "b.csv" }
    }
  },
  { stream: "asset-i", at: 3, event: { _tag: "AssetMissingDetected", ...ref, generation: 1, reason: "missing" } },
  {
    stream: "recovery-r",
    at: 4,
    event: { _tag: "RecoveryRequested", recoveryId: "r", ...ref, lostGeneration: 1, round: 1, priority: 100 }
  },
  {
    stream: "run-a",
    at: 5,
    event: {
      _tag: "StepSuspended",
      stepId: "normalize-inbox",
      attempt: 1,
      waitingFor: { type: "recovery", recoveryId: "r", ...ref }
    }
  },
  {
    stream: "recovery-r",
    at: 6,
    event: {
      _tag: "RecoveryPlanned",
      class: "recheck",
      rootCause: { ...ref, why: "gone" },
      plan,
      parents: [],
      maxAttempts: 3,
      attemptTimeoutMs: 1,
      producer: {
        workflow: "observatory-generator",
        version: 1,
        stepId: "generate",
        parameters: {},
        results: {},
        before: []
      }
    }
  },
  {
    stream: "run-p",
    at: 7,
    event: {
      _tag: "RunRequested",
      runId: "p",
      workflow: "observatory-generator",
      trigger: { type: "recovery", recoveryId: "r", ...ref },
      only: ["generate"],
      ...request
    }
  },
  { stream: "run-p", at: 8, event: { _tag: "StepStarted", stepId: "generate", attempt: 1 } },
  { stream: "run-p", at: 9, event: { _tag: "RunSucceeded" } },
  {
    stream: "recovery-r",
    at: 10,
    event: { _tag: "RecoverySucceeded", via: "producer", generation: 2, contentChanged: false }
  },
  {
    stream: "run-a",
    at: 11,
    event: { _tag: "StepResumed", stepId: "normalize-inbox", reason: "recovered", recoveryId: "r" }
  },
  { stream: "run-a", at: 12, event: { _tag: "RunSucceeded" } }
]

describe("the demo counts from the log", () => {
  it("a loss, its recovery, the producer that ran once, and the step that waited", () => {
    const counted = tally(healed)
    assert.deepStrictEqual(counted, {
      runs: 1,
      succeeded: 1,
      losses: 1,
      recoveries: 1,
      healed: 1,
      producers: new Map([["generate", 1]]),
      producerRuns: 1,
      waited: 1,
      waitedForStore: 0,
      healMs: 8
    })
    assert(expectProducers(counted.producers, ["generate"]).held)
  })

  it("a producer that ran twice, that did not run, or that nobody expected as a broken promise", () => {
    const again: Seen = { stream: "run-p", at: 9, event: { _tag: "StepStarted", stepId: "generate", attempt: 2 } }
    const twice = expectProducers(tally([...healed, again]).producers, ["generate"])
    assert.deepStrictEqual(twice, {
      held: false,
      text: "producers ran: generate 2 times, and not each once of generate"
    })
    assert(!expectProducers(tally(healed).producers, ["generate", "normalize-inbox"]).held)
    assert(!expectProducers(tally(healed).producers, []).held)
    assert.deepStrictEqual(expectNumber("losses", 2, 1), { held: false, text: "losses 2, and not 1" })
  })
})

describe("the demo tells", () => {
  it("detection, root cause, plan, producer, waiter and end, each once and in short words", () => {
    const narrator = DemoNarrator.make()
    const lines = healed.flatMap(narrator.tell).map(({ text, word }) => `${word}: ${text}`)
    assert.deepStrictEqual(lines, [
      "run: minute-ingest[00-02] starts",
      "missing: normalize-inbox[00-02]: inbox/b.csv",
      "detected: inbox.csv[00-02] is gone: the store answers, and has it not",
      "waits: normalize-inbox[00-02] for inbox.csv[00-02]; none of its retries is used",
      "cause: inbox.csv[00-02]: gone",
      "plan: 1 of 1: recheck inbox.csv[00-02] by generator/generate",
      "producer: generate of generator[00-02] runs for inbox.csv[00-02]",
      "healed: inbox.csv[00-02] is generation 2, the same bytes as before",
      "resumed: normalize-inbox[00-02], where it stood",
      "done: minute-ingest[00-02] succeeded"
    ])
  })

  it("F59: a run that nobody started by hand with what it answers", () => {
    const trigger = { type: "auto-materialize", reason: "upstream-update", ...ref, coalesced: 1 } as const
    const expiry = { type: "auto-materialize", reason: "expiry", expiry: "ttl", ...ref, coalesced: 1 } as const
    const schedule = { type: "schedule", cron: "* * * * *", occurrence: "2026-01-01T00:03:00Z" } as const
    const lines = [trigger, expiry, schedule].flatMap((each) =>
      DemoNarrator.make()
        .tell({
          stream: "run-b",
          at: 0,
          event: {
            _tag: "RunRequested",
            runId: "b",
            workflow: "observatory-minute-ingest",
            trigger: each,
            ...request
          }
        })
        .map(({ text }) => text)
    )
    assert.deepStrictEqual(lines, [
      "minute-ingest[00-02] starts by itself: inbox.csv[00-02] is new",
      "minute-ingest[00-02] starts by itself: inbox.csv[00-02] has expired",
      "minute-ingest[00-02] starts by its schedule * * * * *"
    ])
  })

  it.effect("in lines of at most 100 columns, whatever the text, and without colours where nobody sees them", () =>
    Effect.gen(function* () {
      const screen = DemoScreen.make({ colours: false })
      yield* screen.heading("An act")
      yield* screen.note("word ".repeat(60))
      yield* screen.line(12_340, { tone: "loss", word: "missing", text: `${"a".repeat(300)} ${"word ".repeat(60)}` })
      yield* screen.table(["act", "runs"], [["quiet", "7"]])
      const lines = (yield* TestConsole.logLines).flatMap((line) => String(line).split("\n"))
      assert(lines.length > 8)
      for (const line of lines) assert(line.length <= 100 && !line.includes("\u001b"), line)
      assert(
        lines.some((line) => line.startsWith("  12.34  missing    aaa")),
        lines.join("\n")
      )
    })
  )
})
