import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { allProjections } from "../../src/projections/AllProjections.ts"
import * as AssetHistoryQuery from "../../src/projections/AssetHistoryQuery.ts"
import * as AssetListQuery from "../../src/projections/AssetListQuery.ts"
import * as AssetTotalsQuery from "../../src/projections/AssetTotalsQuery.ts"
import * as MetricsCounters from "../../src/projections/MetricsCounters.ts"
import * as NotificationsQuery from "../../src/projections/NotificationsQuery.ts"
import { ProjectionRunner } from "../../src/projections/ProjectionRunner.ts"
import * as QueueHealth from "../../src/projections/QueueHealth.ts"
import * as RecoveryListQuery from "../../src/projections/RecoveryListQuery.ts"
import { defined } from "./history.ts"
import { database, emptied, TestLog, type Written } from "./support.ts"

const withLog = <A, E, R>(log: TestLog, test: Effect.Effect<A, E, R>) =>
  Effect.andThen(
    emptied,
    test.pipe(Effect.provide(ProjectionRunner.layer(allProjections).pipe(Layer.provide(log.layer))))
  )

const reached = (log: TestLog) =>
  Effect.flatMap(ProjectionRunner, (runner) => runner.waitFor(TestLog.position(log.events.length)))

/** Events of one run of the diamond a, (b, c), d. */
const run = (id: string, ...events: ReadonlyArray<readonly [type: string, data: object]>): ReadonlyArray<Written> => [
  {
    stream: `run-${id}`,
    type: "RunRequested",
    data: { runId: id, workflow: "orders", version: 1, parameters: {}, trigger: { type: "manual" } },
    at: 2_000
  },
  ...more(id, ...events)
]
const more = (id: string, ...events: ReadonlyArray<readonly [type: string, data: object]>) =>
  events.map(([type, data], index): Written => ({ stream: `run-${id}`, type, data, at: 3_000 + index }))
const started = (stepId: string) => ["StepStarted", { stepId, attempt: 1 }] as const
const succeeded = (stepId: string) => ["StepSucceeded", { stepId, attempt: 1 }] as const
const failed = (stepId: string, attempt: number, failureClass: string, final: boolean, code = "boom") =>
  ["StepFailed", { stepId, attempt, failure: { class: failureClass, code, message: `${code}!` }, final }] as const
const suspended = (stepId: string, type: string) =>
  ["StepSuspended", { stepId, attempt: 1, waitingFor: { type, recoveryId: "x" } }] as const

const recovery = (id: string, ...events: ReadonlyArray<readonly [type: string, data: object]>) =>
  events.map(([type, data], index): Written => ({ stream: `recovery-${id}`, type, data, at: 10_000 + index * 2_000 }))
const asked = (recoveryId: string, assetId: string) =>
  ["RecoveryRequested", { recoveryId, assetId, partitionKey: "", lostGeneration: 1, round: 1, priority: 100 }] as const
const joined = (runId: string) => ["RecoveryWaiterJoined", { waiter: { runId, stepId: "b" } }] as const
const planned = [
  "RecoveryPlanned",
  {
    class: "reprocess",
    rootCause: { assetId: "x", partitionKey: "", why: "gone" },
    plan: [],
    parents: [],
    maxAttempts: 3
  }
] as const
const scheduled = ["RecoveryScheduled", { attempt: 1, producerRunId: "p", only: ["a"] }] as const
const healed = ["RecoverySucceeded", { via: "producer", generation: 2, contentChanged: false }] as const
const lost = [
  "RecoveryFailed",
  { reasonCode: "no_producer", failure: { class: "permanent", code: "no_producer", message: "nobody makes it" } }
] as const

const publishing = { name: "bus_v1", types: ["AssetProduced"] }

