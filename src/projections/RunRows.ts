import { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import * as Columns from "./Columns.ts"
import * as RunFold from "./RunFold.ts"

/** A run in memory, and which table has it when the batch begins. */
export interface Tracked {
  readonly row: RunFold.Row
  stored: "nowhere" | "active" | "ended"
}

export interface DefinitionKey {
  readonly workflow: string
  readonly version: number
}

interface ReadRow {
  readonly id: string
  readonly workflow: string
  readonly version: number
  readonly partition_key: string | null
  readonly run_key: string | null
  readonly trigger: RunFold.Row["trigger"]
  readonly created_at: Date
  readonly started_at: Date | null
  readonly failure: RunFold.RunFailure | null
  readonly paused?: boolean
}

const rowOf = (read: ReadRow): RunFold.Row => ({
  id: read.id,
  workflow: read.workflow,
  version: read.version,
  partitionKey: read.partition_key,
  runKey: read.run_key,
  trigger: read.trigger,
  createdAt: read.created_at.getTime(),
  startedAt: read.started_at?.getTime() ?? null,
  finishedAt: null,
  ended: null,
  failure: read.failure,
  paused: read.paused ?? false,
  steps: {}
})

export const readActive = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, ids: ReadonlyArray<string>) {
  const rows = yield* sql<ReadRow & { readonly steps: Record<string, RunFold.Step> }>`
    SELECT id, workflow, version, partition_key, run_key, trigger, created_at, started_at, failure, paused, steps
    FROM run_list_v1_active WHERE id = ANY(${Columns.text(ids)})`
  return rows.map((read): Tracked => ({ row: { ...rowOf(read), steps: read.steps }, stored: "active" }))
})

/** Runs that have ended, without their steps: `RunRecovered` and `RunRestored` name them all. */
export const readEnded = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, ids: ReadonlyArray<string>) {
  const rows = yield* sql<ReadRow & { readonly status: NonNullable<RunFold.Row["ended"]>; readonly finished_at: Date }>`
    SELECT id, workflow, version, partition_key, run_key, trigger, created_at, started_at, failure, status, finished_at
    FROM run_list_v1_ended WHERE id = ANY(${Columns.text(ids)})`
  return rows.map((read): Tracked => {
    const row = { ...rowOf(read), ended: read.status, finishedAt: read.finished_at.getTime() }
    return { row, stored: "ended" }
  })
})

export const readGraphs = (sql: SqlClient.SqlClient, keys: ReadonlyArray<DefinitionKey>) =>
  sql<DefinitionKey & { readonly steps: RunFold.Graph }>`
    SELECT workflow, version, steps FROM run_list_v1_definitions
    WHERE (workflow, version) IN (
      SELECT needed.workflow, needed.version
      FROM unnest(${Columns.text(keys.map(({ workflow }) => workflow))},
        ${Columns.int4(keys.map(({ version }) => version))})
        AS needed (workflow, version))`

export const putGraphs = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  keys: ReadonlyArray<DefinitionKey>,
  graphs: ReadonlyMap<string, RunFold.Graph>
) {
  if (keys.length === 0) return
  const steps = keys.map(({ version, workflow }) => JSON.stringify(graphs.get(`${workflow}@${version}`) ?? []))
  yield* sql`
    INSERT INTO run_list_v1_definitions (workflow, version, steps)
    SELECT workflow, version, steps::json
    FROM unnest(
      ${Columns.text(keys.map(({ workflow }) => workflow))}, ${Columns.int4(keys.map(({ version }) => version))},
      ${Columns.text(steps)}) AS defined (workflow, version, steps)
    ON CONFLICT (workflow, version) DO NOTHING`
})

/** Notes which workflows are paused and which are no more, in this order. */
export const pause = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  workflows: ReadonlyArray<readonly [workflow: string, isPaused: boolean]>
) {
  for (const [workflow, isPaused] of new Map(workflows)) {
    yield* isPaused
      ? sql`INSERT INTO run_list_v1_paused (workflow) VALUES (${workflow}) ON CONFLICT DO NOTHING`
      : sql`DELETE FROM run_list_v1_paused WHERE workflow = ${workflow}`
  }
})

/** Brings the tables up to the rows in memory: at most four statements, whatever the number of runs. */
export const write = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  touched: ReadonlyArray<Tracked>,
  graphOf: (row: RunFold.Row) => RunFold.Graph
) {
  const reopened = touched.filter(({ stored }) => stored === "ended").map(({ row }) => row.id)
  if (reopened.length > 0) yield* sql`DELETE FROM run_list_v1_ended WHERE id = ANY(${Columns.text(reopened)})`

  const ended = touched.filter(({ row }) => row.ended !== null)
  if (ended.length > 0) yield* insertEnded(sql, ended)

  const goOn = touched.filter(({ row }) => row.ended === null)
  const [old, fresh] = [
    goOn.filter(({ stored }) => stored === "active"),
    goOn.filter(({ stored }) => stored !== "active")
  ]
  if (fresh.length > 0) yield* insertActive(sql, fresh, graphOf)
  if (old.length > 0) yield* updateActive(sql, old, graphOf)
  for (const run of touched) run.stored = run.row.ended === null ? "active" : "ended"
})

/** In one order, whichever event came first in which batch: a rebuilt row is the same text. */
const stepsJson = (steps: Readonly<Record<string, RunFold.Step>>): string => {
  const sorted: Record<string, RunFold.Step> = {}
  for (const id of Object.keys(steps).sort()) sorted[id] = steps[id]!
  return JSON.stringify(sorted)
}

const jsonOf = (value: unknown): string | null => (value === null ? null : JSON.stringify(value))

