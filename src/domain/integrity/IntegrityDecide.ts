import { Result } from "effect"
import { type Decider, nothing } from "../Decider.ts"
import type { AssetRef } from "../Failure.ts"
import { type Finding, keyOf, namesOf, type Scope } from "./Finding.ts"
import type { CheckReason, Event, RepairTarget, Unjudged, Unreadable } from "./IntegrityEvents.ts"
import {
  countAfter,
  evolve,
  goneAfter,
  initial,
  isAwaitedBy,
  type Known,
  type State,
  type Ticket
} from "./IntegrityState.ts"

/** Targets of one repair: what is left over is found by the check that follows it. */
export const targetsMax = 2_000

export interface Progress {
  readonly _tag: "Progress"
  readonly check: number
  /** Where the batch began: a batch that was recorded already changes nothing. */
  readonly from: string | null
  readonly cursor: string
  readonly looked: number
  readonly found: ReadonlyArray<Finding>
  readonly kept: ReadonlyArray<AssetRef>
  readonly inProgress: number
  readonly unreadable: ReadonlyArray<Unreadable>
  readonly failed: ReadonlyArray<Unjudged>
  /** How many checks have to find the same before somebody is told. */
  readonly escalateAfter: number
  /** There is nothing behind this batch. */
  readonly isLast: boolean
}

export type Unstamped =
  | { readonly _tag: "RequestCheck"; readonly reason: CheckReason; readonly scope: Scope; readonly deep: boolean }
  | { readonly _tag: "Start" }
  | Progress
  /** Check everything, then ask for the recovery of what was found; nothing while somebody's repair waits or goes on. */
  | { readonly _tag: "RequestRepair"; readonly claim: string }
  | { readonly _tag: "EndRepair"; readonly repair: number; readonly healed: number; readonly failed: number }
  | { readonly _tag: "Read" }
export type Command = Unstamped & { readonly now: number }

type Decision = Result.Result<ReadonlyArray<Event>, never>

/** What a repair would be about, in the order of the names. */
const repairable = ({ findings }: State): ReadonlyArray<Known> =>
  [...findings.values()]
    .filter(({ repair }) => repair !== "none")
    .sort((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1))
    .slice(0, targetsMax)

const targetOf = ({ assetId, generation, key, partitionKey, repair, store }: Known): RepairTarget => ({
  ...{ assetId, partitionKey, generation, repair },
  ...(store === undefined ? {} : { store }),
  ...(key === undefined ? {} : { key })
})

/** A workflow that nobody has run yet is no reason to wake somebody. */
const escalates = ({ kind }: Finding): boolean => kind !== "never_produced"

/** Nothing here can repair it: to look again would not help. Of what is blocked, the cause is the one to tell of. */
const isHopeless = ({ kind, repair }: Finding): boolean => repair === "none" && kind !== "blocked"

const progress = (state: State, command: Progress & { readonly now: number }): ReadonlyArray<Event> => {
  const { _tag, escalateAfter, from, isLast, now: at, ...batch } = command
  const { check } = batch
  if (state.running?.check !== check || state.running.cursor !== from) return []
  const events: Array<Event> = [{ _tag: "IntegrityProgressed", ...batch, at }]
  const after = events.reduce(evolve, state)
  for (const finding of batch.found) {
    const known = after.findings.get(keyOf(finding))
    if (known === undefined || known.escalated || !escalates(finding)) continue
    const count = countAfter(state, finding, check)
    if (count < escalateAfter && !isHopeless(finding)) continue
    const { assetId, kind, partitionKey, reason, reasonCode, repair } = finding
    const why = reasonCode === undefined ? {} : { reasonCode }
    events.push({ _tag: "IntegrityEscalated", assetId, partitionKey, kind, reason, count, repair, ...why, at })
  }
  if (isLast) {
    for (const { assetId, escalated, partitionKey } of goneAfter(events.reduce(evolve, state), state.running)) {
      if (escalated) events.push({ _tag: "IntegrityFindingSettled", assetId, partitionKey, at })
    }
    events.push({ _tag: "IntegrityCheckEnded", check, at })
    if (isAwaitedBy(state, check)) events.push(...repair(events.reduce(evolve, state), at))
  }
  return events
}

const repair = (state: State, at: number): ReadonlyArray<Event> => {
  const found = state.repair === null ? repairable(state) : []
  if (found.length === 0) return []
  const targets = found.map(targetOf)
  return [{ _tag: "IntegrityRepairRequested", repair: state.repairs + 1, ...namesOf(found), targets, at }]
}

/** The request of a check, unless one waits already that would look at all of it. */
const checkOf = (state: State, wanted: Ticket): ReadonlyArray<Event> => {
  const event = { _tag: "IntegrityCheckRequested" as const, ...wanted }
  const after = evolve(state, event).queued
  const isCovered =
    state.queued !== null &&
    JSON.stringify([after?.scope, after?.deep, after?.reason]) ===
      JSON.stringify([state.queued.scope, state.queued.deep, state.queued.reason])
  return isCovered ? [] : [event]
}

export const decide = (command: Command, state: State): Decision => {
  const { now: at } = command
  switch (command._tag) {
    case "RequestCheck": {
      const { deep, reason, scope } = command
      return Result.succeed(checkOf(state, { reason, scope, deep, at }))
    }
    case "Start": {
      if (state.queued === null || state.running !== null) return nothing
      const { deep, reason, scope } = state.queued
      return Result.succeed([{ _tag: "IntegrityCheckStarted", check: state.checks + 1, reason, scope, deep, at }])
    }
    case "Progress":
      return Result.succeed(progress(state, command))
    case "RequestRepair": {
      if (state.repair !== null || state.repairAwaited !== null) return nothing
      // A check that goes on has looked at some of it before now: the one after it is whole.
      const check = state.checks + 1
      const wanted = checkOf(state, { reason: "requested", scope: {}, deep: false, at })
      return Result.succeed([{ _tag: "IntegrityRepairAwaited", check, claim: command.claim, at }, ...wanted])
    }
    case "EndRepair": {
      const { failed, healed, repair } = command
      return Result.succeed(
        state.repair?.repair === repair ? [{ _tag: "IntegrityRepairEnded", repair, healed, failed, at }] : []
      )
    }
    case "Read":
      return nothing
  }
}

export const decider: Decider<State, Command, Event, never> = { initial, decide, evolve }
