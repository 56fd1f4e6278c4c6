import { Effect, Layer } from "effect"
import { Announcements } from "../../src/actors/Announcements.ts"
import { AssetCommands } from "../../src/actors/AssetCommands.ts"
import { AttentionDesk } from "../../src/actors/AttentionDesk.ts"
import { AssetReads } from "../../src/actors/AssetReads.ts"
import { Definitions } from "../../src/actors/Definitions.ts"
import { Backfills } from "../../src/actors/Backfills.ts"
import { BulkOperations } from "../../src/actors/BulkOperations.ts"
import {
  CommandReused,
  DefinedByApp,
  Engine,
  InvalidInput,
  NotFound,
  Unavailable,
  type Caller
} from "../../src/actors/Engine.ts"
import { DeadLetterCommands } from "../../src/actors/DeadLetterActor.ts"
import { DeliveryCommands } from "../../src/actors/DeliveryActor.ts"
import { Integrity } from "../../src/actors/Integrity.ts"
import { LineageGraph } from "../../src/actors/LineageGraph.ts"
import { Provenance } from "../../src/actors/Provenance.ts"
import { Tokens } from "../../src/actors/Tokens.ts"
import { RunSteering } from "../../src/actors/RunSteering.ts"
import { IllegalRecoveryTransition } from "../../src/domain/recovery/RecoveryDecide.ts"
import type { RecoveryView } from "../../src/domain/recovery/RecoveryView.ts"
import { IllegalTransition } from "../../src/domain/run/RunCommands.ts"
import type { RunView } from "../../src/domain/run/RunView.ts"
import { type EventStore, type LogUnavailable, Position } from "../../src/eventstore/EventStore.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import { AttentionReads } from "../../src/http/AttentionReads.ts"
import { Inventory } from "../../src/http/Inventory.ts"
import { ProjectionControl } from "../../src/http/ProjectionControl.ts"
import { type MetricRow, Reads } from "../../src/http/Reads.ts"
import { Deliveries } from "../../src/notify/Deliveries.ts"
import { InvalidCursor } from "../../src/projections/Page.ts"
import { Redactions } from "../../src/projections/Redactions.ts"
import { TokenUses } from "../../src/projections/TokenUses.ts"
import { BeforeHistory } from "../../src/projections/QueueHealthHistory.ts"
import { ProjectionBehind, type ProjectionStatus } from "../../src/projections/ProjectionRunner.ts"

export const position = (count: number): Position =>
  Position.make(`00000000-${"0".repeat(16)}-${count.toString(16).padStart(16, "0")}`)

export const runView = (id: string, status: RunView["status"]): RunView => ({
  id,
  workflow: "orders",
  version: 1,
  status,
  paused: false,
  partitionKey: null,
  runKey: null,
  parameters: { day: "2024-01-01" },
  trigger: { type: "manual" },
  steps: [
    {
      id: "load",
      status: status === "failed" ? "failed" : "running",
      attempt: 1,
      producedAssets: [],
      inputs: [],
      startedAt: "2026-01-01T00:00:00.000Z",
      finishedAt: null
    }
  ],
  ...(status === "failed"
    ? { failure: { class: "permanent" as const, code: "bad_input", message: "no such column", stepId: "load" } }
    : {}),
  createdAt: "2026-01-01T00:00:00.000Z",
  startedAt: "2026-01-01T00:00:00.000Z",
  finishedAt: null,
  streamVersion: 3
})

