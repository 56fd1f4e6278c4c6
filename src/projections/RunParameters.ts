import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { JsonObject } from "../domain/JsonBounds.ts"
import type { LogUnavailable } from "../eventstore/EventStore.ts"
import { available } from "./Available.ts"
import * as Columns from "./Columns.ts"

interface Row {
  readonly id: string
  readonly parameters: JsonObject | null
  readonly streamVersion: number
}

/** What a run was asked for with, and its stream's length as of now. */
export interface Asked {
  readonly parameters: JsonObject
  readonly streamVersion: number
}

/**
 * Of these runs, by id. They stand in the run's first event, as it was redacted since: a read model of them would
 * double what the log has, for lists alone.
 */
export const of = Effect.fnUntraced(function* (
  ids: ReadonlyArray<string>
): Effect.fn.Return<ReadonlyMap<string, Asked>, LogUnavailable, SqlClient.SqlClient> {
  if (ids.length === 0) return new Map()
  const sql = yield* SqlClient.SqlClient
  const streams = Columns.text(ids.map((id) => `run-${id}`))
  const rows = yield* available(sql<Row>`
    SELECT substr(s.stream_name, 5) AS id, e.payload -> 'parameters' AS parameters, s.stream_version AS "streamVersion"
    FROM streams s JOIN events e ON e.stream_id = s.stream_id AND e.stream_version = 1
    WHERE s.stream_name = ANY(${streams})`)
  return new Map(rows.map(({ id, parameters, streamVersion }) => [id, { parameters: parameters ?? {}, streamVersion }]))
})