/** Columns that both tables have. */
const shared = (rows: ReadonlyArray<RunFold.Row>) => ({
  ids: Columns.text(rows.map(({ id }) => id)),
  workflows: Columns.text(rows.map(({ workflow }) => workflow)),
  versions: Columns.int4(rows.map(({ version }) => version)),
  statuses: Columns.text(rows.map(RunFold.statusOf)),
  partitionKeys: Columns.text(rows.map(({ partitionKey }) => partitionKey)),
  runKeys: Columns.text(rows.map(({ runKey }) => runKey)),
  triggers: Columns.text(rows.map(({ trigger }) => JSON.stringify(trigger))),
  created: Columns.time(rows.map(({ createdAt }) => createdAt)),
  started: Columns.time(rows.map(({ startedAt }) => startedAt)),
  failures: Columns.text(rows.map(({ failure }) => jsonOf(failure)))
})

const insertEnded = (sql: SqlClient.SqlClient, runs: ReadonlyArray<Tracked>) => {
  const rows = runs.map(({ row }) => row)
  const active = runs.filter(({ stored }) => stored === "active").map(({ row }) => row.id)
  const column = shared(rows)
  // No ON CONFLICT: it would log a second record for each row.
  return sql`
    WITH gone AS (DELETE FROM run_list_v1_active WHERE id = ANY(${Columns.text(active)}))
    INSERT INTO run_list_v1_ended
      (id, workflow, version, status, partition_key, run_key, trigger, created_at, started_at, finished_at, failure)
    SELECT id, workflow, version, status, partition_key, run_key, trigger::json, created_at, started_at, finished_at,
      failure::json
    FROM unnest(
      ${column.ids}, ${column.workflows}, ${column.versions}, ${column.statuses}, ${column.partitionKeys},
      ${column.runKeys}, ${column.triggers}, ${column.created}, ${column.started},
      ${Columns.time(rows.map(({ finishedAt }) => finishedAt))}, ${column.failures})
      AS ended (id, workflow, version, status, partition_key, run_key, trigger, created_at, started_at, finished_at,
        failure)`
}

/** Columns that change while a run goes on. */
const progress = (rows: ReadonlyArray<RunFold.Row>, graphOf: (row: RunFold.Row) => RunFold.Graph) => {
  const counts = rows.map((row) => RunFold.countsOf(row, graphOf(row)))
  return {
    steps: Columns.text(rows.map(({ steps }) => stepsJson(steps))),
    waiting: Columns.int4(counts.map(({ waiting }) => waiting)),
    active: Columns.int4(counts.map(({ active }) => active)),
    retry: Columns.int4(counts.map(({ retry }) => retry)),
    recovery: Columns.int4(counts.map(({ recovery }) => recovery)),
    store: Columns.int4(counts.map(({ store }) => store)),
    input: Columns.int4(counts.map(({ input }) => input)),
    held: Columns.int4(counts.map(({ held }) => held)),
    paused: Columns.bool(rows.map(({ paused }) => paused)),
    waitingSince: Columns.time(counts.map(({ waitingSince }) => waitingSince))
  }
}

const insertActive = (
  sql: SqlClient.SqlClient,
  runs: ReadonlyArray<Tracked>,
  graphOf: (row: RunFold.Row) => RunFold.Graph
) => {
  const rows = runs.map(({ row }) => row)
  const column = { ...shared(rows), ...progress(rows, graphOf) }
  return sql`
    INSERT INTO run_list_v1_active
      (id, workflow, version, status, partition_key, run_key, trigger, created_at, started_at, failure, steps,
        waiting, active, retry, recovery, store, input, waiting_since, held, paused)
    SELECT id, workflow, version, status, partition_key, run_key, trigger::json, created_at, started_at,
      failure::json, steps::json, waiting, active, retry, recovery, store, input, waiting_since, held, paused
    FROM unnest(
      ${column.ids}, ${column.workflows}, ${column.versions}, ${column.statuses}, ${column.partitionKeys},
      ${column.runKeys}, ${column.triggers}, ${column.created}, ${column.started}, ${column.failures}, ${column.steps},
      ${column.waiting}, ${column.active}, ${column.retry}, ${column.recovery}, ${column.store}, ${column.input},
      ${column.waitingSince}, ${column.held}, ${column.paused})
      AS run (id, workflow, version, status, partition_key, run_key, trigger, created_at, started_at, failure, steps,
        waiting, active, retry, recovery, store, input, waiting_since, held, paused)`
}

const updateActive = (
  sql: SqlClient.SqlClient,
  runs: ReadonlyArray<Tracked>,
  graphOf: (row: RunFold.Row) => RunFold.Graph
) => {
  const rows = runs.map(({ row }) => row)
  const column = { ...shared(rows), ...progress(rows, graphOf) }
  return sql`
    UPDATE run_list_v1_active SET
      status = run.status, started_at = run.started_at, failure = run.failure::json, steps = run.steps::json,
      waiting = run.waiting, active = run.active, retry = run.retry, recovery = run.recovery, store = run.store,
      input = run.input, waiting_since = run.waiting_since,
      held = run.held, paused = run.paused
    FROM unnest(
      ${column.ids}, ${column.statuses}, ${column.started}, ${column.failures}, ${column.steps}, ${column.waiting},
      ${column.active}, ${column.retry}, ${column.recovery}, ${column.store}, ${column.input}, ${column.waitingSince},
      ${column.held}, ${column.paused})
      AS run (id, status, started_at, failure, steps, waiting, active, retry, recovery, store, input, waiting_since,
        held, paused)
    WHERE run_list_v1_active.id = run.id`
}
