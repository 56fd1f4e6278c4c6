import { hash } from "node:crypto"
import type * as Attention from "../domain/Attention.ts"
import * as Id from "../domain/Id.ts"
import { canonicalJson } from "../domain/JsonBounds.ts"
import type * as MaterializationEvents from "../domain/materialization/MaterializationEvents.ts"
import type * as RecoveryEvents from "../domain/recovery/RecoveryEvents.ts"
import type * as RunEvents from "../domain/run/RunEvents.ts"
import type { AttentionKeys } from "./AttentionKeys.ts"
import { automaticFailuresMany } from "../domain/Notification.ts"
import * as Items from "./AttentionItems.ts"
import type { Row, RunFacts } from "./AttentionRows.ts"
import type { LogEvent } from "./Projection.ts"

type RunData<Tag extends RunEvents.Stored["_tag"]> = Extract<RunEvents.Stored, { readonly _tag: Tag }>
type RecoveryData<Tag extends RecoveryEvents.Stored["_tag"]> = Extract<RecoveryEvents.Stored, { readonly _tag: Tag }>
type AttentionData<Tag extends Attention.Stored["_tag"]> = Extract<Attention.Stored, { readonly _tag: Tag }>
type Ended = Extract<MaterializationEvents.Stored, { readonly _tag: "MaterializationEnded" }>

/** A run of these is looked after by who asked for it: a recovery by its own row, automatic runs by theirs. */
const lookedAfter: ReadonlySet<string> = new Set(["recovery", "auto-materialize"])

/** After a failure, these say that somebody has taken the run up again. */
const takenUp: ReadonlySet<string> = new Set(["RunRecovered", "RunRestored", "StepStarted", "StepSkipped"])

/** These say that a step does not wait any more. */
const goesOn: ReadonlySet<string> = new Set(["StepResumed", "StepStarted", "StepSkipped", "StepFailed"])

const runItem = (runId: string) => `run:${runId}`
const recoveryItem = (recoveryId: string) => `recovery:${recoveryId}`
const assetSubject = (assetStream: string) => `asset:${assetStream}`

/** Only whole runs of the same work settle each other: the same workflow, partition and parameters. */
const runSubject = ({ only, parameters, partitionKey, workflow }: RunData<"RunRequested">): string | null => {
  if (only !== undefined) return null
  const work = [workflow, Id.partitionKey(partitionKey ?? ""), canonicalJson(parameters as never)]
  return `run:${hash("sha256", JSON.stringify(work), "base64url")}`
}

/**
 * Folds one batch. `note` takes in what the batch itself says of runs; what else is needed is named by `runsWanted` and
 * `rowsWanted`, and given by `putRun` and `putRow` before the events are applied.
 */