export const recoveryView = (id: string, status: RecoveryView["status"]): RecoveryView => ({
  id,
  assetId: "orders.raw",
  partitionKey: null,
  lostGeneration: 1,
  refresh: false,
  status,
  paused: false,
  class: "recheck",
  recheck: null,
  rootCause: { assetId: "orders.raw", partitionKey: null, why: "it has no inputs" },
  plan: [
    { assetId: "orders.raw", partitionKey: null, class: "recheck", workflow: "orders", step: "load", why: "lost" }
  ],
  attempts: 3,
  maxAttempts: 3,
  round: 1,
  waiterCount: 1,
  waiters: [{ runId: "r1", stepId: "load" }],
  producerRunId: null,
  reasonCode: status === "failed" ? "budget_exhausted" : null,
  failure: null,
  chain: [],
  via: null,
  generation: null,
  contentChanged: null,
  requestedAt: "2026-01-01T00:00:00.000Z",
  finishedAt: null,
  streamVersion: 4
})

/** What tests change under the server's feet, and what the server told the engine. */
export const makeState = () => ({
  callers: [] as Array<Caller | undefined>,
  starts: [] as Array<unknown>,
  seen: new Map<string, { readonly hash: string | undefined; readonly answer: unknown }>(),
  loopBlockedMs: 0,
  metrics: [] as Array<MetricRow>,
  projections: [] as Array<ProjectionStatus>,
  marked: new Map<string, string>(),
  at: [] as Array<unknown>
})
export type FakeState = ReturnType<typeof makeState>

/** Runs `ok-*` are running, `failed-*` have failed; workflow `silent` never answers, `broken` dies, `away` is away. */
export const engine = (state: FakeState) => Layer.mergeAll(commands(state), others)

/** Lists of assets that nobody asks for, and read models that nobody does anything to. */
export const inventory = Layer.mergeAll(
  Layer.mock(Inventory, {}),
  Layer.mock(ProjectionControl, {}),
  Layer.mock(Redactions, {}),
  Layer.mock(AttentionReads, {}),
  Layer.mock(Deliveries, {})
)

/** Services whose routes have tests of their own, on a real engine. */
const others = Layer.mergeAll(
  Layer.mock(Backfills, {}),
  Layer.mock(BulkOperations, {}),
  Layer.mock(Integrity, {}),
  Layer.mock(Provenance, {}),
  Layer.mock(RunSteering, {}),
  Layer.mock(AttentionDesk, {}),
  Layer.mock(DeadLetterCommands, {}),
  Layer.mock(DeliveryCommands, {}),
  Layer.mock(AssetCommands, {}),
  Layer.mock(AssetReads, {}),
  Layer.mock(LineageGraph, {}),
  // Nobody but the admin is known.
  Layer.mock(Tokens, { identify: () => Effect.succeed(null) }),
  inventory,
  Definitions.layer,
  // Takes whatever is announced.
  Layer.succeed(Announcements, {
    announce: ({ assetId, partitionKey }) =>
      Effect.succeed({ assetId, partitionKey, generation: 1, position: position(1) })
  })
)

/** What stands behind the routes. */
export type Behind = Layer.Success<typeof others> | Engine | Reads | TokenUses | EventStore

