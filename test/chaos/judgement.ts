import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as Database from "../../src/cli/Database.ts"
import * as Replayers from "../../src/cli/Replayers.ts"
import type { State } from "../../src/domain/run/RunState.ts"
import { statusOf } from "../../src/domain/run/RunView.ts"
import { EventStore, type Position, type RecordedEvent } from "../../src/eventstore/EventStore.ts"
import { ProjectionRunner } from "../../src/projections/ProjectionRunner.ts"
import { RunList } from "../../src/projections/RunList.ts"
import * as RunListQuery from "../../src/projections/RunListQuery.ts"
import type { Told } from "./clients.ts"
import { check } from "./invariants.ts"
import { duplicates, ledgerFaults, readLedger } from "./ledger.ts"

/** What a campaign's log shows. */
export interface Judgement {
  readonly faults: ReadonlyArray<string>
  readonly events: number
  readonly streams: number
  readonly runs: Readonly<Record<string, number>>
  /** Why runs failed, by failure code. */
  readonly failures: Readonly<Record<string, number>>
  readonly recoveries: Readonly<Record<string, number>>
  /** Runs that a restart found with attempts cut off, counted once a restart. */
  readonly interruptions: number
  /** Effects that happened once more than they had to, because a crash came before their record. */
  readonly duplicateEffects: number
}

/** The whole log, page by page. */
export const readLog = Effect.gen(function* () {
  const log = yield* EventStore
  const events: Array<RecordedEvent> = []
  let after: Position | null = null
  while (true) {
    const page: Effect.Success<ReturnType<typeof log.readAll>> = yield* log.readAll({ after, limit: 5_000 })
    events.push(...page.events)
    if (page.events.length === 0) return events
    after = page.next
  }
})

const streamLengths = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly name: string; readonly length: number }>`
    SELECT stream_name AS name, stream_version AS length FROM streams`
  return new Map(rows.map(({ length, name }) => [name, length]))
})

/** The status of every run: the list projection's, once it has caught up, and what the run's own events fold to. */
const listFaults = Effect.fnUntraced(function* (events: ReadonlyArray<RecordedEvent>) {
  const runner = yield* ProjectionRunner
  const log = yield* EventStore
  yield* runner.waitFor(yield* log.head, { name: RunList.name })
  const listed = new Map<string, string>()
  let cursor: string | undefined
  do {
    const page: Effect.Success<ReturnType<typeof RunListQuery.list>> = yield* RunListQuery.list(
      {},
      { limit: 200, ...(cursor === undefined ? {} : { cursor }) }
    )
    for (const { id, status } of page.data) listed.set(id, status)
    cursor = page.nextCursor ?? undefined
  } while (cursor !== undefined)

  const faults: Array<string> = []
  const statuses: Record<string, number> = {}
  for (const [runId, recorded] of Map.groupBy(
    events.filter(({ streamName }) => streamName.startsWith("run-")),
    ({ streamName }) => streamName.slice("run-".length)
  )) {
    const replayer = Replayers.of("run")!
    yield* replayer.feed(recorded)
    const status = statusOf(replayer.state() as State)
    statuses[status] = (statuses[status] ?? 0) + 1
    if (listed.get(runId) !== status) faults.push(`run-${runId}: is ${status}, and the list says ${listed.get(runId)}`)
    listed.delete(runId)
  }
  for (const runId of listed.keys()) faults.push(`run-${runId}: is in the list and not in the log`)
  return { faults, statuses }
})

/** What users were told is what the log says. */
const toldFaults = (told: Told, events: ReadonlyArray<RecordedEvent>): ReadonlyArray<string> => {
  const faults: Array<string> = []
  const asked = new Map<string, string>()
  const canceled = new Set<string>()
  for (const { payload, streamName, type } of events) {
    if (type === "RunCanceled") canceled.add(streamName.slice("run-".length))
    if (type !== "RunRequested") continue
    const { parameters, trigger } = JSON.parse(payload) as {
      readonly parameters: { readonly request?: string }
      readonly trigger: { readonly type: string }
    }
    if (trigger.type !== "manual" || parameters.request === undefined) continue
    const other = asked.get(parameters.request)
    if (other !== undefined) faults.push(`${streamName}: request ${parameters.request} has started ${other} already`)
    asked.set(parameters.request, streamName)
  }
  for (const runId of told.canceled) {
    if (!canceled.has(runId)) faults.push(`run-${runId}: its cancellation was acknowledged and is not in the log`)
  }
  return faults
}

const count = (events: ReadonlyArray<RecordedEvent>, wanted: string): number =>
  events.filter(({ type }) => type === wanted).length

/** Runs that failed in the end, by the code of their failure. */
const failuresOf = (events: ReadonlyArray<RecordedEvent>): Readonly<Record<string, number>> => {
  const failures: Record<string, number> = {}
  for (const { payload, type } of events) {
    if (type !== "RunFailed") continue
    const { failure } = JSON.parse(payload) as { readonly failure: { readonly code: string } }
    failures[failure.code] = (failures[failure.code] ?? 0) + 1
  }
  return failures
}

/**
 * `output_absent`: the harness deleted what had just been made again. `job_failed`: a flaky job used up its attempts. Any
 * other end of a run would be ours.
 */
const expectedFailures: ReadonlySet<string> = new Set(["output_absent", "job_failed"])

/** Reads a database that nobody serves any more, and holds its log against every invariant. */
export const judge = (options: { readonly dataDir: string; readonly ledgerFile: string; readonly told: Told }) =>
  Effect.gen(function* () {
    const { ledgerFile, told } = options
    const events = yield* readLog
    const lengths = yield* streamLengths
    const list = yield* listFaults(events)
    const ledger = readLedger(ledgerFile)
    const failures = failuresOf(events)
    const unexpected = Object.keys(failures).filter((code) => !expectedFailures.has(code))
    const faults = [
      ...unexpected.map((code) => `${failures[code]} runs failed with ${code}`),
      ...check({ events, acknowledged: [...told.acknowledged.keys()], isOver: true, lengths }),
      ...list.faults,
      ...toldFaults(told, events),
      ...ledgerFaults(ledger, events)
    ]
    return {
      faults,
      events: events.length,
      streams: lengths.size,
      runs: list.statuses,
      failures,
      recoveries: { succeeded: count(events, "RecoverySucceeded"), failed: count(events, "RecoveryFailed") },
      interruptions: count(events, "RunInterrupted"),
      duplicateEffects: duplicates(ledger)
    } satisfies Judgement
  }).pipe(Effect.provide(Database.layer({ kind: "embedded", dataDir: options.dataDir })), Effect.scoped)
