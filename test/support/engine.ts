import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { Effect, Layer, Schedule } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { engine, type RuntimeSettings } from "../../src/cli/Runtime.ts"
import type { RecoveryView } from "../../src/domain/recovery/RecoveryView.ts"
import type { RunView } from "../../src/domain/run/RunView.ts"
import { categories, eventTypes } from "../../src/domain/Vocabulary.ts"
import { EventStore, type RecordedEvent } from "../../src/eventstore/EventStore.ts"
import { LogFollower } from "../../src/eventstore/LogFollower.ts"
import * as LogPosition from "../../src/eventstore/LogPosition.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import { check } from "../chaos/invariants.ts"
import * as memoryIndex from "./memoryIndex.ts"

/** A folder that is gone when the scope closes. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "kintsugi-test-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

export type Settings = Partial<RuntimeSettings> & Pick<RuntimeSettings, "jobs" | "baseDir">

export const settings = (given: Settings): RuntimeSettings => ({
  processId: "test",
  concurrency: 16,
  crashLimit: 10,
  drainMs: 100,
  settleMs: 50,
  recovery: true,
  stores: { inbox: { type: "folder", path: "inbox" }, lake: { type: "folder", path: "lake" } },
  timestoreStore: "lake",
  cacheDir: join(given.baseDir, "cache"),
  materializer: { baseBackoffMs: 200, maxBackoffMs: 800, refreshIntervalMs: 600_000 },
  ...given
})

/** The whole engine on a log in memory and real folders. */
export const layerMemory = (given: Settings) =>
  engine(settings(given)).pipe(
    Layer.provideMerge(memoryIndex.layer),
    Layer.provideMerge(LogFollower.layerMemory(new Map())),
    Layer.provideMerge(MemoryEventStore.layer)
  )

export interface Scenario {
  readonly jobs: RuntimeSettings["jobs"]
  /** Definitions by slug. */
  readonly workflows: Readonly<Record<string, object>>
  readonly settings?: Partial<RuntimeSettings>
  /** False: runs and recoveries may still be open at the end. */
  readonly ends?: boolean
}

/** Plays scenarios on engines of this kind; at the end of each its whole history is checked (DESIGN, section 7). */
export const playOn =
  <S, LE, LR>(layerOf: (given: Settings) => Layer.Layer<S | Engine | EventStore, LE, LR>) =>
  <A, E>(
    { ends = true, jobs, settings, workflows }: Scenario,
    body: (folder: string) => Effect.Effect<A, E, S | Engine | EventStore>
  ) =>
    Effect.scoped(
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const played = Effect.gen(function* () {
          yield* define(workflows)
          const result = yield* body(folder)
          yield* soundHistory(ends)
          return result
        })
        return yield* Effect.provide(played, layerOf({ jobs, baseDir: folder, ...settings }))
      })
    )

/** Plays a scenario on an engine with a log in memory. */
export const play = playOn(layerMemory)

export const define = Effect.fnUntraced(function* (workflows: Scenario["workflows"]) {
  const runs = yield* Engine
  for (const [slug, workflow] of Object.entries(workflows)) yield* runs.define(slug, workflow, "app")
})

/** Categories and types that a filter of events would refuse. */
const unknownWords = (events: ReadonlyArray<RecordedEvent>): ReadonlyArray<string> => {
  const words = new Set<string>([...categories.map((category) => `category ${category}`), ...eventTypes])
  return events
    .flatMap(({ streamName, type }) => [`category ${streamName.slice(0, streamName.indexOf("-"))}`, type])
    .filter((word) => !words.has(word))
    .map((word) => `${word} is not in the vocabulary`)
}

/** Fails with every fault of the history; what is still being told gets a moment. */
export const soundHistory = Effect.fnUntraced(function* (isOver: boolean) {
  const faults = Effect.map(history, (events) => {
    const acknowledged = events
      .filter(({ type }) => type === "RunRequested")
      .map(({ streamName }) => streamName.slice(4))
    return [...check({ events, acknowledged, isOver }), ...unknownWords(events)]
  })
  yield* until(faults, (found) => found.length === 0, "a history without faults")
})

/** The whole log. In Postgres its end is read a moment late: when no transaction older than it is open any more. */
export const history = Effect.gen(function* () {
  const log = yield* EventStore
  const head = yield* log.head
  const page = yield* until(
    log.readAll({ after: null, limit: 1_000_000 }),
    ({ next }) => (next ?? LogPosition.start) >= head,
    `log up to ${head}`
  )
  return page.events
})

