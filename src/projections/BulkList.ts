import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Event, type Stored } from "../domain/bulk/BulkEvents.ts"
import * as BulkRows from "./BulkRows.ts"
import { type Handler, type LogEvent, type Projection, unknownType } from "./Projection.ts"

/** The bulk operations as lists show them. */
export const BulkList: Projection = {
  name: "bulk_list_v1",
  categories: ["bulk"],
  tables: ["bulk_list_v1"],
  make: () => handler
}

const known: ReadonlySet<string> = new Set(Object.keys(Event.cases))

type Data<Tag extends Stored["_tag"]> = Extract<Stored, { readonly _tag: Tag }>

const handler: Handler = {
  handle: Effect.fnUntraced(function* (events: ReadonlyArray<LogEvent>) {
    const sql = yield* SqlClient.SqlClient
    const ids = new Set(events.map(({ id }) => id))
    const rows = new Map((yield* BulkRows.read(sql, [...ids])).map((row) => [row.id, row]))
    for (const event of events) {
      if (!known.has(event.type)) throw unknownType(event)
      const after = evolve(rows.get(event.id), event)
      if (after !== undefined) rows.set(event.id, after)
    }
    yield* BulkRows.write(sql, [...rows.values()])
  }),
  // Nothing is kept between batches.
  forget: () => {}
}

/** An operation's first event is its request; undefined for what comes without one. */
const evolve = (row: BulkRows.Row | undefined, event: LogEvent): BulkRows.Row | undefined => {
  if (event.type === "BulkRequested") return requested(event)
  if (row === undefined) return undefined
  switch (event.type as Exclude<Stored["_tag"], "BulkRequested">) {
    case "BulkItemsDone": {
      const { results } = event.data<Data<"BulkItemsDone">>()
      const next = { done: row.done, skipped: row.skipped, failed: row.failed }
      for (const { outcome } of results) next[outcome]++
      return { ...row, ...next }
    }
    case "BulkCanaryEnded":
      return row
    case "BulkCanceled":
      return { ...row, status: "canceling" }
    case "BulkEnded":
      return { ...row, status: event.data<Data<"BulkEnded">>().status, endedAt: event.at }
  }
}

const requested = (event: LogEvent): BulkRows.Row => {
  const { action, canary, principal = null, reason, target, total } = event.data<Data<"BulkRequested">>()
  return {
    ...{ id: event.id, target, action, status: "running", reason, principal, total, canary },
    ...{ done: 0, skipped: 0, failed: 0, requestedAt: event.at, endedAt: null }
  }
}
