import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { OpenApi } from "effect/http-api"
import { Event, type Stored } from "../../src/domain/recovery/RecoveryEvents.ts"
import * as EventCodec from "../../src/eventstore/EventCodec.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import { Api } from "../../src/http/api/Api.ts"
import { defineJob, PermanentFailure } from "../../src/index.ts"
import { dataOf, is, post, read, served } from "../bulk/server.ts"
import { appendOf } from "../support/appends.ts"
import { stepFor } from "../support/chainApp.ts"

// Each command on each status, with its exact answer (F45, F52). The commands are those that the API has: a new one fails
// here until its row is written.

/** `202`, or the status with what the problem says: `409 cancel running`. */
const answerOf = ({ json, status }: { readonly json: Record<string, unknown>; readonly status: number }): string => {
  if (status === 202) return "202"
  const { command, currentStatus, kind } = json
  return [status, command ?? kind, currentStatus].filter((part) => part !== undefined).join(" ")
}

/** 202 in these statuses, and in the others 409 that says the status. */
const allowed = (command: string, statuses: ReadonlyArray<string>, ...fit: ReadonlyArray<string>) =>
  Object.fromEntries(statuses.map((status) => [status, fit.includes(status) ? "202" : `409 ${command} ${status}`]))

const commandsBelow = (thing: string): ReadonlyArray<string> =>
  Object.entries(OpenApi.fromApi(Api).paths)
    .filter(([path, methods]) => path.startsWith(`/api/v1/${thing}/{id}/`) && "post" in (methods as object))
    .map(([path]) => path.slice(`/api/v1/${thing}/{id}/`.length))
    .sort()

const jobs = [
  defineJob({ slug: "first", run: async () => ({ result: { ran: true } }) }),
  defineJob({
    slug: "act",
    run: async (ctx) => {
      switch (ctx.parameters.end) {
        case "running":
        case "canceled":
          return new Promise<void>((_, reject) =>
            ctx.signal.addEventListener("abort", () => reject(new Error("aborted")))
          )
        case "failed":
          throw new PermanentFailure({ message: "no such table" })
        case "waiting":
          throw new Error("not yet")
        default:
          return
      }
    }
  })
]
const inAnHour = { maxAttempts: 3, strategy: "fixed", initialDelayMs: 3_600_000, maxDelayMs: 3_600_000, jitter: "none" }
const workflow = { steps: [stepFor("first"), { ...stepFor("act", { retryPolicy: inAnHour }), dependsOn: ["first"] }] }

const runStatuses = ["pending", "running", "waiting", "succeeded", "failed", "canceled"] as const
/** What is sent; `{stepId}` is the step that the run's status is about. */
const runBodies: Readonly<Record<string, object>> = {
  fork: { fromStep: "act" },
  restore: { checkpoint: 1 },
  "steps/{stepId}/skip": { reason: "not needed", force: true }
}
const runTable: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  cancel: allowed("cancel", runStatuses, "pending", "running", "waiting"),
  recover: allowed("recover", runStatuses, "failed"),
  pause: allowed("pause", runStatuses, "pending", "running", "waiting"),
  resume: allowed("resume", runStatuses, "pending", "running", "waiting"),
  replay: allowed("replay", runStatuses, ...runStatuses),
  fork: allowed("fork", runStatuses, ...runStatuses),
  // Nothing of a pending run has finished.
  restore: { ...allowed("restore", runStatuses, ...runStatuses), pending: "404 checkpoint" },
  // The step has the status of its run.
  "steps/{stepId}/retry": allowed("retry", runStatuses, "waiting", "failed"),
  "steps/{stepId}/skip": allowed("skip", runStatuses, "pending", "running", "waiting", "failed")
}

const runIn = Effect.fnUntraced(function* (status: (typeof runStatuses)[number]) {
  const slug = status === "pending" ? "held" : "w"
  const { id } = dataOf(yield* post(`workflows/${slug}/run`, { parameters: { end: status } }))
  if (status === "canceled") {
    yield* is(`runs/${id}`, "running")
    yield* post(`runs/${id}/cancel`)
  }
  // A run shows as running from its first step on: what is meant is that the second has begun.
  if (status === "running") {
    yield* Effect.repeat(read(`runs/${id}`), {
      until: ({ steps }) => (steps as ReadonlyArray<{ status: string }>)[1]!.status === "running"
    })
  }
  yield* is(`runs/${id}`, status)
  return id
})

