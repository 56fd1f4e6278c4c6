import { Clock, Effect, Option } from "effect"
import { rename, rm } from "node:fs/promises"
import { join } from "node:path"
import { type DemoClient, DemoFailed, type Seen } from "./DemoClient.ts"
import type { DemoFeed } from "./DemoFeed.ts"
import { asset } from "./DemoNarrator.ts"
import { type DemoTally, type Expectation, expectNumber, expectProducers } from "./DemoTally.ts"

/** What an act has to play with. */
export interface Stage {
  readonly client: DemoClient
  readonly feed: DemoFeed
  /** Folder of a store of the observatory. */
  readonly storeFolder: (store: string) => string
  /** Says what the demo does to the files: nobody else touches them. */
  readonly hand: (text: string) => Effect.Effect<void>
  /** Run ids by workflow and minute, for whoever asks later where files lie. */
  readonly runs: Map<string, string>
}

export interface Act {
  readonly title: string
  /** For the summary. */
  readonly short: string
  readonly about: string
  readonly play: (stage: Stage) => Effect.Effect<void, DemoFailed>
  /** What the log must show afterwards. */
  readonly expects: (tally: DemoTally) => ReadonlyArray<Expectation>
}

const generator = "observatory-generator"
const ingest = "observatory-minute-ingest"
const publication = "observatory-daily-publication"
const dashboard = "observatory-dashboard-aggregate"

/** How far a step is in when something is taken from it, ms: it has read a file, and stands for a second before the next. */
const midStepMs = 250
/** How long the store is away once everything waits for it, in ms. */
const outageMs = 1_500

const minute = (number: number): string => `2026-01-01T00-${String(number).padStart(2, "0")}`

interface Wanted {
  readonly workflow: string
  readonly partitionKey?: string
}
const of = (workflow: string, ...minutes: ReadonlyArray<number>): ReadonlyArray<Wanted> =>
  minutes.map((number) => ({ workflow, partitionKey: minute(number) }))

// ------------------------------------------------------------------- moves

const start = ({ client, runs }: Stage, { partitionKey, workflow }: Wanted) =>
  Effect.tap(client.start(workflow, partitionKey === undefined ? {} : { partitionKey }), (runId) =>
    Effect.sync(() => runs.set(`${workflow}/${partitionKey}`, runId))
  )

const startAll = (stage: Stage, wanted: ReadonlyArray<Wanted>) =>
  Effect.forEach(wanted, (each) => start(stage, each), { concurrency: wanted.length })

/** Waits until each of the runs has started by itself, and answers their ids. */
const followers = ({ feed, runs }: Stage, from: number, wanted: ReadonlyArray<Wanted>) =>
  feed.until(`${wanted.length} runs start by themselves`, from, (events) => {
    const found = wanted.flatMap(({ partitionKey, workflow }) =>
      events.flatMap(({ event }) =>
        event._tag === "RunRequested" &&
        event.trigger.type === "auto-materialize" &&
        event.workflow === workflow &&
        event.partitionKey === partitionKey
          ? [{ name: `${workflow}/${partitionKey}`, runId: event.runId }]
          : []
      )
    )
    if (found.length < wanted.length) return Option.none()
    for (const { name, runId } of found) runs.set(name, runId)
    return Option.some(found.map(({ runId }) => runId))
  })

const streamOf = (runId: string): string => `run-${runId}`
const isEnd = ({ event }: Seen): boolean =>
  event._tag === "RunSucceeded" || event._tag === "RunFailed" || event._tag === "RunCanceled"

const ended = ({ feed }: Stage, from: number, runIds: ReadonlyArray<string>) =>
  feed.until(`${runIds.length} runs end`, from, (events) => {
    const over = new Set(events.filter(isEnd).map(({ stream }) => stream))
    return runIds.every((runId) => over.has(streamOf(runId))) ? Option.some(undefined) : Option.none()
  })

/** Starts runs and waits for their ends. */
const runAll = Effect.fnUntraced(function* (stage: Stage, wanted: ReadonlyArray<Wanted>) {
  const from = stage.feed.count()
  yield* ended(stage, from, yield* startAll(stage, wanted))
})

