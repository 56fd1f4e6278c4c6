import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as Attention from "../domain/Attention.ts"
import * as MaterializationEvents from "../domain/materialization/MaterializationEvents.ts"
import * as Notification from "../domain/Notification.ts"
import type { Stored } from "../domain/run/RunEvents.ts"
import * as Columns from "./Columns.ts"
import { type Handler, type LogEvent, type Projection, unknownType } from "./Projection.ts"
import { isKnown } from "./RunFold.ts"

/**
 * What operators should hear of, the same that channels are told: steps that failed for good, runs that a restart cut off,
 * and what needs attention. Version 1 knew only runs; its rows are among those of this one, with the same ids, and so the
 * tables are the same.
 */
export const Notifications: Projection = {
  name: "notifications_v2",
  categories: ["run", "materialization", "attention"],
  tables: ["notifications_v1", "notifications_v1_interrupted"],
  make: () => make()
}

export type { Kind } from "../domain/Notification.ts"
export { interruptedId } from "../domain/Notification.ts"

const types: Readonly<Record<string, (type: string) => boolean>> = {
  run: isKnown,
  materialization: (type) => type in MaterializationEvents.Event.cases,
  attention: (type) => type in Attention.Event.cases
}

interface Row extends Notification.Note {
  readonly recoveryId: string | null
}

/** A run that a process's restart cut off. */
interface Interrupted {
  readonly processId: string
  readonly runId: string
  /** Of the event that said so first. */
  readonly position: string
  /** What became of the run; null: it goes on. Cut off once more, it is open again. */
  outcome: string | null
}

type Data<Tag extends Stored["_tag"]> = Extract<Stored, { readonly _tag: Tag }>

const make = (): Handler => {
  // Interrupted runs that have not ended; null: not read yet. It saves a query for every batch with ended runs.
  let open: Set<string> | null = null

  const handle = Effect.fnUntraced(function* (events: ReadonlyArray<LogEvent>) {
    const sql = yield* SqlClient.SqlClient
    const going = open ?? new Set(yield* readOpen(sql))
    open = going
    const rows = new Map<string, Row>()
    for (const event of events) {
      if (types[event.category]?.(event.type) !== true) throw unknownType(event)
      const row = rowOf(event)
      if (row !== null && !rows.has(row.id)) rows.set(row.id, row)
    }
    if (rows.size > 0) yield* writeRows(sql, [...rows.values()])
    yield* followInterrupted(sql, events, going)
  })
  const forget = () => {
    open = null
  }
  return { handle, forget }
}

/** Notes which runs were cut off, and what became of those that had been; `open` are those without an outcome. */
const followInterrupted = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  events: ReadonlyArray<LogEvent>,
  open: Set<string>
) {
  const cut = new Set(events.filter(({ type }) => type === "RunInterrupted").map(({ id }) => id))
  const concerned = new Set([
    ...cut,
    ...events.filter(({ id, type }) => open.has(id) && outcomes.has(type)).map(({ id }) => id)
  ])
  if (concerned.size === 0) return
  const found = new Map<string, Map<string, Interrupted>>()
  const ofRun = (runId: string) => {
    const ofIt = found.get(runId) ?? new Map<string, Interrupted>()
    found.set(runId, ofIt)
    return ofIt
  }
  for (const row of yield* readInterrupted(sql, [...concerned])) ofRun(row.runId).set(row.processId, { ...row })
  for (const event of events) {
    if (!concerned.has(event.id)) continue
    const ofIt = ofRun(event.id)
    if (event.type === "RunInterrupted") {
      const { processId } = event.data<Data<"RunInterrupted">>()
      const position = ofIt.get(processId)?.position ?? event.recorded.position
      ofIt.set(processId, { processId, runId: event.id, position, outcome: null })
      open.add(event.id)
    }
    const outcome = outcomes.get(event.type)
    if (outcome === undefined) continue
    for (const row of ofIt.values()) row.outcome ??= outcome
    open.delete(event.id)
  }
  yield* writeInterrupted(
    sql,
    [...found.values()].flatMap((ofIt) => [...ofIt.values()])
  )
})

/** What became of an interrupted run, by the type of its last event. */
const outcomes: ReadonlyMap<string, string> = new Map([
  ["RunSucceeded", "recovered"],
  ["RunFailed", "failed"],
  ["RunCanceled", "canceled"]
])

const rowOf = (event: LogEvent): Row | null => {
  const { at, id, recorded, type } = event
  const note = Notification.of({ type, id, at, position: recorded.position, data: <A>() => event.data<A>() })
  return note === null ? null : { ...note, recoveryId: null }
}

const readOpen = (sql: SqlClient.SqlClient) =>
  Effect.map(
    sql<{ runId: string }>`SELECT run_id AS "runId" FROM notifications_v1_interrupted WHERE outcome IS NULL`,
    (rows) => rows.map(({ runId }) => runId)
  )

const writeRows = (sql: SqlClient.SqlClient, rows: ReadonlyArray<Row>) => sql`
  INSERT INTO notifications_v1 (id, kind, message, run_id, recovery_id, step_id, at, data)
  SELECT id, kind, message, run_id, recovery_id, step_id, at, data::json
  FROM unnest(
    ${Columns.text(rows.map(({ id }) => id))}, ${Columns.text(rows.map(({ kind }) => kind))},
    ${Columns.text(rows.map(({ message }) => message))}, ${Columns.text(rows.map(({ runId }) => runId))},
    ${Columns.text(rows.map(({ recoveryId }) => recoveryId))}, ${Columns.text(rows.map(({ stepId }) => stepId))},
    ${Columns.time(rows.map(({ at }) => at))}, ${Columns.text(rows.map(({ data }) => JSON.stringify(data)))})
    AS noted (id, kind, message, run_id, recovery_id, step_id, at, data)
  -- A restart's summary is there from the first run that it cut off.
  ON CONFLICT (id) DO NOTHING`

const readInterrupted = (sql: SqlClient.SqlClient, runIds: ReadonlyArray<string>) => sql<Interrupted>`
  SELECT process_id AS "processId", run_id AS "runId", position, outcome
  FROM notifications_v1_interrupted WHERE run_id = ANY(${Columns.text(runIds)})`

const writeInterrupted = (sql: SqlClient.SqlClient, rows: ReadonlyArray<Interrupted>) => sql`
  INSERT INTO notifications_v1_interrupted (process_id, run_id, position, outcome)
  SELECT process_id, run_id, position, outcome
  FROM unnest(
    ${Columns.text(rows.map(({ processId }) => processId))}, ${Columns.text(rows.map(({ runId }) => runId))},
    ${Columns.text(rows.map(({ position }) => position))}, ${Columns.text(rows.map(({ outcome }) => outcome))})
    AS cut (process_id, run_id, position, outcome)
  ON CONFLICT (process_id, run_id) DO UPDATE SET outcome = excluded.outcome`
