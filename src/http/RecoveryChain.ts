import { DateTime, Effect } from "effect"
import { NotFound } from "../actors/Engine.ts"
import type * as Asset from "../domain/Asset.ts"
import { assetName, type AssetRef } from "../domain/Failure.ts"
import * as Id from "../domain/Id.ts"
import type * as RecoveryEvents from "../domain/recovery/RecoveryEvents.ts"
import type * as RunEvents from "../domain/run/RunEvents.ts"
import { shownPartition } from "../domain/run/RunView.ts"
import { EventStore, type LogUnavailable, type RecordedEvent } from "../eventstore/EventStore.ts"
import type { RecoveryChain, TimelineEntry } from "./api/RecoveryChain.ts"

/** Recoveries of missing inputs that are followed, and runs that are looked into for who waited. */
const recoveriesMax = 50
const waitersMax = 100
const pageEvents = 1_000

type Kind = TimelineEntry["kind"]
type RecoveryView = RecoveryChain["recoveries"][number]
type Waiter = RecoveryView["waiters"][number]

/**
 * All that happened around a recovery, from the streams of all who had a part in it: the asset that was lost, who
 * noticed and who waited, the recoveries of missing inputs that it waited for, the runs that remade things, and the
 * steps that went on.
 */
export const read = Effect.fn("RecoveryChain.read")(function* (
  recoveryId: string
): Effect.fn.Return<RecoveryChain, NotFound | LogUnavailable, EventStore> {
  const timeline: Array<TimelineEntry> = []
  const recoveries: Array<RecoveryView> = []
  const wanted = [recoveryId]
  for (const id of wanted) {
    if (recoveries.length === recoveriesMax) break
    const view = yield* one(id, timeline)
    if (view === null) continue
    recoveries.push(view)
    for (const { recoveryId: parent } of view.parents) if (!wanted.includes(parent)) wanted.push(parent)
  }
  if (recoveries.length === 0) return yield* new NotFound({ kind: "recovery", id: recoveryId })
  timeline.sort((left, right) => (left.position < right.position ? -1 : left.position > right.position ? 1 : 0))
  const unique = timeline.filter(({ position }, index) => position !== timeline[index - 1]?.position)
  return { id: recoveryId, recoveries, timeline: unique, isComplete: recoveries.length === wanted.length }
})

const readStream = Effect.fnUntraced(function* (streamName: string) {
  const log = yield* EventStore
  const events: Array<RecordedEvent> = []
  while (true) {
    const page = yield* log.read(streamName, events.length, pageEvents)
    events.push(...page)
    if (page.length < pageEvents) return events
  }
})

/** The event without its envelope. Its shape is believed: the writer has checked it. */
const dataOf = <Event extends { readonly _tag: string }>({ payload, type }: RecordedEvent): Event =>
  ({ ...(JSON.parse(payload) as object), _tag: type }) as Event

const placeOf = ({ position, recordedAt }: RecordedEvent) => ({
  position,
  at: DateTime.formatIso(DateTime.makeUnsafe(recordedAt))
})

const shownAsset = ({ assetId, partitionKey }: AssetRef) => ({ assetId, partitionKey: shownPartition(partitionKey) })

