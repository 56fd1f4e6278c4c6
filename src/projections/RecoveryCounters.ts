import { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import type { Stored } from "../domain/recovery/RecoveryEvents.ts"
import * as Columns from "./Columns.ts"
import type { LogEvent } from "./Projection.ts"
import type { Row } from "./RecoveryRows.ts"

/** Upper bounds of the duration histogram's buckets, in seconds. */
export const bucketsSeconds: ReadonlyArray<number> = [0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600]

/** `duration`: in which bucket each ended recovery fell, by the bound's text; `duration_ms`: their sum. */
type Metric = "attempts" | "ended" | "failures" | "duration" | "duration_ms"

/** What a batch adds to each counter, by metric, class and outcome. */
export interface Counters {
  readonly added: Map<string, { readonly labels: readonly [Metric, string, string]; value: number }>
}

export const make = (): Counters => ({ added: new Map() })

const add = ({ added }: Counters, metric: Metric, recoveryClass: string, outcome: string, value = 1): void => {
  const key = `${metric}\n${recoveryClass}\n${outcome}`
  const entry = added.get(key)
  if (entry === undefined) added.set(key, { labels: [metric, recoveryClass, outcome], value })
  else entry.value += value
}

const bucketOf = (seconds: number): string => String(bucketsSeconds.find((bound) => seconds <= bound) ?? "+Inf")

/** Counts one event, after the fold. */
export const count = (counters: Counters, row: Row, event: LogEvent): void => {
  const recoveryClass = row.class ?? "none"
  switch (event.type as Stored["_tag"]) {
    case "RecoveryAttemptFailed":
      add(counters, "attempts", recoveryClass, "failed")
      return
    case "RecoverySucceeded":
      // Copied back or found: no producer ran, so no attempt has ended.
      if (row.via === "producer") add(counters, "attempts", recoveryClass, "succeeded")
      end(counters, row)
      return
    case "RecoveryFailed":
      add(counters, "failures", "", row.reasonCode ?? "")
      end(counters, row)
      return
    default:
      return
  }
}

const end = (counters: Counters, row: Row): void => {
  const durationMs = Math.max(0, (row.finishedAt ?? row.requestedAt) - row.requestedAt)
  add(counters, "ended", "", row.status)
  add(counters, "duration", "", bucketOf(durationMs / 1000))
  add(counters, "duration_ms", "", "", durationMs)
}

/** Adds the batch to the table: one statement. */
export const write = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, { added }: Counters) {
  if (added.size === 0) return
  const entries = [...added.values()]
  yield* sql`
    INSERT INTO recovery_list_v1_counters (metric, class, outcome, value)
    SELECT metric, class, outcome, value
    FROM unnest(
      ${Columns.text(entries.map(({ labels }) => labels[0]))}, ${Columns.text(entries.map(({ labels }) => labels[1]))},
      ${Columns.text(entries.map(({ labels }) => labels[2]))}, ${Columns.int8(entries.map(({ value }) => value))})
      AS added (metric, class, outcome, value)
    ON CONFLICT (metric, class, outcome) DO UPDATE SET value = recovery_list_v1_counters.value + excluded.value`
})
