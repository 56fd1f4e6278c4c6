import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Event, type Stored } from "../../src/domain/recovery/RecoveryEvents.ts"
import * as EventCodec from "../../src/eventstore/EventCodec.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import { appendOf } from "../support/appends.ts"
import { eventsOf, history, until } from "../support/engine.ts"
import { send } from "../http/Harness.ts"
import { bulk, dataOf, is, post, read, runs, served, world } from "./server.ts"

const reason = "the table is back"

const codec = EventCodec.make(Event, {})
const asset = { assetId: "lost", partitionKey: "" }
const gone: Stored = {
  ...{ _tag: "RecoveryFailed", reasonCode: "no_producer" },
  failure: { class: "asset_missing", code: "no_producer", message: "nobody makes it", asset }
}

/** A recovery of an asset that nobody makes, with these events after its request. */
const recoveryOf = Effect.fnUntraced(function* (id: string, after: ReadonlyArray<Stored> = [gone]) {
  const log = yield* EventStore
  const requested: Stored = {
    ...{ _tag: "RecoveryRequested", recoveryId: id, ...asset, lostGeneration: 1, round: 1, priority: 100 }
  }
  const events = [requested, ...after].map((event) => codec.encode(event))
  yield* log.append(appendOf({ streamName: `recovery-${id}`, events }))
})