/** Waits until the step executes and has read its first file. */
const midStep = Effect.fnUntraced(function* (stage: Stage, from: number, runId: string, stepId: string) {
  yield* stage.feed.until(`${stepId} starts`, from, (events) =>
    events.some(
      ({ event, stream }) => stream === streamOf(runId) && event._tag === "StepStarted" && event.stepId === stepId
    )
      ? Option.some(undefined)
      : Option.none()
  )
  yield* Effect.sleep(midStepMs)
})

const onDisk = (what: string, change: () => Promise<unknown>) =>
  Effect.tryPromise({ try: change, catch: (cause) => new DemoFailed({ message: `${what}: ${String(cause)}`, cause }) })

/** Deletes what the run's asset consists of: all its files, or the first whose key contains `only`. */
const destroy = Effect.fnUntraced(function* (
  stage: Stage,
  made: { readonly by: string; readonly minute: number; readonly assetId: string; readonly only?: string }
) {
  const runId = stage.runs.get(`${made.by}/${minute(made.minute)}`) ?? ""
  const files = (yield* stage.client.filesOf(runId, made.assetId)).filter(({ key }) => key.includes(made.only ?? ""))
  if (files.length === 0) return yield* new DemoFailed({ message: `run ${runId} made no file of ${made.assetId}` })
  for (const { key, store } of files) {
    yield* onDisk(`deleting ${store}/${key}`, () => rm(join(stage.storeFolder(store), key)))
  }
  const [file, ...more] = files
  const all = `all ${files.length} files of ${asset({ assetId: made.assetId, partitionKey: minute(made.minute) })}`
  yield* stage.hand(`deleted ${more.length === 0 ? `${file?.store}/${file?.key}` : all}`)
})

// -------------------------------------------------------------------- acts

/** A run more than expected is one that nobody should have started: a heal with the same bytes is no update. */
const allSucceeded = ({ runs, succeeded }: DemoTally, expected: number): Expectation => ({
  text: `${succeeded} of ${runs} runs ended well${runs === expected ? "" : `, and not ${expected}`}`,
  held: runs === expected && succeeded === runs
})

const healthy: Act = {
  title: "A quiet day",
  short: "a quiet day",
  about:
    "Two minutes of instrument data are generated. That they are ingested, and what was ingested published, nobody " +
    "asks for: each is an update of what comes next.",
  play: Effect.fnUntraced(function* (stage) {
    const from = stage.feed.count()
    const started = yield* startAll(stage, of(generator, 0, 1))
    const following = yield* followers(stage, from, [...of(ingest, 0, 1), ...of(publication, 0, 1)])
    yield* ended(stage, from, [...started, ...following])
    yield* runAll(stage, [{ workflow: dashboard }])
  }),
  expects: (tally) => [allSucceeded(tally, 7), expectNumber("losses", tally.losses, 0)]
}

const inboxFile: Act = {
  title: "An inbox CSV vanishes in the middle of an ingest",
  short: "inbox CSV gone mid-run",
  about: "normalize-inbox has read the first of three files when the second is deleted.",
  play: Effect.fnUntraced(function* (stage) {
    const from = stage.feed.count()
    const generated = yield* startAll(stage, of(generator, 2))
    const [ingested = ""] = yield* followers(stage, from, of(ingest, 2))
    yield* midStep(stage, from, ingested, "normalize-inbox")
    yield* destroy(stage, { by: generator, minute: 2, assetId: "observatory.inbox.csv", only: "_bravo_" })
    const published = yield* followers(stage, from, of(publication, 2))
    yield* ended(stage, from, [...generated, ingested, ...published])
  }),
  expects: (tally) => [
    allSucceeded(tally, 3),
    expectNumber("losses", tally.losses, 1),
    expectNumber("recoveries", tally.recoveries, 1),
    expectProducers(tally.producers, ["generate"])
  ]
}