const recoveryStatuses = ["requested", "planned", "running", "succeeded", "failed", "canceled"] as const
const recoveryTable: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  cancel: allowed("cancel", recoveryStatuses, "requested", "planned", "running"),
  pause: allowed("pause", recoveryStatuses, "requested", "planned", "running"),
  resume: allowed("resume", recoveryStatuses, "requested", "planned", "running"),
  retry: allowed("retry", recoveryStatuses, "failed", "canceled")
}

const codec = EventCodec.make(Event, {})
const asset = { assetId: "lost", partitionKey: "" }
const failure = { class: "asset_missing", code: "canceled", message: "it is gone", asset } as const
const planned: Stored = {
  ...{ _tag: "RecoveryPlanned", class: "recheck", rootCause: { ...asset, why: "lost" }, plan: [] },
  producer: { workflow: "w", version: 1, stepId: "act", parameters: {}, results: {}, before: [] },
  ...{ parents: ["another"], maxAttempts: 3, attemptTimeoutMs: 600_000 }
}
const after: Readonly<Record<(typeof recoveryStatuses)[number], ReadonlyArray<Stored>>> = {
  requested: [],
  planned: [planned],
  running: [
    { ...planned, parents: [] },
    { _tag: "RecoveryScheduled", attempt: 1, producerRunId: "producing", only: ["act"] }
  ],
  succeeded: [{ _tag: "RecoverySucceeded", via: "found", generation: 1, contentChanged: false }],
  failed: [{ _tag: "RecoveryFailed", reasonCode: "no_producer", failure }],
  canceled: [{ _tag: "RecoveryFailed", reasonCode: "canceled", failure }]
}

/** A recovery as its events leave it: the command is the first thing that its actor hears. */
const recoveryIn = Effect.fnUntraced(function* (id: string, status: (typeof recoveryStatuses)[number]) {
  const log = yield* EventStore
  const requested: Stored = {
    ...{ _tag: "RecoveryRequested", recoveryId: id, ...asset, lostGeneration: 1, round: 1, priority: 100 }
  }
  const events = [requested, ...after[status]].map((event) => codec.encode(event))
  yield* log.append(appendOf({ streamName: `recovery-${id}`, events }))
  assert.strictEqual((yield* read(`recoveries/${id}`)).status, status)
})

describe("each command on each status", () => {
  it("F45 F52: has a row in these tables", () => {
    assert.deepStrictEqual(commandsBelow("runs"), Object.keys(runTable).sort())
    assert.deepStrictEqual(commandsBelow("recoveries"), Object.keys(recoveryTable).sort())
  })

  it.live(
    "F45 F46 F52: of runs is answered as the table says",
    () =>
      served(
        Effect.gen(function* () {
          yield* post("workflows/held/pause")
          const found: Record<string, Record<string, string>> = {}
          for (const command of commandsBelow("runs")) {
            found[command] = {}
            for (const status of runStatuses) {
              const id = yield* runIn(status)
              const path = `runs/${id}/${command.replace("{stepId}", "act")}`
              found[command][status] = answerOf(yield* post(path, runBodies[command] ?? {}))
            }
          }
          assert.deepStrictEqual<unknown>(found, runTable)
          for (const status of runStatuses) {
            const answer = yield* post(`workflows/${yield* runIn(status)}/recover`)
            assert.strictEqual(answerOf(answer), runTable.recover?.[status], "under its other path")
          }
          for (const command of commandsBelow("runs")) {
            const path = `runs/nobody/${command.replace("{stepId}", "act")}`
            assert.strictEqual(answerOf(yield* post(path, runBodies[command] ?? {})), "404 run", command)
          }
        }),
        { jobs, workflows: { w: workflow, held: workflow } }
      ),
    60_000
  )

  it.live("F45: of recoveries is answered as the table says", () =>
    served(
      Effect.gen(function* () {
        const found: Record<string, Record<string, string>> = {}
        for (const command of commandsBelow("recoveries")) {
          found[command] = {}
          for (const status of recoveryStatuses) {
            const id = `${status}${command}`
            yield* recoveryIn(id, status)
            found[command][status] = answerOf(yield* post(`recoveries/${id}/${command}`))
          }
        }
        assert.deepStrictEqual<unknown>(found, recoveryTable)
        for (const command of commandsBelow("recoveries")) {
          assert.strictEqual(answerOf(yield* post(`recoveries/nobody/${command}`)), "404 recovery", command)
        }
      }),
      { jobs, workflows: { w: workflow } }
    )
  )
})
