import { waitsOn } from "./RunDecide.ts"
import { storeAttentionMs } from "./RunDecide.ts"
import type { Listener } from "./RunEvents.ts"
import { readySteps, type State, step, stepsIn } from "./RunState.ts"
import { statusOf } from "./RunView.ts"
import { hasFailed } from "./RunState.ts"

/** An activity that the run's state demands now. The host keeps it going until its result is in the log. */
export type Demand =
  /** Ensure the step's inputs, get its slot (not before `dueAt`), begin it. */
  | { readonly _tag: "Begin"; readonly stepId: string; readonly attempt: number; readonly dueAt: number | undefined }
  | { readonly _tag: "Execute"; readonly stepId: string; readonly attempt: number }
  /** Tell each Asset what the step produced. */
  | { readonly _tag: "Record"; readonly stepId: string; readonly attempt: number }
  /** Find the asset that a failed attempt missed, and report it. */
  | { readonly _tag: "Report"; readonly stepId: string; readonly attempt: number }
  /** Move aside what the step's attempts left over recorded objects: the run has ended without recording it. */
  | { readonly _tag: "MoveAside"; readonly stepId: string }
  | { readonly _tag: "Timer"; readonly at: number }
  /** Tell who asked for this run how it ended. */
  | { readonly _tag: "Deliver"; readonly to: Listener }

export const key = (demand: Demand): string => {
  switch (demand._tag) {
    case "Timer":
      return `timer:${demand.at}`
    case "Deliver":
      return `deliver:${demand.to}`
    case "MoveAside":
      return `moveAside:${demand.stepId}`
    case "Begin": {
      // A retry that may begin at once after all is another activity than the one that sleeps until it is due.
      const { attempt, dueAt, stepId } = demand
      return `Begin:${stepId}:${attempt}${dueAt === undefined ? "" : `:${dueAt}`}`
    }
    default:
      return `${demand._tag}:${demand.stepId}:${demand.attempt}`
  }
}

/** Whether the actor has to stay in memory for it; `wakeAt` brings it back for the others. */
export const isResident = (demand: Demand): boolean => demand._tag !== "Timer"

const due = (state: State): number | undefined => {
  let earliest: number | undefined
  for (const stepId of stepsIn(state, "waiting")) {
    const { attentionRaised, deadlineAt, waitingFor } = step(state, stepId)
    const raiseAt = waitingFor?.type === "store" && !attentionRaised ? waitingFor.since + storeAttentionMs : undefined
    for (const at of [deadlineAt, raiseAt]) {
      if (at !== undefined && (earliest === undefined || at < earliest)) earliest = at
    }
  }
  return earliest
}

/** Who is told how a run ended, by what its trigger is. */
const askedBy: { readonly [type in State["trigger"]["type"]]: Listener | null } = {
  manual: null,
  schedule: null,
  recovery: "recovery",
  "auto-materialize": "materialization",
  backfill: "backfill"
}

const undelivered = (state: State): ReadonlyArray<Demand> => {
  const demands: Array<Demand> = []
  const asker = askedBy[state.trigger.type]
  if (asker !== null && !state.delivered.includes(asker)) demands.push({ _tag: "Deliver", to: asker })
  if (state.runKey !== undefined && !state.delivered.includes("runKey")) demands.push({ _tag: "Deliver", to: "runKey" })
  return demands
}

/** Steps whose left-overs are moved at the same time; the others follow. */
const movesMax = 100

const leftOver = (state: State): ReadonlyArray<Demand> =>
  Object.keys(state.overwriting)
    .filter((stepId) => step(state, stepId).status !== "recording")
    .slice(0, movesMax)
    .map((stepId) => ({ _tag: "MoveAside", stepId }))

/** Every activity that should be going on now. Bounded by the number of steps, plus one timer. */
export const demands = (state: State): ReadonlyArray<Demand> => {
  if (state.definition === null) return []
  const found: Array<Demand> = []
  const isFailing = hasFailed(state)
  for (const stepId of stepsIn(state, "recording", "executing", "locating", "retrying")) {
    const { attempt, dueAt, status } = step(state, stepId)
    // What was produced is recorded even when the run has been canceled meanwhile: the bytes are there.
    if (status === "recording") found.push({ _tag: "Record", stepId, attempt })
    if (state.ended !== null) continue
    if (status === "executing") found.push({ _tag: "Execute", stepId, attempt })
    // A paused run starts nothing: no retry, and no heal of what it missed.
    else if (state.paused !== undefined) continue
    else if (status === "locating") found.push({ _tag: "Report", stepId, attempt })
    else if (status === "retrying" && !isFailing) {
      found.push({ _tag: "Begin", stepId, attempt: attempt + 1, dueAt })
    }
  }
  if (state.ended !== null) return [...found, ...undelivered(state), ...leftOver(state)]
  for (const { id } of readySteps(state)) {
    found.push({ _tag: "Begin", stepId: id, attempt: step(state, id).attempt + 1, dueAt: undefined })
  }
  const at = state.paused === undefined ? due(state) : undefined
  if (at !== undefined) found.push({ _tag: "Timer", at })
  return found
}

/** One lease: how long work in progress may go unheard of before somebody looks (DESIGN, section 2). */
export const leaseMs = 30_000

/**
 * Now plus one lease, rounded up to a grid of leases: consecutive commits keep the same value, so that the row's index
 * entry need not be written again (ADR 0002).
 */
export const leaseUntil = (now: number): number => Math.ceil((now + leaseMs) / leaseMs) * leaseMs

/** When somebody must look at this run if it is not in memory, epoch ms; null: nothing is owed. */
export const wakeAt = (state: State, now: number): number | null => {
  // A process that starts must know of what may be written over before it is read, however far off the retry is.
  let earliest: number | null = Object.keys(state.overwriting).length === 0 ? null : leaseUntil(now)
  for (const demand of demands(state)) {
    const at =
      demand._tag === "Timer"
        ? demand.at
        : demand._tag === "Begin" && demand.dueAt !== undefined && demand.dueAt > now
          ? demand.dueAt
          : leaseUntil(now)
    if (earliest === null || at < earliest) earliest = at
  }
  return earliest
}

/** What the run passively waits for (see `EventStore.Append.waitsOn`). */
export const waitsOnKeys = (state: State): ReadonlyArray<string> | null => {
  if (state.ended !== null || statusOf(state) === "succeeded") return null
  const keys = new Set<string>()
  for (const stepId of stepsIn(state, "waiting")) {
    const key = waitsOn(step(state, stepId))
    if (key !== null) keys.add(key)
  }
  return keys.size === 0 ? null : [...keys]
}