describe("/bulk", () => {
  it.live(
    "F52: a dry run says what would be done and does nothing; the request does it, and says what was skipped",
    () =>
      served(
        Effect.gen(function* () {
          const failed = yield* runs("w", 3, "failed")
          yield* runs("other", 1, "failed")
          world.broken = false
          const [fine] = yield* runs("w", 1, "succeeded")
          const body = { action: "retry", filter: { workflow: "w", status: "failed" }, reason }
          const plan = yield* post("bulk", { ...body, dryRun: true, limit: 2 })
          assert.strictEqual(plan.status, 200, plan.text)
          const newest = [...failed].reverse()
          assert.deepStrictEqual(dataOf(plan) as unknown, {
            ...{ target: "runs", action: "retry", total: 2, more: true, wouldDo: 2, wouldSkip: 0 },
            ...{ ids: newest.slice(0, 2), skipped: [] }
          })
          const wrong = yield* post("bulk", { ...body, filter: { workflow: "w", status: "succeeded" }, dryRun: true })
          assert.deepInclude(dataOf(wrong), { wouldDo: 0, wouldSkip: 1, ids: [] })
          assert.deepStrictEqual(dataOf(wrong).skipped, [
            { id: fine, code: "illegal_transition", message: "retry is not possible: the status is succeeded" }
          ])
          assert.lengthOf(yield* eventsOf("run", "RunRecovered"), 0)

          const key = { "idempotency-key": "once" }
          const asked = yield* post("bulk", body, key)
          assert.strictEqual(asked.status, 202, asked.text)
          assert.isString(asked.json.position)
          const { id } = dataOf(asked)
          const done = yield* is(`bulk/${id}`, "succeeded")
          assert.deepInclude(done, {
            total: 3,
            done: 3,
            skipped: 0,
            failed: 0,
            reason,
            principal: "admin",
            more: false
          })
          for (const run of failed) yield* is(`runs/${run}`, "succeeded")
          assert.strictEqual(dataOf(yield* post("bulk", body, key)).id, id)
          assert.strictEqual((yield* post("bulk", { ...body, canary: 1 }, key)).json.code, "idempotency_key_reused")
          const before = yield* send("GET", `/api/v1/bulk/${id}?at=${String(asked.json.position)}`)
          assert.deepInclude(dataOf(before), { status: "running", done: 0 })

          const told = (yield* history).filter(({ type }) => type === "RunRecovered")
          assert.lengthOf(told, 3)
          for (const { metadata } of told) {
            assert.deepInclude(metadata, { principal: "admin", reason, correlationId: `bulk-${id}` })
          }
          const { json } = yield* send("GET", `/api/v1/runs/${failed[0]}/events`)
          const shown = json.data as ReadonlyArray<{ type: string; metadata: { reason: string | null } }>
          assert.strictEqual(shown.find(({ type }) => type === "RunRecovered")?.metadata.reason, reason)
        })
      )
  )

  it.live(
    "F52: each action on runs does what the single command does, and leaves alone what it cannot be done to",
    () =>
      served(
        Effect.gen(function* () {
          const failed = yield* runs("w", 2, "failed")
          Object.assign(world, { broken: false, slow: true })
          const slow = yield* runs("w", 2, "running")
          const filter = { workflow: "w" }
          assert.deepInclude(yield* bulk({ action: "pause", filter, reason }), { total: 2, done: 2 })
          for (const id of slow) assert.isTrue((yield* read(`runs/${id}`)).paused)
          assert.deepInclude(yield* bulk({ action: "resume", filter, reason }), { total: 2, done: 2 })
          assert.deepInclude(yield* bulk({ action: "cancel", filter, reason }), { total: 2, done: 2 })
          for (const id of slow) yield* is(`runs/${id}`, "canceled")
          const canceled = yield* eventsOf(`run-${slow[0]}`, "RunCanceled")
          assert.strictEqual(canceled[0]?.reason, reason)
          world.slow = false
          const again = yield* bulk({ action: "recover", filter: { workflow: "w", status: "canceled" }, reason })
          assert.deepInclude(again, { status: "succeeded", total: 2, done: 0, skipped: 2 })
          assert.deepInclude(yield* bulk({ action: "recover", filter, reason }), { total: 2, done: 2 })
          for (const id of failed) yield* is(`runs/${id}`, "succeeded")
          const replayed = yield* bulk({ action: "replay", filter: { workflow: "w", status: "succeeded" }, reason })
          assert.deepInclude(replayed, { total: 2, done: 2 })
          for (const { id, runId } of replayed.started as ReadonlyArray<{ id: string; runId: string }>) {
            assert.deepInclude((yield* is(`runs/${runId}`, "succeeded")).trigger, { replayOf: id })
          }
          const waiting = yield* runs("waits", 2, "waiting")
          assert.deepInclude(yield* bulk({ action: "retry", filter: { workflow: "waits" }, reason }), { done: 2 })
          for (const id of waiting) yield* is(`runs/${id}`, "succeeded")
        })
      )
  )

  it.live("F52: the canary that fails again keeps the others from beginning", () =>
    served(
      Effect.gen(function* () {
        const failed = yield* runs("w", 3, "failed")
        const newest = failed.at(-1)!
        const ended = yield* bulk({ action: "retry", filter: { workflow: "w" }, canary: 1, reason })
        assert.deepInclude(ended, { status: "failed", done: 1, waiting: 2 })
        assert.deepStrictEqual(ended.failedCanary, { id: newest, message: "no such table" })
        assert.lengthOf(yield* eventsOf("run", "RunRecovered"), 1)
        world.broken = false
        assert.deepInclude(yield* bulk({ action: "retry", filter: { workflow: "w" }, canary: 1, reason }), { done: 3 })
        for (const id of failed) yield* is(`runs/${id}`, "succeeded")
      })
    )
  )

  it.live("F52: canceled, it tells nobody else; its canary goes on by itself", () =>
    served(
      Effect.gen(function* () {
        yield* runs("w", 3, "failed")
        Object.assign(world, { broken: false, slow: true })
        const { id } = dataOf(yield* post("bulk", { action: "retry", filter: { workflow: "w" }, canary: 1, reason }))
        yield* until(read(`bulk/${id}`), ({ done }) => done === 1, "canary that was told")
        const canceled = yield* post(`bulk/${id}/cancel`, { reason: "the wrong table" })
        assert.strictEqual(canceled.status, 202, canceled.text)
        assert.deepInclude(dataOf(canceled), { status: "canceled", waiting: 2, stopReason: "the wrong table" })
        const again = yield* post(`bulk/${id}/cancel`)
        assert.deepInclude(again.json, { status: 409, code: "illegal_transition", currentStatus: "canceled" })
        assert.lengthOf(yield* eventsOf("run", "RunRecovered"), 1)
        yield* bulk({ action: "cancel", filter: { workflow: "w" }, reason })
      })
    )
  )

  it.live("F52 F45: recoveries are paused, resumed, canceled and retried alike", () =>
    served(
      Effect.gen(function* () {
        const ids = ["r1", "r2"]
        for (const id of ids) yield* recoveryOf(id)
        const filter = { assetId: "lost" }
        const all = (action: string) => bulk({ target: "recoveries", action, filter, reason })
        assert.deepInclude(yield* all("retry"), { total: 2, done: 2, target: "recoveries" })
        for (const id of ids) yield* is(`recoveries/${id}`, "failed")
        assert.lengthOf(yield* eventsOf("recovery", "RecoveryRequested"), 4)
        const none = yield* bulk({ target: "recoveries", action: "cancel", filter: { status: "failed" }, reason })
        assert.deepInclude(none, { status: "succeeded", done: 0, skipped: 2 })
        const message = "cancel is not possible: the status is failed"
        assert.deepStrictEqual(
          (none.undone as ReadonlyArray<{ readonly message: string }>).map((undone) => undone.message),
          [message, message]
        )
        const canary = yield* bulk({ target: "recoveries", action: "retry", all: true, canary: 1, reason })
        assert.deepInclude(canary, { status: "failed", done: 1, waiting: 1 })
        // Paused ones plan nothing, so that they stay as they are.
        yield* recoveryOf("r3", [])
        assert.deepInclude(yield* all("pause"), { total: 1, done: 1 })
        assert.isTrue((yield* read("recoveries/r3")).paused)
        const plan = yield* post("bulk", { target: "recoveries", action: "cancel", filter, reason, dryRun: true })
        assert.deepInclude(dataOf(plan), { total: 1, wouldDo: 1, ids: ["r3"] })
        assert.deepInclude(yield* all("cancel"), { total: 1, done: 1 })
        assert.strictEqual((yield* read("recoveries/r3")).status, "canceled")
        yield* recoveryOf("r4", [{ _tag: "RecoveryPaused", reason: "" }])
        assert.deepInclude(yield* all("resume"), { total: 1, done: 1 })
        assert.lengthOf(yield* eventsOf("recovery-r4", "RecoveryResumed"), 1)
        const [canceled] = yield* eventsOf("recovery-r3", "RecoveryFailed")
        assert.include(JSON.stringify(canceled), `was canceled: ${reason}`)
      })
    )
  )

  it.live("F52: what is wrong with a request is said with its path, and nothing is done", () =>
    served(
      Effect.gen(function* () {
        const [id] = yield* runs("w", 1, "failed")
        const fine = { action: "retry", filter: { workflow: "w" }, reason }
        const faults: ReadonlyArray<readonly [object, string]> = [
          [{ filter: {} }, 'filter must say which runs are meant; for whatever there is say "all": true'],
          [{ filter: undefined }, 'filter must say which runs are meant; for whatever there is say "all": true'],
          [{ all: true }, "all must not be true with a filter"],
          [{ reason: undefined }, "reason is missing"],
          [{ reason: "  " }, "reason must say why, in words"],
          [{ limit: 0 }, "limit must be a whole number from 1 to 1000"],
          [{ limit: 1_001 }, "limit must be a whole number from 1 to 1000"],
          [{ canary: 101 }, "canary must be a whole number from 0 to 100"],
          [{ canary: 1.5 }, "canary must be a whole number from 0 to 100"],
          [{ ratePerSecond: 1_000 }, "ratePerSecond must be a whole number from 1 to 100"],
          [{ speed: 1 }, "speed is not known here"],
          [{ action: "delete" }, "action "],
          [{ target: "assets" }, "target "],
          [{ target: "recoveries", action: "replay", filter: { status: "failed" } }, "action "],
          [{ target: "recoveries", filter: { workflow: "w" } }, "filter.workflow is not known here"],
          [{ filter: { statuses: ["failed"] } }, "filter.statuses is not known here"],
          [{ filter: { status: "lost" } }, "filter.status "],
          [{ filter: { workflow: "w".repeat(301) } }, "filter.workflow must have 1 to 300 characters"],
          [{ filter: { from: "yesterday" } }, "filter.from must be an ISO 8601 date"]
        ]
        for (const [fault, told] of faults) {
          const answer = yield* post("bulk", { ...fine, ...fault })
          assert.strictEqual(answer.status, 400, `${JSON.stringify(fault)} ${answer.text}`)
          const errors = answer.json.errors as ReadonlyArray<{ readonly path: string; readonly message: string }>
          assert.include(errors.map(({ message, path }) => `${path} ${message}`).join("\n"), told)
        }
        for (const path of ["bulk/nobody", "bulk?status=lost", "bulk?speed=1"]) {
          const { status } = yield* send("GET", `/api/v1/${path}`)
          assert.strictEqual(status, path === "bulk/nobody" ? 404 : 400, path)
        }
        assert.strictEqual((yield* post("bulk/nobody/cancel")).status, 404)
        assert.lengthOf(yield* eventsOf("bulk", "BulkRequested"), 0)
        assert.strictEqual((yield* read(`runs/${id}`)).status, "failed")
      })
    )
  )
})