const commands = (state: FakeState) =>
  Layer.sync(Engine, () => {
    const once = <A, E>(caller: Caller | undefined, make: Effect.Effect<A, E>): Effect.Effect<A, E | CommandReused> =>
      Effect.gen(function* () {
        state.callers.push(caller)
        const id = caller?.commandId
        if (id === undefined) return yield* make
        const before = state.seen.get(id)
        if (before !== undefined) {
          if (before.hash !== caller?.requestHash) return yield* new CommandReused({ commandId: id })
          return before.answer as A
        }
        const answer = yield* make
        state.seen.set(id, { hash: caller?.requestHash, answer })
        return answer
      })
    const run = (id: string) => {
      if (id.startsWith("ok-")) return Effect.succeed(runView(id, "running"))
      if (id.startsWith("failed-")) return Effect.succeed(runView(id, "failed"))
      return Effect.fail(new NotFound({ kind: "run", id }))
    }
    const recovery = (id: string) => {
      if (id.startsWith("ok-")) return Effect.succeed(recoveryView(id, "running"))
      if (id.startsWith("failed-")) return Effect.succeed(recoveryView(id, "failed"))
      return Effect.fail(new NotFound({ kind: "recovery", id }))
    }
    const workflow = (slug: string) => ({
      slug,
      version: 1,
      origin: "http" as const,
      definition: { slug, steps: [] },
      definedAt: "2026-01-01T00:00:00.000Z",
      paused: false
    })
    const dark = Effect.fail(new Unavailable({ message: "the log does not answer" }))
    let count = 0
    return Engine.of({
      define: (slug, definition, _origin, caller) =>
        once(
          caller,
          Effect.gen(function* () {
            if (slug === "by-app") return yield* new DefinedByApp({ slug })
            if (slug === "away") return yield* dark
            const { steps } = definition as { readonly steps?: unknown }
            if (steps === undefined) {
              return yield* new InvalidInput({
                problems: [
                  { path: "steps", message: "is missing" },
                  { path: "slug", message: "is missing" }
                ]
              })
            }
            const outcome = slug === "known" ? ("unchanged" as const) : ("created" as const)
            return { workflow: workflow(slug), outcome, position: position(1) }
          })
        ),
      workflows: Effect.succeed(["c", "a", "b"].map(workflow)),
      workflow: (slug) =>
        slug === "known" ? Effect.succeed(workflow(slug)) : Effect.fail(new NotFound({ kind: "workflow", id: slug })),
      definition: (slug) => Effect.fail(new NotFound({ kind: "workflow", id: slug })),
      startRun: ({ caller, ...start }) =>
        once(
          caller,
          Effect.gen(function* () {
            state.starts.push(start)
            if (start.workflow === "silent") return yield* Effect.never
            if (start.workflow === "broken") return yield* Effect.die(new Error("secret internals"))
            if (start.workflow === "away") return yield* dark
            if (start.workflow === "partitioned" && start.partitionKey === undefined) {
              return yield* new InvalidInput({ problems: [{ path: "partitionKey", message: "is needed" }] })
            }
            if (start.workflow === "missing") return yield* new NotFound({ kind: "workflow", id: start.workflow })
            count++
            return { run: runView(`ok-${count}`, "running"), position: position(count) }
          })
        ),
      run: (id, at) => {
        state.at.push(at)
        return at === position(0) ? Effect.fail(new NotFound({ kind: "run", id })) : run(id)
      },
      runToEnd: () => Effect.succeed("succeeded" as const),
      awaitRun: run,
      cancelRun: (id, _reason, caller) =>
        once(
          caller,
          Effect.gen(function* () {
            const found = yield* run(id)
            if (found.status !== "running") {
              return yield* new IllegalTransition({ command: "cancel", status: found.status })
            }
            return { run: runView(id, "canceled"), position: position(9) }
          })
        ),
      recoverRun: (id, caller) =>
        once(
          caller,
          Effect.gen(function* () {
            const found = yield* run(id)
            if (found.status !== "failed") {
              return yield* new IllegalTransition({ command: "recover", status: found.status })
            }
            return { run: runView(id, "running"), kept: [], rerun: ["load"], position: position(9) }
          })
        ),
      recovery: (id, at) => {
        state.at.push(at)
        return recovery(id)
      },
      retryRecovery: (id, caller) =>
        once(
          caller,
          Effect.gen(function* () {
            const found = yield* recovery(id)
            if (found.status !== "failed") {
              return yield* new IllegalRecoveryTransition({ command: "retry", status: found.status })
            }
            return { recovery: recoveryView(id, "requested"), position: position(9) }
          })
        ),
      cancelRecovery: (id, _reason, caller) =>
        once(
          caller,
          Effect.gen(function* () {
            const found = yield* recovery(id)
            if (found.status === "failed") {
              return yield* new IllegalRecoveryTransition({ command: "cancel", status: found.status })
            }
            return { recovery: recoveryView(id, "canceled"), position: position(9) }
          })
        ),
      planRecovery: (assetId, partitionKey) =>
        assetId === "unknown"
          ? Effect.fail(new NotFound({ kind: "asset", id: assetId }))
          : Effect.succeed({
              assetId,
              partitionKey: partitionKey ?? null,
              lostGeneration: 2,
              present: false,
              class: "recheck" as const,
              rootCause: { assetId, partitionKey: "", why: "it has no inputs" },
              plan: [
                { assetId, partitionKey: "", class: "recheck" as const, workflow: "orders", step: "load", why: "lost" }
              ],
              reasonCode: null,
              message: null
            }),
      stores: Effect.succeed([
        { name: "inbox", type: "folder", status: "ready" as const, since: null, error: null, waiting: 0 }
      ]),
      gauges: Effect.sync(() => ({
        executing: 2,
        waitingForSlot: 1,
        concurrency: 16,
        residentActors: 5,
        loopBlockedMs: state.loopBlockedMs
      }))
    })
  })

