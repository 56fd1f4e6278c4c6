import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Id from "../../src/domain/Id.ts"
import { ReasonCode } from "../../src/domain/recovery/RecoveryEvents.ts"
import { Attention } from "../../src/projections/Attention.ts"
import * as AttentionQuery from "../../src/projections/AttentionQuery.ts"
import { ProjectionRunner } from "../../src/projections/ProjectionRunner.ts"
import { database, emptied, TestLog, type Written } from "./support.ts"

const withLog = <A, E, R>(log: TestLog, test: Effect.Effect<A, E, R>) =>
  Effect.andThen(emptied, test.pipe(Effect.provide(ProjectionRunner.layer([Attention]).pipe(Layer.provide(log.layer)))))

/** Appends, and answers the list once it knows. */
const after = Effect.fnUntraced(function* (log: TestLog, ...events: ReadonlyArray<Written>) {
  const runner = yield* ProjectionRunner
  const position = log.append(...events)
  yield* log.hint
  yield* runner.waitFor(position)
  return (yield* AttentionQuery.list({}, {})).data
})

const ids = (items: ReadonlyArray<AttentionQuery.AttentionItem>) => items.map(({ id }) => id)

const requested = (runId: string, trigger: object = { type: "manual" }, more: object = {}): Written => ({
  stream: `run-${runId}`,
  type: "RunRequested",
  data: { runId, workflow: "orders", version: 1, parameters: { day: 1 }, trigger, ...more },
  at: 1_000
})
const run = (runId: string, type: string, data: object = {}, at = 2_000): Written => ({
  ...{ stream: `run-${runId}`, type, data, at }
})
const failure = { class: "permanent", code: "bad_input", message: "no such column" }
const failed = (runId: string, more: object = {}, at = 2_000) =>
  run(runId, "RunFailed", { stepId: "load", failure: { ...failure, ...more } }, at)

const recovery = (recoveryId: string, type: string, data: object, at = 3_000): Written => ({
  ...{ stream: `recovery-${recoveryId}`, type, data, at }
})
const asked = (recoveryId: string, assetId: string, round = 1) =>
  recovery(recoveryId, "RecoveryRequested", {
    ...{ recoveryId, assetId, partitionKey: "", lostGeneration: 1, round, priority: 100 }
  })
const lost = (recoveryId: string, reasonCode: string, rootCause = { assetId: "raw", partitionKey: "", why: "gone" }) =>
  recovery(recoveryId, "RecoveryFailed", {
    ...{ reasonCode, rootCause, failure: { class: "asset_missing", code: reasonCode, message: "it cannot be made" } }
  })
const raised = (id: string, count: number, severity: string): Written => ({
  stream: `attention-${Id.ofParts("attention", id)}`,
  type: "AttentionRaised",
  data: { id, kind: "finding", reasonCode: "missing", message: "gone again", severity, assetId: "raw", count },
  at: 4_000
})