export const make = () => {
  const runs = new Map<string, RunFacts>()
  const requests = new Map<string, LogEvent>()
  const ended = new Set<string>()
  const lookups = new Set<string>()
  /** What is not kept of a run is not used either, or it would matter how the log is cut into batches. */
  const gone = new Set<string>()
  let somebodyFails = false
  const rows = new Map<string, Row>()
  const changed = new Set<string>()
  const removed = new Set<string>()
  const bySubject = new Map<string, Set<string>>()

  const note = (event: LogEvent) => {
    if (event.category === "materialization" && event.type === "MaterializationEnded") {
      lookups.add(event.data<Ended>().runId)
    }
    if (event.category !== "run") return
    if (event.type === "RunRequested") requests.set(event.id, event)
    if (event.type === "RunSucceeded" || event.type === "RunCanceled") ended.add(event.id)
    if (event.type === "RunFailed" || event.type === "RunAttentionRaised") {
      lookups.add(event.id)
      somebodyFails = true
    }
  }

  /** What is known of a run; of one that was requested in this batch, from its request. */
  const runOf = (runId: string): RunFacts | undefined => {
    const found = runs.get(runId)
    const request = requests.get(runId)
    if (gone.has(runId)) return undefined
    if (found !== undefined || request === undefined) return found
    const data = request.data<RunData<"RunRequested">>()
    const { partitionKey = null, trigger, workflow } = data
    const facts = { runId, workflow, partitionKey, triggerType: trigger.type, subject: runSubject(data) }
    runs.set(runId, facts)
    return facts
  }

  const put = (row: Row) => {
    rows.set(row.id, row)
    changed.add(row.id)
    removed.delete(row.id)
    index(row)
  }
  const index = ({ id, subject }: Row) => {
    if (subject === null) return
    const ids = bySubject.get(subject) ?? new Set()
    bySubject.set(subject, ids.add(id))
  }
  const drop = (id: string) => {
    if (!rows.delete(id)) return
    changed.delete(id)
    removed.add(id)
  }
  const leave = (runId: string) => {
    ended.add(runId)
    gone.add(runId)
  }
  const change = (id: string, changes: (row: Row) => Partial<Row>) => {
    const row = rows.get(id)
    if (row !== undefined) put({ ...row, ...changes(row) })
  }
  const openOf = (subject: string, kind: Row["kind"]): ReadonlyArray<Row> =>
    [...(bySubject.get(subject) ?? [])].flatMap((id) => {
      const row = rows.get(id)
      return row?.open === true && row.kind === kind && row.subject === subject ? [row] : []
    })

  const applyRun = (event: LogEvent) => {
    const id = runItem(event.id)
    const { at, type } = event
    switch (type as RunEvents.Stored["_tag"]) {
      case "RunAttentionRaised": {
        const { reason, stepId } = event.data<RunData<"RunAttentionRaised">>()
        put(Items.waiting(rows.get(id), runOf(event.id), { id, runId: event.id, reason, stepId, at }))
        return
      }
      case "RunFailed": {
        const facts = runOf(event.id)
        if (facts !== undefined && lookedAfter.has(facts.triggerType)) {
          // The end of an automatic run is told once more, by who started it.
          if (facts.triggerType === "recovery") leave(event.id)
          return drop(id)
        }
        const { failure, stepId } = event.data<RunData<"RunFailed">>()
        const { asset } = failure
        const blamed =
          asset === undefined
            ? undefined
            : openOf(assetSubject(Id.asset(asset.assetId, asset.partitionKey)), "recovery")[0]
        put(Items.failedRun(rows.get(id), facts, { id, runId: event.id, failure, stepId, at, blamed }))
        return
      }
      case "RunSucceeded": {
        drop(id)
        const subject = bySubject.size === 0 ? null : (runOf(event.id)?.subject ?? null)
        leave(event.id)
        if (subject !== null) for (const row of openOf(subject, "run")) if (row.reasonCode !== Items.waits) drop(row.id)
        return
      }
      case "RunCanceled":
        leave(event.id)
        return drop(id)
      default: {
        const row = rows.get(id)
        if (row?.open !== true) return
        if (row.reasonCode !== Items.waits) {
          if (takenUp.has(type)) change(id, () => ({ open: false }))
          return
        }
        if (!goesOn.has(type)) return
        const { stepId } = event.data<{ readonly stepId: string }>()
        if (row.waiting.includes(stepId)) change(id, () => Items.wentOn(row, stepId))
      }
    }
  }

  const applyRecovery = (event: LogEvent) => {
    const id = recoveryItem(event.id)
    const { at } = event
    switch (event.type as RecoveryEvents.Stored["_tag"]) {
      case "RecoveryRequested": {
        const { assetId, partitionKey } = event.data<RecoveryData<"RecoveryRequested">>()
        const subject = assetSubject(Id.asset(assetId, partitionKey))
        return put(
          Items.requestedRecovery(rows.get(id), { id, subject, recoveryId: event.id, assetId, partitionKey, at })
        )
      }
      case "RecoverySucceeded":
        return drop(id)
      case "RecoveryFailed": {
        const data = event.data<RecoveryData<"RecoveryFailed">>()
        // A person who ends a recovery knows of it.
        if (data.reasonCode === "canceled") return drop(id)
        return change(id, (row) => Items.failedRecovery(row, data, at))
      }
      default:
    }
  }

  const applyMaterialization = (event: LogEvent) => {
    if (event.type !== "MaterializationEnded") return
    const id = `materialization:${event.id}`
    const data = event.data<Ended>()
    const facts = runOf(data.runId)
    leave(data.runId)
    if (data.outcome === "succeeded") return drop(id)
    if (data.outcome !== "failed" || data.retries || data.failures < automaticFailuresMany) return
    put(Items.automatic(rows.get(id), facts, { id, ended: data, at: event.at }))
  }

  const applyAttention = (event: LogEvent) => {
    switch (event.type as Attention.Stored["_tag"]) {
      case "AttentionRaised": {
        const raised = event.data<AttentionData<"AttentionRaised">>()
        return put(Items.raised(rows.get(raised.id), raised, event.at))
      }
      case "AttentionSettled":
        return change(event.data<AttentionData<"AttentionSettled">>().id, () => ({ open: false }))
      case "AttentionMuted": {
        const { id, reason, until } = event.data<AttentionData<"AttentionMuted">>()
        const mutedBy = event.recorded.metadata.principal ?? null
        return change(id, () => ({ mutedUntil: until, mutedReason: reason, mutedBy }))
      }
      case "AttentionUnmuted":
        return change(event.data<AttentionData<"AttentionUnmuted">>().id, () => Items.notMuted)
    }
  }

  return {
    note,
    putRun: (facts: RunFacts) => void runs.set(facts.runId, facts),
    putRow: (row: Row) => {
      rows.set(row.id, row)
      index(row)
    },
    /** Runs of which the batch does not say itself what they are; of those that ended well only if `mayMatter`. */
    runsWanted: (mayMatter: boolean): ReadonlyArray<string> => {
      const wanted = mayMatter || somebodyFails ? [...lookups, ...ended] : [...lookups]
      return [...new Set(wanted)].filter((runId) => !requests.has(runId))
    },
    /** Of the rows that are there, those that some event of the batch may change. */
    rowsWanted: (events: ReadonlyArray<LogEvent>, keys: AttentionKeys): ReadonlyArray<string> => {
      if (keys.size() === 0) return []
      const ids = new Set<string>()
      const subjects = new Set<string>()
      for (const event of events) {
        const { category, id, type } = event
        if (category === "attention") ids.add(event.data<{ readonly id: string }>().id)
        else ids.add(`${category}:${id}`)
        if (type === "AssetProduced") subjects.add(assetSubject(id))
        if (type === "RunSucceeded") subjects.add(runOf(id)?.subject ?? "")
        if (type !== "RunFailed") continue
        const { asset } = event.data<RunData<"RunFailed">>().failure
        if (asset !== undefined) subjects.add(assetSubject(Id.asset(asset.assetId, asset.partitionKey)))
      }
      for (const subject of subjects) for (const id of keys.ofSubject(subject)) ids.add(id)
      return [...ids].filter(keys.has)
    },
    apply: (event: LogEvent) => {
      switch (event.category) {
        case "run":
          return applyRun(event)
        case "recovery":
          return applyRecovery(event)
        case "materialization":
          return applyMaterialization(event)
        case "attention":
          return applyAttention(event)
        default:
          // Made again, whoever did it: what its recovery could not do is done.
          if (event.type !== "AssetProduced") return
          for (const { id } of openOf(assetSubject(event.id), "recovery")) drop(id)
      }
    },
    result: () => ({
      changed: [...changed].map((id) => rows.get(id)!),
      removed: [...removed],
      // Only what was there before this batch has to be taken away.
      endedRuns: [...ended].filter((runId) => !requests.has(runId)),
      openRuns: [...requests.keys()].flatMap((runId) => runOf(runId) ?? [])
    })
  }
}