/** Types of the events of one stream, or of every stream of a category, in log order. */
export const typesOf = (streamOrCategory: string) =>
  Effect.map(history, (events) =>
    events
      .filter(({ streamName }) => streamName === streamOrCategory || streamName.startsWith(`${streamOrCategory}-`))
      .map(({ type }) => type)
  )

/** What the events of one type in a stream or category say, in log order. */
export const eventsOf = (streamOrCategory: string, type: string) =>
  Effect.map(history, (events) =>
    events
      .filter(({ streamName }) => streamName === streamOrCategory || streamName.startsWith(`${streamOrCategory}-`))
      .filter((event) => event.type === type)
      .map(({ payload, recordedAt }): Record<string, unknown> & { readonly recordedAt: number } => ({
        ...(JSON.parse(payload) as Record<string, unknown>),
        recordedAt
      }))
  )

/** Every recovery of the log, oldest first. */
export const recoveries = Effect.gen(function* () {
  const runs = yield* Engine
  const found: Array<RecoveryView> = []
  for (const event of yield* history) {
    if (!event.streamName.startsWith("recovery-") || event.streamVersion > 1) continue
    found.push(yield* runs.recovery(event.streamName.slice("recovery-".length)))
  }
  return found
})

/** Looks again and again until it holds, at most `seconds`; the last look is in the error. */
export const until = <A, E, R>(
  look: Effect.Effect<A, E, R>,
  holds: (found: A) => boolean,
  what: string,
  seconds = 15
) =>
  Effect.repeat(look, { until: holds, schedule: Schedule.spaced("5 millis") }).pipe(
    Effect.timeoutOrElse({
      duration: `${seconds} seconds`,
      orElse: () =>
        Effect.flatMap(look, (last) => Effect.die(new Error(`no ${what}, but ${JSON.stringify(last, null, 1)}`)))
    })
  )

const isOver = ({ status }: RunView) => ["succeeded", "failed", "canceled"].includes(status)

/** Waits until the run has ended, at most `seconds`. */
export const ended = Effect.fnUntraced(function* (runId: string, seconds = 15) {
  const runs = yield* Engine
  return yield* until(runs.run(runId), isOver, `end of run ${runId}`, seconds)
})

export const start = Effect.fnUntraced(function* (
  workflow: string,
  partitionKey?: string,
  parameters?: Readonly<Record<string, unknown>>
) {
  const runs = yield* Engine
  return (yield* runs.startRun({ workflow, partitionKey, parameters })).run
})

/** Starts a run and waits for its end. */
export const ran = Effect.fnUntraced(function* (
  workflow: string,
  partitionKey?: string,
  parameters?: Readonly<Record<string, unknown>>
) {
  return yield* ended((yield* start(workflow, partitionKey, parameters)).id)
})

/** Starts a run, waits for its end, and fails unless it succeeded. */
export const succeeded = Effect.fnUntraced(function* (
  workflow: string,
  partitionKey?: string,
  parameters?: Readonly<Record<string, unknown>>
) {
  const run = yield* ran(workflow, partitionKey, parameters)
  assert.strictEqual(run.status, "succeeded", JSON.stringify(run, null, 1))
  return run
})

/** Waits until a step of the run has this status, and answers the run. */
export const stepIs = Effect.fnUntraced(function* (runId: string, stepId: string, status: string) {
  const runs = yield* Engine
  return yield* until(
    runs.run(runId),
    (run) => run.steps.some((step) => step.id === stepId && step.status === status),
    `step ${stepId} that is ${status}`
  )
})

export const stepOf = (run: RunView, stepId: string) => {
  const found = run.steps.find(({ id }) => id === stepId)
  assert(found !== undefined, `run ${run.id} has no step ${stepId}`)
  return found
}

/** A door that jobs wait at; `arrived` counts them. */
export const gate = () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  let arrivals = 0
  return {
    open: () => resolve(),
    pass: () => {
      arrivals++
      return promise
    },
    arrived: () => arrivals
  }
}

/** A retry policy that costs a test no time. */
export const quick = { maxAttempts: 3, strategy: "fixed", initialDelayMs: 10, jitter: "none" } as const