layer(database, { timeout: 120_000, excludeTestServices: true })("the attention list", (it) => {
  it.effect("F48: a failed run is on it with its reason and what to do, and is gone when it was recovered", () => {
    const log = new TestLog()
    return withLog(
      log,
      Effect.gen(function* () {
        const [item, ...others] = yield* after(log, requested("r1"), failed("r1"))
        assert.deepStrictEqual(others, [])
        assert.deepInclude(item, {
          ...{ id: "run:r1", kind: "run", severity: "error", reasonCode: "bad_input", message: "no such column" },
          ...{ since: "1970-01-01T00:00:02.000Z", count: 1, workflow: "orders", runId: "r1", stepId: "load" }
        })
        assert.strictEqual(item!.action.command, "kintsugi recover run r1")
        assert.deepStrictEqual(item!.action.request, { method: "POST", path: "/api/v1/runs/r1/recover" })
        assert.deepStrictEqual(yield* after(log, run("r1", "RunRecovered", { kept: [], rerun: ["load"] })), [])
        assert.deepStrictEqual(ids(yield* after(log, failed("r1"))), ["run:r1"])
        assert.deepStrictEqual(yield* after(log, run("r1", "StepStarted", { stepId: "load", attempt: 3 })), [])
        assert.deepStrictEqual(yield* after(log, run("r1", "RunSucceeded")), [])
      })
    )
  })

  it.effect("F76: a run that fails again after each recover is critical from the third time on", () => {
    const log = new TestLog()
    return withLog(
      log,
      Effect.gen(function* () {
        const recovered = run("r1", "RunRecovered", { kept: [], rerun: ["load"] })
        yield* after(log, requested("r1"), failed("r1"), recovered, failed("r1"))
        const [item] = yield* after(log, recovered, failed("r1"))
        assert.deepInclude(item, { count: 3, severity: "critical" })
      })
    )
  })

  it.effect(
    "a later success of the same workflow, partition and parameters takes a failed run off, and no other",
    () => {
      const log = new TestLog()
      return withLog(
        log,
        Effect.gen(function* () {
          const other = { parameters: { day: 2 } }
          yield* after(log, requested("r1"), failed("r1"), requested("r2", { type: "manual" }, other), failed("r2"))
          const part = requested("r3", { type: "manual" }, { only: ["load"] })
          assert.lengthOf(yield* after(log, part, run("r3", "RunSucceeded")), 2)
          assert.deepStrictEqual(ids(yield* after(log, requested("r4"), run("r4", "RunSucceeded"))), ["run:r2"])
        })
      )
    }
  )

  it.effect("runs that a recovery or an update started are looked after by those", () => {
    const log = new TestLog()
    return withLog(
      log,
      Effect.gen(function* () {
        const trigger = { type: "recovery", recoveryId: "x", assetId: "raw", partitionKey: "" }
        const automatic = { type: "auto-materialize", reason: "expiry", assetId: "raw", coalesced: 1 }
        const events = [requested("r1", trigger), failed("r1"), requested("r2", automatic), failed("r2")]
        assert.deepStrictEqual(yield* after(log, ...events), [])
        const ended = (failures: number, retries: boolean, outcome = "failed"): Written => ({
          ...{ stream: "materialization-m", type: "MaterializationEnded", at: 5_000 },
          data: { runId: "r2", reason: "expiry", outcome, failure, failures, retries }
        })
        assert.deepStrictEqual(yield* after(log, ended(4, true)), [])
        const [item] = yield* after(log, requested("r2b", automatic), failed("r2b"), {
          ...ended(5, false),
          data: { runId: "r2b", reason: "expiry", outcome: "failed", failure, failures: 5, retries: false }
        })
        assert.deepInclude(item, {
          ...{ id: "materialization:m", kind: "materialization", reasonCode: "automatic_failures", count: 5 },
          ...{ workflow: "orders", message: "5 automatic runs in a row have failed: no such column" }
        })
        assert.deepStrictEqual(yield* after(log, ended(0, false, "succeeded")), [])
      })
    )
  })

  it.effect(
    "F22: a recovery that cannot succeed is on it once, with the ancestor and a suggestion of its reason",
    () => {
      const log = new TestLog()
      return withLog(
        log,
        Effect.gen(function* () {
          const texts = new Set<string>()
          for (const code of ReasonCode.literals) {
            const items = yield* after(log, asked(`rec-${code}`, `asset.${code}`), lost(`rec-${code}`, code))
            const item = items.find(({ id }) => id === `recovery:rec-${code}`)
            if (code === "canceled") {
              assert.isUndefined(item, "who cancels a recovery knows of it")
              continue
            }
            assert.deepStrictEqual(item!.rootCause, { assetId: "raw", partitionKey: null, why: "gone" })
            assert.strictEqual(item!.severity, "warning", "the other asset has an entry of its own")
            assert.strictEqual(item!.action.command, `kintsugi recover recovery rec-${code}`)
            texts.add(item!.action.text)
          }
          assert.strictEqual(texts.size, ReasonCode.literals.length - 1, "each reason has a suggestion of its own")
        })
      )
    }
  )

  it.effect("a failed recovery is gone when it is opened again, and when the asset is made by somebody else", () => {
    const log = new TestLog()
    return withLog(
      log,
      Effect.gen(function* () {
        const produced = { stream: `asset-${Id.asset("raw", "")}`, type: "AssetProduced", data: {}, at: 6_000 }
        const own = lost("x", "budget_exhausted")
        const [item] = yield* after(log, asked("x", "raw"), own)
        assert.deepInclude(item, { severity: "error", count: 1, assetId: "raw", recoveryId: "x" })
        assert.deepStrictEqual(yield* after(log, asked("x", "raw", 2)), [])
        assert.deepInclude((yield* after(log, own))[0], { count: 2 })
        const [first, second] = yield* after(
          log,
          requested("r1"),
          failed("r1", { asset: { assetId: "RAW", partitionKey: "" } })
        )
        assert.deepInclude(
          [first, second].find((found) => found!.kind === "run"),
          {
            ...{ recoveryId: "x", rootCause: { assetId: "raw", partitionKey: null, why: "gone" } }
          }
        )
        assert.deepStrictEqual(ids(yield* after(log, produced)), ["run:r1"])
      })
    )
  })

  it.effect(
    "a step that waits for a store for too long is a warning, until the last such step of the run goes on",
    () => {
      const log = new TestLog()
      return withLog(
        log,
        Effect.gen(function* () {
          const waits = (stepId: string, at: number) =>
            run("r1", "RunAttentionRaised", { stepId, reason: "store lake is unavailable" }, at)
          const resumed = (stepId: string) => run("r1", "StepResumed", { stepId, reason: "store" })
          const [item] = yield* after(log, requested("r1"), waits("a", 2_000), waits("b", 3_000))
          assert.deepInclude(item, { id: "run:r1", severity: "warning", reasonCode: "waiting_for_store", count: 1 })
          assert.strictEqual(item!.since, "1970-01-01T00:00:02.000Z")
          assert.deepInclude((yield* after(log, resumed("a")))[0], { id: "run:r1", stepId: "b" })
          assert.deepStrictEqual(yield* after(log, resumed("b")), [])
        })
      )
    }
  )

  it.effect("F78: what is muted is left out until then, keeps who said why, and can be asked for", () => {
    const log = new TestLog()
    return withLog(
      log,
      Effect.gen(function* () {
        const id = "finding:raw:missing"
        const stream = `attention-${Id.ofParts("attention", id)}`
        const mute = (until: number): Written => ({
          ...{ stream, type: "AttentionMuted", at: 5_000, data: { id, reason: "known", until } }
        })
        assert.deepInclude((yield* after(log, raised(id, 3, "critical")))[0], { id, count: 3, severity: "critical" })
        const far = Date.parse("2999-01-01T00:00:00.000Z")
        assert.deepStrictEqual(yield* after(log, mute(far)), [])
        const asked = yield* AttentionQuery.list({ muted: "true" }, {})
        assert.deepStrictEqual(asked.data[0]!.muted, { until: "2999-01-01T00:00:00.000Z", reason: "known", by: null })
        assert.deepStrictEqual(ids(yield* after(log, mute(6_000))), [id], "a time that is past mutes nothing")
        yield* after(log, mute(far))
        assert.deepStrictEqual(ids(yield* after(log, { stream, type: "AttentionUnmuted", at: 7_000, data: { id } })), [
          id
        ])
        assert.deepStrictEqual(yield* after(log, { stream, type: "AttentionSettled", at: 8_000, data: { id } }), [])
      })
    )
  })

  it.effect("is read page by page, each entry once, and by filter", () => {
    const log = new TestLog()
    return withLog(
      log,
      Effect.gen(function* () {
        const runs = Array.from({ length: 7 }, (_, index) => `r${index}`)
        yield* after(
          log,
          ...runs.flatMap((id, index) => [
            requested(id, { type: "manual" }, { parameters: { id } }),
            failed(id, {}, 2_000 + (index >> 1))
          ])
        )
        yield* after(log, asked("x", "raw"), lost("x", "no_producer"))
        const seen: Array<string> = []
        let cursor: string | undefined
        do {
          const page = yield* AttentionQuery.list({ kind: "run" }, { limit: 2, cursor })
          seen.push(...ids(page.data))
          cursor = page.nextCursor ?? undefined
        } while (cursor !== undefined)
        assert.deepStrictEqual(
          seen,
          [6, 5, 4, 3, 2, 1, 0].map((index) => `run:r${index}`)
        )
        const filtered = (filter: AttentionQuery.AttentionFilter) =>
          Effect.map(AttentionQuery.list(filter, {}), ({ data }) => ids(data))
        assert.deepStrictEqual(yield* filtered({ assetId: "RAW" }), ["recovery:x"])
        assert.deepStrictEqual(yield* filtered({ reasonCode: "no_producer" }), ["recovery:x"])
        assert.lengthOf(yield* filtered({ workflow: "orders" }), 7)
        assert.lengthOf(yield* filtered({ severity: "critical" }), 0)
      })
    )
  })
})
