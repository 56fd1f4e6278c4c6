import { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import type { Stored } from "../domain/run/RunEvents.ts"
import * as Columns from "./Columns.ts"
import type { LogEvent } from "./Projection.ts"
import type { Row } from "./RunFold.ts"

/** What a batch adds to each counter, by metric, workflow, outcome and trigger. */
export interface Counters {
  readonly added: Map<string, { readonly labels: readonly [string, string, string, string]; value: number }>
}

export const make = (): Counters => ({ added: new Map() })

const add = ({ added }: Counters, metric: "steps" | "runs", workflow: string, outcome: string, trigger: string) => {
  const key = `${metric}\n${workflow}\n${outcome}\n${trigger}`
  const entry = added.get(key)
  if (entry === undefined) added.set(key, { labels: [metric, workflow, outcome, trigger], value: 1 })
  else entry.value++
}

/** Counts one event of a run, after the fold. */
export const count = (counters: Counters, row: Row, event: LogEvent): void => {
  const outcome = outcomeOf(event)
  if (outcome !== null)
    add(counters, outcome.metric, row.workflow, outcome.outcome, outcome.metric === "runs" ? row.trigger.type : "")
}

const step = (outcome: string) => ({ metric: "steps" as const, outcome })
const run = (outcome: string) => ({ metric: "runs" as const, outcome })

const outcomeOf = (event: LogEvent) => {
  switch (event.type as Stored["_tag"]) {
    case "StepSucceeded":
      return step("succeeded")
    case "StepFailed":
      return event.data<{ readonly final: boolean }>().final ? step("failed") : null
    case "StepRetryScheduled":
      return step("retried")
    case "StepSuspended":
      return step("suspended")
    case "StepSkipped":
      return step("skipped")
    case "RunSucceeded":
      return run("succeeded")
    case "RunFailed":
      return run("failed")
    case "RunCanceled":
      return run("canceled")
    default:
      return null
  }
}

/** Adds the batch to the table: one statement. */
export const write = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, { added }: Counters) {
  if (added.size === 0) return
  const entries = [...added.values()]
  yield* sql`
    INSERT INTO run_list_v1_counters (metric, workflow, outcome, trigger, value)
    SELECT metric, workflow, outcome, trigger, value
    FROM unnest(
      ${Columns.text(entries.map(({ labels }) => labels[0]))}, ${Columns.text(entries.map(({ labels }) => labels[1]))},
      ${Columns.text(entries.map(({ labels }) => labels[2]))}, ${Columns.text(entries.map(({ labels }) => labels[3]))},
      ${Columns.int8(entries.map(({ value }) => value))}) AS added (metric, workflow, outcome, trigger, value)
    ON CONFLICT (metric, workflow, outcome, trigger) DO UPDATE SET value = run_list_v1_counters.value + excluded.value`
})