const one = Effect.fnUntraced(function* (id: string, timeline: Array<TimelineEntry>) {
  const events = yield* readStream(`recovery-${id}`)
  const note = (recorded: RecordedEvent, kind: Kind, text: string) =>
    void timeline.push({ ...placeOf(recorded), kind, stream: recorded.streamName, recoveryId: id, text })
  let asset: (AssetRef & { readonly generation: number }) | null = null
  const waiters: Array<Waiter> = []
  const attempts: Array<RecoveryView["attempts"][number]> = []
  const parents: Array<RecoveryView["parents"][number]> = []
  let waiterCount = 0
  let rootCause: RecoveryView["rootCause"] = null
  let outcome: RecoveryView["outcome"] = null

  for (const recorded of events) {
    const event = dataOf<RecoveryEvents.Stored>(recorded)
    const place = placeOf(recorded)
    switch (event._tag) {
      case "RecoveryRequested": {
        const { assetId, lostGeneration, partitionKey, refresh, round } = event
        asset = { assetId, partitionKey, generation: lostGeneration }
        outcome = null
        const again = round === 1 ? "" : `, for the ${round}. time`
        const why = refresh === true ? "is too old" : lostGeneration === 0 ? "was never produced" : "is lost"
        note(
          recorded,
          "requested",
          `${assetName(event)} generation ${lostGeneration} ${why}: a recovery begins${again}`
        )
        break
      }
      case "RecoveryWaiterJoined":
        waiterCount++
        if (waiters.length < waitersMax)
          waiters.push({ ...event.waiter, joined: place, suspended: null, resumed: null })
        note(recorded, "joined", `${waiterName(event.waiter)} waits for it`)
        break
      case "RecoveryPlanned": {
        const { class: planClass, parents: planned, plan, rootCause: cause } = event
        rootCause = { ...shownAsset(cause), why: cause.why, class: planClass, ...place }
        for (const recoveryId of planned) parents.push({ recoveryId, settled: null, failure: null })
        const order = plan.map((step) => `${step.workflow}/${step.step} for ${assetName(step)}`).join(", ")
        note(recorded, "planned", `root cause ${assetName(cause)}: ${cause.why}; to run: ${order}`)
        break
      }
      case "RecoveryParentSettled": {
        const index = parents.findIndex(
          ({ recoveryId, settled }) => recoveryId === event.recoveryId && settled === null
        )
        const settled = { recoveryId: event.recoveryId, settled: place, failure: event.failure?.message ?? null }
        if (index < 0) parents.push(settled)
        else parents[index] = settled
        note(recorded, "input", `the recovery ${event.recoveryId} of an input has ended`)
        break
      }
      case "RecoveryScheduled": {
        const { attempt, producerRunId } = event
        attempts.push({ attempt, producerRunId: producerRunId ?? null, scheduled: place, run: null, failure: null })
        const who = producerRunId === undefined ? "its source is asked for it" : `run ${producerRunId} makes it again`
        note(recorded, "scheduled", `attempt ${attempt}: ${who}`)
        break
      }
      case "RecoveryAttemptFailed": {
        const index = attempts.findLastIndex(({ attempt }) => attempt === event.attempt)
        const failed = attempts[index]
        if (failed !== undefined) attempts[index] = { ...failed, failure: event.failure.message }
        note(recorded, "attempt_failed", `attempt ${event.attempt} failed: ${event.failure.message}`)
        break
      }
      case "RecoverySucceeded": {
        const { contentChanged, generation, via } = event
        outcome = { status: "succeeded", via, generation, contentChanged, reasonCode: null, failure: null, ...place }
        const how = { producer: "a run has made it", copy: "a copy was put back", found: "it was there after all" }[via]
        note(recorded, "succeeded", `${how}: generation ${generation}${contentChanged ? ", with other content" : ""}`)
        break
      }
      case "RecoveryFailed": {
        const { failure, reasonCode } = event
        const nothing = { via: null, generation: null, contentChanged: null }
        outcome = { status: "failed", ...nothing, reasonCode, failure: failure.message, ...place }
        note(recorded, "failed", `${reasonCode}: ${failure.message}`)
        break
      }
      case "RecoveryWaitersReleased":
        note(recorded, "released", `${event.released} of those who wait have been told`)
        break
      case "RecoveryAttemptStarted":
      case "RecoveryProducerEnded":
        break
    }
  }
  if (asset === null) return null

  const lost = yield* lossOf(asset, note)
  for (const [index, waiter] of waiters.entries()) {
    if ("runId" in waiter) waiters[index] = yield* waitOf(id, waiter, note)
  }
  for (const [index, attempt] of attempts.entries()) {
    attempts[index] = {
      ...attempt,
      run: attempt.producerRunId === null ? null : yield* runOf(attempt.producerRunId, note)
    }
  }
  const { generation, ...ref } = asset
  return {
    ...{ id, ...shownAsset(ref), lostGeneration: generation, lost, rootCause, parents, attempts },
    ...{ waiterCount, waiters, outcome }
  } satisfies RecoveryView
})