/** Lists of one thing; the position beyond `position(100)` is never reached. */
export const reads = (state: FakeState) => {
  const page = <A>(item: A) => ({
    list: (request: {
      readonly cursor?: string | undefined
      readonly minPosition?: Position | undefined
    }): Effect.Effect<
      { readonly data: ReadonlyArray<A>; readonly nextCursor: string | null },
      InvalidCursor | ProjectionBehind | LogUnavailable
    > => {
      const { cursor, minPosition } = request
      if (cursor !== undefined && cursor !== "more") return Effect.fail(new InvalidCursor({ cursor }))
      if (minPosition !== undefined && minPosition > position(100)) {
        return Effect.fail(
          new ProjectionBehind({ projection: "run_list_v1", minPosition, position: position(100), error: null })
        )
      }
      return Effect.succeed({ data: [item], nextCursor: cursor === undefined ? "more" : null })
    }
  })
  const { steps: _steps, ...run } = runView("ok-1", "running")
  const notification = (id: string) => ({
    id,
    kind: "step_failed",
    message: "Step failed after multiple attempts",
    at: "2026-01-01T00:00:00.000Z",
    readAt: state.marked.get(id) ?? null
  })
  const lists = Layer.sync(Reads, () =>
    Reads.of({
      listRuns: (_filter, request) => page(run).list(request),
      listRecoveries: (_filter, request) => page(recoveryView("ok-1", "running")).list(request),
      listBackfills: () => Effect.succeed({ data: [], nextCursor: null }),
      listBulks: () => Effect.succeed({ data: [], nextCursor: null }),
      listNotifications: (_filter, request) => page(notification("n1")).list(request),
      markRead: (id) =>
        Effect.sync(() => {
          if (id !== "n1") return null
          if (!state.marked.has(id)) state.marked.set(id, "2026-01-02T00:00:00.000Z")
          return notification(id)
        }),
      queueHealth: () =>
        Effect.succeed({
          generatedAt: "2026-01-01T00:00:00.000Z",
          position: position(7),
          queues: [
            {
              key: "workflow",
              counts: { waiting: 1, active: 2, delayed: 3, paused: 0, completed: 4, failed: 5 },
              oldestWaitingMs: 12
            }
          ],
          delayed: { retry: 1, recovery: 2, store: 0, input: 0 },
          recoveries: { active: 1, succeeded: 0, failed: 0 },
          byWorkflow: []
        }),
      queueHealthAt: () => Effect.fail(new BeforeHistory({ oldest: "2026-01-01T00:00:00.000Z" })),
      metrics: Effect.sync(() => state.metrics),
      projections: Effect.sync(() => state.projections),
      horizonHolder: Effect.succeed({ pid: 4711, ageMs: 61_000, database: "other" })
    })
  )
  return Layer.merge(lists, TokenUses.layerMemory)
}

export const layer = (state: FakeState) => Layer.mergeAll(engine(state), reads(state), MemoryEventStore.layer)
