import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Event, type Stored } from "../domain/materialization/MaterializationEvents.ts"
import * as Columns from "./Columns.ts"
import { type Handler, type LogEvent, type Projection, unknownType } from "./Projection.ts"

/** How many automatic runs started, ended, were held and were not started, and why (F62). */
export const MaterializationCounters: Projection = {
  name: "materialization_counters_v1",
  categories: ["materialization"],
  tables: ["materialization_counters_v1"],
  make: () => handler
}

type Data<Tag extends Stored["_tag"]> = Extract<Stored, { readonly _tag: Tag }>

/** The reason and the outcome that an event counts for; null: it counts for none. */
const countedAs = (event: LogEvent): readonly [reason: string, outcome: string] | null => {
  switch (event.type as Stored["_tag"]) {
    case "MaterializationStarted":
      return [event.data<Data<"MaterializationStarted">>().cause.reason, "started"]
    case "MaterializationEnded": {
      const { outcome, reason } = event.data<Data<"MaterializationEnded">>()
      return [reason, outcome]
    }
    case "MaterializationSkipped":
      return [event.data<Data<"MaterializationSkipped">>().cause.reason, "skipped"]
    case "MaterializationHeld":
      return [event.data<Data<"MaterializationHeld">>().by, "held"]
    case "MaterializationRequested":
    case "MaterializationLaunched":
      return null
  }
}

const known: ReadonlySet<string> = new Set(Object.keys(Event.cases))

const handler: Handler = {
  handle: Effect.fnUntraced(function* (events: ReadonlyArray<LogEvent>) {
    const added = new Map<string, { readonly labels: readonly [string, string]; value: number }>()
    for (const event of events) {
      if (!known.has(event.type)) throw unknownType(event)
      const labels = countedAs(event)
      if (labels === null) continue
      const entry = added.get(labels.join("\n"))
      if (entry === undefined) added.set(labels.join("\n"), { labels, value: 1 })
      else entry.value++
    }
    if (added.size === 0) return
    const entries = [...added.values()]
    const sql = yield* SqlClient.SqlClient
    yield* sql`
      INSERT INTO materialization_counters_v1 (reason, outcome, value)
      SELECT reason, outcome, value
      FROM unnest(
        ${Columns.text(entries.map(({ labels }) => labels[0]))}, ${Columns.text(entries.map(({ labels }) => labels[1]))},
        ${Columns.int8(entries.map(({ value }) => value))}) AS added (reason, outcome, value)
      ON CONFLICT (reason, outcome) DO UPDATE SET value = materialization_counters_v1.value + excluded.value`
  }),
  // Nothing is kept between batches.
  forget: () => {}
}
