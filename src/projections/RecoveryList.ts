import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Event, type Stored } from "../domain/recovery/RecoveryEvents.ts"
import { type LogEvent, type Handler, type Projection, unknownType } from "./Projection.ts"
import * as RecoveryCounters from "./RecoveryCounters.ts"
import * as RecoveryRows from "./RecoveryRows.ts"

/** The recoveries as lists show them, and counters that survive restarts. */
export const RecoveryList: Projection = {
  name: "recovery_list_v1",
  categories: ["recovery"],
  tables: ["recovery_list_v1", "recovery_list_v1_counters"],
  make: () => handler
}

const known: ReadonlySet<string> = new Set(Object.keys(Event.cases))

const handler: Handler = {
  handle: Effect.fnUntraced(function* (events: ReadonlyArray<LogEvent>) {
    const sql = yield* SqlClient.SqlClient
    const ids = new Set(events.map(({ id }) => id))
    const rows = new Map((yield* RecoveryRows.read(sql, [...ids])).map((row) => [row.id, row]))
    const counters = RecoveryCounters.make()
    for (const event of events) {
      if (!known.has(event.type)) throw unknownType(event)
      const before = rows.get(event.id)
      const after = evolve(before, event)
      if (after === undefined) continue
      rows.set(event.id, after)
      RecoveryCounters.count(counters, after, event)
    }
    yield* RecoveryRows.write(sql, [...rows.values()])
    yield* RecoveryCounters.write(sql, counters)
  }),
  // Nothing is kept between batches.
  forget: () => {}
}

type Data<Tag extends Stored["_tag"]> = Extract<Stored, { readonly _tag: Tag }>

/** A recovery's first event is its request; undefined for what comes without one. */
const evolve = (row: RecoveryRows.Row | undefined, event: LogEvent): RecoveryRows.Row | undefined => {
  if (event.type === "RecoveryRequested") return requested(row, event)
  if (row === undefined) return undefined
  switch (event.type as Exclude<Stored["_tag"], "RecoveryRequested">) {
    case "RecoveryWaiterJoined":
      return { ...row, waiterCount: row.waiterCount + 1 }
    case "RecoveryPlanned": {
      const { class: recoveryClass, maxAttempts, rootCause } = event.data<Data<"RecoveryPlanned">>()
      return { ...row, status: "planned", class: recoveryClass, rootCause, maxAttempts }
    }
    case "RecoveryScheduled": {
      const { attempt, producerRunId = null } = event.data<Data<"RecoveryScheduled">>()
      return { ...row, status: "running", backingOff: false, attempts: attempt, producerRunId }
    }
    case "RecoveryAttemptFailed":
      return { ...row, backingOff: true, failure: event.data<Data<"RecoveryAttemptFailed">>().failure }
    case "RecoverySucceeded": {
      const { contentChanged, generation, via } = event.data<Data<"RecoverySucceeded">>()
      return {
        ...row,
        status: "succeeded",
        backingOff: false,
        paused: false,
        via,
        generation,
        contentChanged,
        finishedAt: event.at
      }
    }
    case "RecoveryFailed": {
      const { failure, reasonCode, rootCause } = event.data<Data<"RecoveryFailed">>()
      return {
        ...row,
        status: reasonCode === "canceled" ? "canceled" : "failed",
        backingOff: false,
        paused: false,
        reasonCode,
        failure,
        rootCause: rootCause ?? row.rootCause,
        finishedAt: event.at
      }
    }
    case "RecoveryPaused":
      return { ...row, paused: true }
    case "RecoveryResumed":
      return { ...row, paused: false }
    case "RecoveryWaitersReleased":
      return { ...row, released: event.data<Data<"RecoveryWaitersReleased">>().released }
    case "RecoveryParentSettled":
    case "RecoveryAttemptStarted":
    case "RecoveryProducerEnded":
      return row
  }
}

/** Opened, or opened afresh with a new budget. */
const requested = (row: RecoveryRows.Row | undefined, event: LogEvent): RecoveryRows.Row => {
  const { assetId, lostGeneration, partitionKey, round } = event.data<Data<"RecoveryRequested">>()
  return {
    ...{
      id: event.id,
      assetId,
      partitionKey,
      lostGeneration,
      round,
      status: "requested",
      backingOff: false,
      paused: false
    },
    ...{ class: null, attempts: 0, maxAttempts: 3, waiterCount: 0, released: 0, reasonCode: null, failure: null },
    ...{ rootCause: null, producerRunId: row?.producerRunId ?? null, via: null, generation: null },
    ...{ contentChanged: null, requestedAt: event.at, finishedAt: null }
  }
}