const partition: Act = {
  title: "A timestore partition is deleted",
  short: "timestore partition gone",
  about:
    "The dashboard needs every partition: it waits while the loader makes the lost one again. The bytes are the same, " +
    "so nothing is published anew.",
  play: Effect.fnUntraced(function* (stage) {
    yield* destroy(stage, { by: ingest, minute: 1, assetId: "observatory.timeseries.timestore", only: "alpha" })
    yield* runAll(stage, [{ workflow: dashboard }])
  }),
  expects: (tally) => [
    allSucceeded(tally, 1),
    expectNumber("losses", tally.losses, 1),
    expectNumber("recoveries", tally.recoveries, 1),
    expectProducers(tally.producers, ["load-timestore"])
  ]
}

const chain: Act = {
  title: "Four levels at once",
  short: "four levels gone",
  about:
    "publish-reports is at work when its plots go, and everything that they were made from. So much of one store " +
    "at once could be the store itself, which is given time to settle before anything is made.",
  play: Effect.fnUntraced(function* (stage) {
    const from = stage.feed.count()
    const runId = yield* start(stage, { workflow: publication, partitionKey: minute(0) })
    yield* midStep(stage, from, runId, "publish-reports")
    yield* Effect.forEach(
      [
        { by: publication, assetId: "observatory.visualizations.minute" },
        { by: ingest, assetId: "observatory.timeseries.timestore" },
        { by: ingest, assetId: "observatory.inbox.normalized" },
        { by: generator, assetId: "observatory.inbox.csv" }
      ],
      (made) => destroy(stage, { ...made, minute: 0 })
    )
    yield* ended(stage, from, [runId])
  }),
  expects: (tally) => [
    allSucceeded(tally, 1),
    expectNumber("losses", tally.losses, 4),
    expectNumber("recoveries", tally.recoveries, 4),
    expectProducers(tally.producers, ["generate", "normalize-inbox", "load-timestore", "generate-plots"])
  ]
}

const outage: Act = {
  title: "The whole object store is away",
  short: "store away, nothing lost",
  about: "Ingests are at work, publications and the dashboard begin. Nothing is lost, so nothing may be made again.",
  play: Effect.fnUntraced(function* (stage) {
    const from = stage.feed.count()
    const generated = yield* startAll(stage, of(generator, 3, 4, 5))
    const ingests = yield* followers(stage, from, of(ingest, 3, 4, 5))
    yield* Effect.forEach(ingests, (runId) => midStep(stage, from, runId, "normalize-inbox"), { concurrency: 3 })
    const lake = stage.storeFolder("lake")
    yield* onDisk("renaming the lake", () => rename(lake, `${lake}-away`))
    yield* stage.hand("renamed the folder of store lake: it is gone as a whole")
    const others = yield* startAll(stage, [...of(publication, 1, 2), { workflow: dashboard }])
    const runIds = [...ingests, ...others]
    yield* stage.feed.until("every run waits for the store", from, (events) => {
      const waiting = new Set(events.filter(waitsForStore).map(({ stream }) => stream))
      return runIds.every((runId) => waiting.has(streamOf(runId))) ? Option.some(undefined) : Option.none()
    })
    yield* Effect.sleep(outageMs)
    yield* onDisk("renaming the lake back", () => rename(`${lake}-away`, lake))
    yield* stage.hand("renamed it back")
    const published = yield* followers(stage, from, of(publication, 3, 4, 5))
    yield* ended(stage, from, [...generated, ...runIds, ...published])
  }),
  expects: (tally) => [
    allSucceeded(tally, 12),
    expectNumber("losses", tally.losses, 0),
    expectNumber("recoveries", tally.recoveries, 0),
    expectNumber("producer runs", tally.producerRuns, 0),
    expectNumber("steps waited for the store", tally.waitedForStore, 6)
  ]
}

const waitsForStore = ({ event }: Seen): boolean => event._tag === "StepSuspended" && event.waitingFor.type === "store"

export const acts: ReadonlyArray<Act> = [healthy, inboxFile, partition, chain, outage]

/** Milliseconds since `startedAt` by the clock of this process. */
export const sinceMs = (startedAt: number): Effect.Effect<number> =>
  Effect.map(Clock.currentTimeMillis, (now) => now - startedAt)
