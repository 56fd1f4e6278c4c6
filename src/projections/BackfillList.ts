import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Event, type Stored } from "../domain/backfill/BackfillEvents.ts"
import * as BackfillRows from "./BackfillRows.ts"
import { type Handler, type LogEvent, type Projection, unknownType } from "./Projection.ts"

/** The backfills as lists show them. */
export const BackfillList: Projection = {
  name: "backfill_list_v1",
  categories: ["backfill"],
  tables: ["backfill_list_v1", "backfill_list_v1_failures"],
  make: () => handler
}

const known: ReadonlySet<string> = new Set(Object.keys(Event.cases))

type Data<Tag extends Stored["_tag"]> = Extract<Stored, { readonly _tag: Tag }>
type Failures = Map<string, BackfillRows.Failure>

const handler: Handler = {
  handle: Effect.fnUntraced(function* (events: ReadonlyArray<LogEvent>) {
    const sql = yield* SqlClient.SqlClient
    const ids = new Set(events.map(({ id }) => id))
    const rows = new Map((yield* BackfillRows.read(sql, [...ids])).map((row) => [row.id, row]))
    const ended = events.filter(({ type }) => type === "BackfillRunEnded")
    const runIds = ended.map((event) => event.data<Data<"BackfillRunEnded">>().runId)
    const failures: Failures = new Map(
      (yield* BackfillRows.readFailures(sql, [...ids], runIds)).map((failure) => [keyOf(failure), failure])
    )
    for (const event of events) {
      if (!known.has(event.type)) throw unknownType(event)
      const after = evolve(rows.get(event.id), event, failures)
      if (after !== undefined) rows.set(event.id, after)
    }
    yield* BackfillRows.write(sql, [...rows.values()])
    yield* BackfillRows.writeFailures(sql, [...failures.values()])
  }),
  // Nothing is kept between batches.
  forget: () => {}
}

const keyOf = ({ id, runId }: { readonly id: string; readonly runId: string }): string => `${id}/${runId}`

/** A backfill's first event is its request; undefined for what comes without one. */
const evolve = (
  row: BackfillRows.Row | undefined,
  event: LogEvent,
  failures: Failures
): BackfillRows.Row | undefined => {
  if (event.type === "BackfillRequested") return requested(event)
  if (row === undefined) return undefined
  switch (event.type as Exclude<Stored["_tag"], "BackfillRequested">) {
    case "BackfillRunsStarted": {
      const { count, from } = event.data<Data<"BackfillRunsStarted">>()
      return { ...row, started: from + count }
    }
    case "BackfillRunEnded":
      return ended(row, event, failures)
    case "BackfillPaused":
      return { ...row, status: "paused" }
    case "BackfillResumed":
      return { ...row, status: "running" }
    case "BackfillCanceled":
      return { ...row, status: "canceling" }
    case "BackfillFinished": {
      const { canary = null, status } = event.data<Data<"BackfillFinished">>()
      return { ...row, status, failedCanary: canary, finishedAt: event.at }
    }
  }
}

const ended = (row: BackfillRows.Row, event: LogEvent, failures: Failures): BackfillRows.Row => {
  const { outcome, runId } = event.data<Data<"BackfillRunEnded">>()
  const key = keyOf({ id: event.id, runId })
  const before = failures.get(key)?.outcome ?? null
  // A run that had failed was recovered, and ends once more.
  const fresh = before === null ? row : { ...row, [before]: row[before] - 1 }
  const isFailure = outcome === "failed" || outcome === "canceled"
  if (isFailure || before !== null) failures.set(key, { id: event.id, runId, outcome: isFailure ? outcome : null })
  return { ...fresh, [outcome]: fresh[outcome] + 1 }
}

const requested = (event: LogEvent): BackfillRows.Row => {
  const {
    assetId = null,
    canary,
    concurrency,
    onlyMissing,
    reason,
    total,
    workflow
  } = event.data<Data<"BackfillRequested">>()
  return {
    ...{ id: event.id, workflow, assetId, status: "running", reason, concurrency, canary, onlyMissing, total },
    ...{ started: 0, succeeded: 0, failed: 0, canceled: 0, skipped: 0, failedCanary: null },
    ...{ requestedAt: event.at, finishedAt: null }
  }
}