layer(database, { timeout: 60_000, excludeTestServices: true })("the read models", (it) => {
  it.effect("queue health counts every queue, and what waits comes down when it goes on (T26)", () => {
    const log = new TestLog()
    return withLog(
      log,
      Effect.gen(function* () {
        const empty = yield* QueueHealth.read(publishing)
        assert.deepStrictEqual(
          empty.queues.map(({ key }) => key),
          ["workflow", "recovery", "events", "projections"]
        )
        const none = { waiting: 0, active: 0, delayed: 0, paused: 0, completed: 0, failed: 0 }
        for (const queue of empty.queues)
          assert.deepStrictEqual(queue, { key: queue.key, counts: none, oldestWaitingMs: null })

        log.append(
          defined(),
          ...run("ready", started("a"), succeeded("a")),
          ...run("active", started("a")),
          ...run("waits", started("a"), succeeded("a"), suspended("b", "recovery"), suspended("c", "input")),
          ...run("store", started("a"), suspended("a", "store")),
          ...run("retry", started("a"), failed("a", 1, "transient", false), [
            "StepRetryScheduled",
            { stepId: "a", attempt: 1, retry: 1, delayMs: 5, dueAt: 9_000, reason: "" }
          ]),
          ...run("failed", started("a"), failed("a", 1, "permanent", true)),
          ...recovery("x", asked("x", "X")),
          ...recovery("y", asked("y", "Y"), planned, scheduled),
          ...recovery("z", asked("z", "Z"), lost)
        )
        yield* reached(log)
        const health = yield* QueueHealth.read(publishing)
        assert.strictEqual(health.position, TestLog.position(log.events.length))
        const [workflow, recoveries, , projections] = health.queues
        assert.deepStrictEqual(workflow!.counts, {
          waiting: 2,
          active: 1,
          delayed: 4,
          paused: 0,
          completed: 2,
          failed: 1
        })
        assert.isAbove(workflow!.oldestWaitingMs!, 0)
        assert.deepStrictEqual(recoveries!.counts, { ...none, waiting: 1, active: 1, failed: 1 })
        assert.deepStrictEqual(projections!.counts, { ...none, completed: log.events.length })
        assert.deepStrictEqual(health.delayed, { retry: 1, recovery: 1, store: 1, input: 1 })
        assert.deepStrictEqual(health.recoveries, { active: 2, succeeded: 0, failed: 1 })
        assert.deepStrictEqual(
          health.byWorkflow.map(({ counts, workflow }) => [workflow, counts.delayed]),
          [["orders", 4]]
        )
        log.append(
          ...more(
            "waits",
            ["StepResumed", { stepId: "b", reason: "recovered" }],
            ["StepResumed", { stepId: "c", reason: "recovered" }]
          ),
          ...recovery("x", planned, scheduled, healed)
        )
        yield* reached(log)
        const after = yield* QueueHealth.read(publishing)
        assert.deepStrictEqual(after.delayed, { retry: 1, recovery: 0, store: 1, input: 0 })
        assert.deepStrictEqual(after.recoveries, { active: 1, succeeded: 1, failed: 1 })
      })
    )
  })

  it.effect("the list of recoveries filters by status and by asset in any case", () => {
    const log = new TestLog()
    return withLog(
      log,
      Effect.gen(function* () {
        log.append(
          ...recovery("x", asked("x", "Orders.Raw"), joined("r1"), joined("r2"), planned, scheduled, healed),
          ...recovery("y", asked("y", "other"), lost)
        )
        yield* reached(log)
        const found = yield* RecoveryListQuery.list({ assetId: "ORDERS.raw" }, {})
        assert.strictEqual(found.data.length, 1)
        assert.deepInclude(found.data[0]!, {
          ...{
            id: "x",
            assetId: "Orders.Raw",
            partitionKey: null,
            status: "succeeded",
            class: "reprocess",
            via: "producer"
          },
          ...{ attempts: 1, maxAttempts: 3, waiterCount: 2, producerRunId: "p", generation: 2 },
          ...{ requestedAt: "1970-01-01T00:00:10.000Z", finishedAt: "1970-01-01T00:00:20.000Z" }
        })
        const [bad] = (yield* RecoveryListQuery.list({ status: "failed" }, {})).data
        assert.deepInclude(bad!, { id: "y", reasonCode: "no_producer", attempts: 0 })
        assert.strictEqual((yield* RecoveryListQuery.list({ status: "running" }, {})).data.length, 0)
        const first = yield* RecoveryListQuery.list({}, { limit: 1 })
        const second = yield* RecoveryListQuery.list({}, { limit: 1, cursor: first.nextCursor! })
        assert.deepStrictEqual([first.data[0]!.id, second.data[0]!.id, second.nextCursor], ["y", "x", null])
      })
    )
  })

  it.effect("notifies of steps that failed for good, in words that say whether they were tried again (F43)", () => {
    const log = new TestLog()
    return withLog(
      log,
      Effect.gen(function* () {
        log.append(
          ...run("tired", started("a"), failed("a", 1, "transient", false), failed("a", 4, "transient", true)),
          ...run("refused", started("a"), failed("a", 1, "permanent", true)),
          ...run("once", started("a"), failed("a", 1, "transient", true))
        )
        yield* reached(log)
        const { data } = yield* NotificationsQuery.list({}, {})
        const messages = new Map(data.map(({ message, runId, workflow }) => [runId, [message, workflow]]))
        assert.deepStrictEqual(messages.get("tired"), ["Step failed after multiple attempts", "orders"])
        assert.deepStrictEqual(messages.get("refused"), ["Step failed", "orders"])
        assert.deepStrictEqual(messages.get("once"), ["Step failed", "orders"])
        assert.strictEqual(data.length, 3)
      })
    )
  })

  it.effect("notifies of a restart once, with the runs that it cut off and what became of each (F47)", () => {
    const log = new TestLog()
    const interrupted = [
      "RunInterrupted",
      { reason: "crash", processId: "p1", steps: [{ stepId: "a", attempt: 1 }] }
    ] as const
    return withLog(
      log,
      Effect.gen(function* () {
        for (let n = 0; n < 120; n++) log.append(...run(`r${String(n).padStart(3, "0")}`, started("a"), interrupted))
        yield* reached(log)
        const [notice, ...others] = (yield* NotificationsQuery.list({}, {})).data
        assert.strictEqual(others.length, 0)
        assert.strictEqual(notice!.message, "120 runs were interrupted by a restart")
        log.append(...more("r000", ["RunSucceeded", {}]))
        log.append(
          ...more("r001", failed("a", 1, "permanent", true), [
            "RunFailed",
            { stepId: "a", failure: { class: "permanent", code: "boom", message: "" } }
          ])
        )
        yield* reached(log)
        const page = yield* NotificationsQuery.list({}, {})
        const summary = page.data.find(({ kind }) => kind === "runs_interrupted")!
          .data as NotificationsQuery.InterruptedSummary
        assert.deepInclude(summary, { processId: "p1", total: 120, recovered: 1, failed: 1, canceled: 0 })
        assert.strictEqual(summary.runs.length, 100)
        assert.deepStrictEqual(summary.runs.slice(0, 3), [
          { runId: "r000", outcome: "recovered" },
          { runId: "r001", outcome: "failed" },
          { runId: "r002", outcome: null }
        ])
      })
    )
  })

  it.effect("notifies of runs that need attention, and forgets over no rebuild what was read", () => {
    const log = new TestLog()
    return withLog(
      log,
      Effect.gen(function* () {
        const runner = yield* ProjectionRunner
        const failure = { class: "asset_missing", code: "no_producer", message: "nobody makes orders.raw" }
        log.append(
          ...run("a", started("a"), ["RunFailed", { stepId: "a", failure }]),
          ...run("b", started("a"), ["RunAttentionRaised", { stepId: "a", reason: "store s is unavailable" }])
        )
        yield* reached(log)
        const before = (yield* NotificationsQuery.list({}, {})).data
        assert.sameDeepMembers(
          before.map(({ kind, message, runId }) => [kind, message, runId]),
          [
            ["needs_attention", "nobody makes orders.raw", "a"],
            ["needs_attention", "store s is unavailable", "b"]
          ]
        )
        const { id } = before[0]!
        yield* NotificationsQuery.markRead(id)
        const read = yield* NotificationsQuery.read(id)
        assert.isString(read?.readAt)
        yield* NotificationsQuery.markRead(id)
        assert.deepStrictEqual(yield* NotificationsQuery.read(id), read, "the first reader's time stays")
        yield* runner.rebuild("notifications_v2")
        const unread = yield* NotificationsQuery.list({ unread: true }, {})
        assert.deepStrictEqual(unread.data, [before[1]!])
        const unknown = yield* Effect.flip(NotificationsQuery.markRead("nothing"))
        assert.strictEqual(unknown._tag, "UnknownNotification")
      })
    )
  })

  it.effect("F49: notifies of what else needs attention, by the ids that channels are told", () => {
    const log = new TestLog()
    return withLog(
      log,
      Effect.gen(function* () {
        const found = {
          id: "finding:orders",
          kind: "finding",
          reasonCode: "comes_back",
          message: "orders is gone again"
        }
        const failure = { class: "transient", code: "unrecognized", message: "no such column" }
        const ended = { outcome: "failed", runId: "r1", failure, retries: false }
        log.append(...run("r1", started("a")))
        const written = [
          {
            stream: "attention-1",
            type: "AttentionRaised",
            data: { ...found, severity: "error", count: 1 },
            at: 1_000
          },
          { stream: "attention-1", type: "AttentionSettled", data: { id: found.id }, at: 2_000 },
          { stream: "materialization-1", type: "MaterializationEnded", data: { ...ended, failures: 4 }, at: 3_000 },
          { stream: "materialization-1", type: "MaterializationEnded", data: { ...ended, failures: 5 }, at: 4_000 }
        ]
        const positions = written.map((event) => log.append(event))
        yield* reached(log)
        const { data } = yield* NotificationsQuery.list({}, {})
        assert.deepStrictEqual(
          data.map(({ id, kind, message, runId }) => [id, kind, message, runId]),
          [
            [positions[3]!, "needs_attention", "5 automatic runs in a row have failed", "r1"],
            [positions[0]!, "needs_attention", "orders is gone again", undefined]
          ]
        )
        assert.deepInclude(data[1]!.data, { id: found.id, reasonCode: "comes_back", severity: "error" })
      })
    )
  })

  it.effect("counts what Prometheus asks for", () => {
    const log = new TestLog()
    return withLog(
      log,
      Effect.gen(function* () {
        log.append(
          defined(),
          ...run("a", started("a"), succeeded("a"), ["RunSucceeded", {}]),
          ...run("b", started("a"), failed("a", 1, "permanent", true), [
            "RunFailed",
            { stepId: "a", failure: { class: "permanent", code: "boom", message: "" } }
          ]),
          ...recovery("x", asked("x", "X"), joined("r"), planned, scheduled, healed),
          ...recovery("y", asked("y", "Y"), joined("r"), joined("q")),
          ...recovery("z", asked("z", "Z"), lost)
        )
        yield* reached(log)
        const metrics = yield* MetricsCounters.read
        const lines = metrics.flatMap(({ samples }) =>
          samples.map(({ labels, name, value }) => `${name}${JSON.stringify(labels)} ${value}`)
        )
        assert.includeMembers(lines, [
          'kintsugi_steps_total{"outcome":"succeeded"} 1',
          'kintsugi_steps_total{"outcome":"failed"} 1',
          'kintsugi_runs_total{"workflow":"orders","outcome":"succeeded","trigger":"manual"} 1',
          'kintsugi_runs_total{"workflow":"orders","outcome":"failed","trigger":"manual"} 1',
          'kintsugi_recovery_attempts_total{"class":"reprocess","outcome":"succeeded"} 1',
          'kintsugi_recovery_failures_total{"reason":"no_producer"} 1',
          "kintsugi_recovery_waiters{} 2",
          'kintsugi_recovery_duration_seconds_bucket{"le":"1"} 0',
          'kintsugi_recovery_duration_seconds_bucket{"le":"2.5"} 1',
          'kintsugi_recovery_duration_seconds_bucket{"le":"10"} 2',
          'kintsugi_recovery_duration_seconds_bucket{"le":"+Inf"} 2',
          "kintsugi_recovery_duration_seconds_sum{} 10",
          "kintsugi_recovery_duration_seconds_count{} 2"
        ])
      })
    )
  })

  it.effect("the list of assets shows the current generation and what is missing", () => {
    const log = new TestLog()
    const asset = (type: string, data: object, at: number): Written => ({
      stream: "asset-1",
      type,
      data: { assetId: "Orders", partitionKey: "p", ...data },
      at
    })
    const by = { workflow: "orders", version: 2, stepId: "a", runId: "r", parts: [] }
    return withLog(
      log,
      Effect.gen(function* () {
        log.append(
          asset("AssetProduced", { generation: 1, producedAt: 1_000, ...by }, 1_000),
          asset("AssetProduced", { generation: 2, producedAt: 500, ...by, runId: "late" }, 1_100),
          asset("AssetMissingDetected", { generation: 1, reason: "missing" }, 1_200)
        )
        yield* reached(log)
        const first = { firstProducedAt: "1970-01-01T00:00:01.000Z", source: null, runPartitionKey: null }
        const fresh = { expiresAt: null, expiredAt: null, staleSince: null, staleNote: null, restored: false }
        const gone = yield* AssetListQuery.list({ state: "missing", assetId: "ORDERS" }, {})
        assert.deepStrictEqual(gone.data, [
          {
            ...{ assetId: "Orders", partitionKey: "p", generation: 1, generations: 2, workflow: "orders", version: 2 },
            ...{ stepId: "a", runId: "r", producedAt: "1970-01-01T00:00:01.000Z", state: "missing" as const },
            ...{ missing: "missing" as const, missingSince: "1970-01-01T00:00:01.200Z" },
            ...first,
            ...fresh
          }
        ])
        log.append(...recovery("z", ["RecoveryRequested", { ...asked("z", "orders")[1], partitionKey: "P" }]))
        yield* reached(log)
        assert.strictEqual((yield* AssetListQuery.list({ state: "missing" }, {})).data.length, 0)
        assert.strictEqual((yield* AssetListQuery.list({ state: "recovering" }, {})).data[0]!.state, "recovering")
        const counts = { missing: 0, stale: 0, expired: 0, materialized: 0, not_materialized: 0, recovering: 1 }
        assert.deepStrictEqual((yield* AssetTotalsQuery.read(["orders"])).get("orders")!.counts, counts)
        log.append(
          ...recovery("z", lost),
          asset("AssetProduced", { generation: 3, producedAt: 1_300, freshness: { ttlMs: 50 }, ...by }, 1_300)
        )
        yield* reached(log)
        assert.strictEqual((yield* AssetListQuery.list({ state: "missing" }, {})).data.length, 0)
        const [made] = (yield* AssetListQuery.list({ workflow: "orders" }, {})).data
        assert.deepStrictEqual([made!.generation, made!.state], [3, "materialized"])
        assert.strictEqual(made!.expiresAt, "1970-01-01T00:00:01.350Z")
        log.append(asset("AssetExpired", { generation: 3, reason: "ttl", expiresAt: 1_350 }, 1_360))
        yield* reached(log)
        assert.strictEqual((yield* AssetListQuery.list({ state: "expired" }, {})).data.length, 1)
        log.append(asset("AssetMarkedStale", { generation: 3, note: "wrong rates" }, 1_370))
        yield* reached(log)
        const [stale] = (yield* AssetListQuery.list({ state: "stale" }, {})).data
        assert.strictEqual(stale!.staleNote, "wrong rates")
        const history = yield* AssetHistoryQuery.list({ assetId: "Orders" }, { limit: 2 })
        assert.deepStrictEqual(
          history.data.map(({ streamVersion }) => streamVersion),
          [4, 2]
        )
        const rest = yield* AssetHistoryQuery.list({ assetId: "Orders" }, { cursor: history.nextCursor! })
        assert.deepStrictEqual([rest.data.map(({ streamVersion }) => streamVersion), rest.nextCursor], [[1], null])
      })
    )
  })
})
