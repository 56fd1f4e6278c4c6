import { Effect } from "effect"
import type { Matched } from "../actors/BulkOperations.ts"
import { limitDefault } from "../domain/bulk/BulkDecide.ts"
import type { Action } from "../domain/bulk/BulkEvents.ts"
import type { Status as RecoveryStatus } from "../domain/recovery/RecoveryState.ts"
import type { RunStatus } from "../domain/run/RunView.ts"
import type { BulkRequest } from "./api/BulkSchemas.ts"
import { pageSizeMax } from "./api/Fields.ts"
import type { Listing, Reads } from "./Reads.ts"

const goesOn: ReadonlyArray<RunStatus> = ["pending", "running", "waiting"]

/** A filter without a status means those that the action can do something to; null: all. */
const runStatuses: Readonly<Record<Action, ReadonlyArray<RunStatus> | null>> = {
  cancel: goesOn,
  pause: goesOn,
  resume: goesOn,
  recover: ["failed"],
  retry: ["failed", "waiting"],
  replay: null
}

const open: ReadonlyArray<RecoveryStatus> = ["requested", "planned", "running"]
const recoveryStatuses: Readonly<Record<Exclude<Action, "recover" | "replay">, ReadonlyArray<RecoveryStatus>>> = {
  cancel: open,
  pause: open,
  resume: open,
  retry: ["failed", "canceled"]
}

interface Found {
  readonly id: string
  /** ISO time. */
  readonly at: string
}

/** What the request matches in the lists, newest first, at most its limit. */
export const select = (reads: Reads["Service"], request: BulkRequest) => {
  const { limit = limitDefault } = request
  if (request.target === "recoveries") {
    const { filter = {} } = request
    const statuses = filter.status === undefined ? recoveryStatuses[request.action] : [filter.status]
    return newest(limit, statuses, (status, page) =>
      Effect.map(reads.listRecoveries({ ...filter, status }, page), ({ data, nextCursor }) => ({
        data: data.map(({ id, requestedAt }) => ({ id, at: requestedAt ?? "" })),
        nextCursor
      }))
    )
  }
  const { filter = {} } = request
  const statuses = filter.status === undefined ? runStatuses[request.action] : [filter.status]
  return newest(limit, statuses ?? [undefined], (status, page) =>
    Effect.map(reads.listRuns({ ...filter, status }, page), ({ data, nextCursor }) => ({
      data: data.map(({ createdAt, id }) => ({ id, at: createdAt ?? "" })),
      nextCursor
    }))
  )
}

/** Each status has a list of its own; the newest of all of them are what is meant. */
const newest = Effect.fnUntraced(function* <Status>(
  limit: number,
  statuses: ReadonlyArray<Status>,
  list: (status: Status, page: { readonly limit: number; readonly cursor?: string | undefined }) => Listing<Found>
) {
  const found = yield* Effect.forEach(statuses, (status) => upTo(limit + 1, (page) => list(status, page)))
  // One that moves between the lists may be found in both.
  const all = [...new Map(found.flat().map((item) => [item.id, item])).values()]
  all.sort((one, other) => (one.at === other.at ? 0 : one.at < other.at ? 1 : -1))
  const matched: Matched = { ids: all.slice(0, limit).map(({ id }) => id), more: all.length > limit }
  return matched
})

const upTo = Effect.fnUntraced(function* (
  count: number,
  list: (page: { readonly limit: number; readonly cursor?: string | undefined }) => Listing<Found>
) {
  const found: Array<Found> = []
  let cursor: string | undefined
  while (found.length < count) {
    const { data, nextCursor } = yield* list({ limit: Math.min(count - found.length, pageSizeMax), cursor }).pipe(
      // The cursor is the list's own, and no position is waited for.
      Effect.catchTags({ InvalidCursor: Effect.die, ProjectionBehind: Effect.die })
    )
    found.push(...data)
    if (nextCursor === null) break
    cursor = nextCursor
  }
  return found
})