type Note = (recorded: RecordedEvent, kind: Kind, text: string) => void

const waiterName = (waiter: RecoveryEvents.Waiter): string =>
  "runId" in waiter ? `step ${waiter.stepId} of run ${waiter.runId}` : `the recovery ${waiter.recoveryId}`

/** What the Asset says of the loss: what was looked for, where, and by whom it was missed. */
const lossOf = Effect.fnUntraced(function* (asset: AssetRef & { readonly generation: number }, note: Note) {
  const stream = yield* readStream(`asset-${Id.asset(asset.assetId, asset.partitionKey)}`)
  for (const recorded of stream) {
    if (recorded.type !== "AssetMissingDetected") continue
    const event = dataOf<Extract<Asset.Stored, { readonly _tag: "AssetMissingDetected" }>>(recorded)
    if (event.generation !== asset.generation) continue
    const { key = null, reason, reportedBy = null, store = null } = event
    const where = store === null ? "" : ` in ${store}${key === null ? "" : `/${key}`}`
    const who = reportedBy === null ? "" : `, noticed by ${reportedBy}`
    note(recorded, "lost", `${assetName(asset)} generation ${asset.generation} is ${reason}${where}${who}`)
    return { reason, store, key, reportedBy, ...placeOf(recorded) }
  }
  return null
})

/** When a step that waited was suspended, and when and why it went on. */
const waitOf = Effect.fnUntraced(function* (
  recoveryId: string,
  waiter: Extract<Waiter, { readonly runId: string }>,
  note: Note
) {
  let { resumed, suspended } = waiter
  for (const recorded of yield* readStream(`run-${waiter.runId}`)) {
    if (recorded.type !== "StepSuspended" && recorded.type !== "StepResumed") continue
    const event = dataOf<Extract<RunEvents.Stored, { readonly _tag: "StepSuspended" | "StepResumed" }>>(recorded)
    if (event.stepId !== waiter.stepId) continue
    if (event._tag === "StepSuspended" && event.waitingFor.recoveryId === recoveryId) {
      suspended ??= placeOf(recorded)
      note(recorded, "waiting", `step ${waiter.stepId} of run ${waiter.runId} waits`)
    }
    if (event._tag === "StepResumed" && event.recoveryId === recoveryId) {
      resumed = { ...placeOf(recorded), reason: event.reason }
      note(recorded, "resumed", `step ${waiter.stepId} of run ${waiter.runId} goes on: ${event.reason}`)
    }
  }
  return { ...waiter, suspended, resumed }
})

const ends = new Map<string, "succeeded" | "failed" | "canceled">([
  ["RunSucceeded", "succeeded"],
  ["RunFailed", "failed"],
  ["RunCanceled", "canceled"]
])

/** What a run that made things again did; null: it has not begun. */
const runOf = Effect.fnUntraced(function* (runId: string, note: Note) {
  const events = yield* readStream(`run-${runId}`)
  const first = events[0]
  if (first === undefined) return null
  const { workflow } = dataOf<Extract<RunEvents.Stored, { readonly _tag: "RunRequested" }>>(first)
  note(first, "ran", `run ${runId} of ${workflow} begins`)
  const last = events.findLast(({ type }) => ends.has(type))
  const status = last === undefined ? ("running" as const) : ends.get(last.type)!
  if (last !== undefined) note(last, "ran", `run ${runId} has ${status === "canceled" ? "been canceled" : status}`)
  const steps = events.flatMap((recorded) =>
    recorded.type === "StepStarted" ? [dataOf<{ readonly _tag: string; readonly stepId: string }>(recorded).stepId] : []
  )
  return {
    ...{ id: runId, workflow, status, steps: [...new Set(steps)] },
    began: placeOf(first),
    ended: last === undefined ? null : placeOf(last)
  }
})
