import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Event, type Stored } from "../domain/materialization/MaterializationEvents.ts"
import * as Columns from "./Columns.ts"
import { type Handler, type LogEvent, type Projection, unknownType } from "./Projection.ts"

/** Which partitions of a workflow have automatic runs, and how many of them came to what (F62). */
export const MaterializationList: Projection = {
  name: "materialization_list_v1",
  categories: ["materialization"],
  tables: ["materialization_list_v1", "materialization_list_v1_counters"],
  make: () => handler
}

interface Row {
  readonly id: string
  readonly workflow: string
  readonly partitionKey: string
  readonly wantedReason: string | null
  readonly startedReason: string | null
  readonly position: string
}

type Data<Tag extends Stored["_tag"]> = Extract<Stored, { readonly _tag: Tag }>

const known: ReadonlySet<string> = new Set(Object.keys(Event.cases))

const handler: Handler = {
  handle: Effect.fnUntraced(function* (events: ReadonlyArray<LogEvent>) {
    const sql = yield* SqlClient.SqlClient
    const ids = [...new Set(events.map(({ id }) => id))]
    const rows = new Map((yield* read(sql, ids)).map((row) => [row.id, row]))
    const counters = new Map<string, readonly [reason: string, outcome: string, value: number]>()
    for (const event of events) {
      if (!known.has(event.type)) throw unknownType(event)
      const row = evolve(rows.get(event.id), event)
      if (row === undefined) continue
      rows.set(event.id, row)
      const [reason, outcome] = counted(row, event) ?? []
      if (reason === undefined || outcome === undefined) continue
      const key = `${reason}\n${outcome}`
      counters.set(key, [reason, outcome, (counters.get(key)?.[2] ?? 0) + 1])
    }
    yield* write(sql, [...rows.values()])
    if (counters.size > 0) yield* count(sql, [...counters.values()])
  }),
  // Nothing is kept between batches.
  forget: () => {}
}

/** The first event of a stream names its workflow and partition; undefined for what comes without one. */
const evolve = (before: Row | undefined, event: LogEvent): Row | undefined => {
  const { position } = event.recorded
  switch (event.type as Stored["_tag"]) {
    case "MaterializationRequested": {
      const { cause, ...subject } = event.data<Data<"MaterializationRequested">>()
      return { ...named(before, event, subject), wantedReason: cause.reason, position }
    }
    case "MaterializationStarted": {
      const { cause, ...subject } = event.data<Data<"MaterializationStarted">>()
      return { ...named(before, event, subject), startedReason: cause.reason, position }
    }
    case "MaterializationSkipped":
      return { ...named(before, event, event.data<Data<"MaterializationSkipped">>()), position }
    case "MaterializationHeld":
    case "MaterializationLaunched":
    case "MaterializationEnded":
      return before === undefined ? undefined : { ...before, position }
  }
}

const named = (
  before: Row | undefined,
  event: LogEvent,
  { partitionKey, workflow }: Pick<Row, "partitionKey" | "workflow">
): Row =>
  before ?? {
    ...{ id: event.id, workflow, partitionKey, wantedReason: null, startedReason: null },
    position: event.recorded.position
  }

/** What the event adds to: why the run was to start, and what came of it. */
const counted = (row: Row, event: LogEvent): readonly [string, string] | undefined => {
  switch (event.type as Stored["_tag"]) {
    case "MaterializationStarted":
      return [row.startedReason ?? "", "started"]
    case "MaterializationSkipped":
      return [event.data<Data<"MaterializationSkipped">>().cause.reason, "skipped"]
    case "MaterializationHeld":
      return [
        row.wantedReason ?? row.startedReason ?? "",
        event.data<Data<"MaterializationHeld">>().by.replace("-", "_")
      ]
    case "MaterializationEnded":
      return [row.startedReason ?? "", event.data<Data<"MaterializationEnded">>().outcome]
    case "MaterializationRequested":
    case "MaterializationLaunched":
      return undefined
  }
}

const read = (sql: SqlClient.SqlClient, ids: ReadonlyArray<string>) => sql<Row>`
  SELECT id, workflow, partition_key AS "partitionKey", wanted_reason AS "wantedReason",
    started_reason AS "startedReason", position
  FROM materialization_list_v1 WHERE id = ANY(${Columns.text(ids)})`

const write = (sql: SqlClient.SqlClient, rows: ReadonlyArray<Row>) => sql`
  INSERT INTO materialization_list_v1 (id, workflow, partition_key, wanted_reason, started_reason, position)
  SELECT id, workflow, partition_key, wanted_reason, started_reason, position
  FROM unnest(
    ${Columns.text(rows.map(({ id }) => id))}, ${Columns.text(rows.map(({ workflow }) => workflow))},
    ${Columns.text(rows.map(({ partitionKey }) => partitionKey))},
    ${Columns.text(rows.map(({ wantedReason }) => wantedReason))},
    ${Columns.text(rows.map(({ startedReason }) => startedReason))},
    ${Columns.text(rows.map(({ position }) => position))})
    AS materialization (id, workflow, partition_key, wanted_reason, started_reason, position)
  ON CONFLICT (id) DO UPDATE SET wanted_reason = excluded.wanted_reason,
    started_reason = excluded.started_reason, position = excluded.position`

const count = (
  sql: SqlClient.SqlClient,
  entries: ReadonlyArray<readonly [reason: string, outcome: string, value: number]>
) => sql`
  INSERT INTO materialization_list_v1_counters (reason, outcome, value)
  SELECT reason, outcome, value
  FROM unnest(
    ${Columns.text(entries.map(([reason]) => reason))}, ${Columns.text(entries.map(([, outcome]) => outcome))},
    ${Columns.int8(entries.map(([, , value]) => value))}) AS added (reason, outcome, value)
  ON CONFLICT (reason, outcome) DO UPDATE SET value = materialization_list_v1_counters.value + excluded.value`
