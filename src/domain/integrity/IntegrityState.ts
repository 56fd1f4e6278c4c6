import { type Finding, isInScope, keyOf, merged, type Scope } from "./Finding.ts"
import type { CheckReason, Event, RepairTarget, Unjudged, Unreadable } from "./IntegrityEvents.ts"

/** A finding as it is known now. */
export interface Known extends Finding {
  /** Epoch ms. */
  readonly since: number
  /** Checks that have found it to be of this kind, those before it went away and came back included. */
  readonly count: number
  /** The newest check that found it, or could not judge it. */
  readonly check: number
  /** Whether it has come back so often that somebody should look. */
  readonly escalated: boolean
}

/** A check that waits for its turn. */
export interface Ticket {
  readonly reason: CheckReason
  readonly scope: Scope
  readonly deep: boolean
  /** Epoch ms. */
  readonly at: number
}

/** A check that goes on, or the last one that ended. */
export interface Check {
  readonly check: number
  readonly reason: CheckReason
  readonly scope: Scope
  readonly deep: boolean
  readonly startedAt: number
  readonly endedAt: number | null
  /** How far it has come; null: nothing was looked at yet. */
  readonly cursor: string | null
  readonly looked: number
  readonly inProgress: number
  readonly unreadable: ReadonlyArray<Unreadable>
  /** The first 100. */
  readonly failed: ReadonlyArray<Unjudged>
  readonly failedCount: number
  /** Findings beyond those that are kept. */
  readonly omitted: number
}

export interface Repair {
  readonly repair: number
  readonly recheckNames: ReadonlyArray<string>
  readonly reprocessNames: ReadonlyArray<string>
  readonly targets: ReadonlyArray<RepairTarget>
  readonly requestedAt: number
}

/** A finding that went away, or is of another kind now: how often it had been found. */
export interface Past {
  readonly count: number
  readonly at: number
}

export interface State {
  /** Checks that have begun. */
  readonly checks: number
  /** Checks that have ended: what readers of findings know them by. */
  readonly generation: number
  readonly queued: Ticket | null
  readonly running: Check | null
  readonly last: Check | null
  /** When a check of everything last ended, epoch ms; null: never. */
  readonly wholeAt: number | null
  readonly repairs: number
  readonly repair: Repair | null
  /** A repair begins when this check has ended; `claim`: whose it is (null: written before claims had names). */
  readonly repairAwaited: { readonly check: number; readonly claim: string | null } | null
  /** By `keyOf`; at most `findingsMax`. */
  readonly findings: ReadonlyMap<string, Known>
  /** By `pastKeyOf`; the newest `pastMax`. */
  readonly past: ReadonlyMap<string, Past>
}

/** Findings that are kept one by one: more are counted, and found by the check that follows their repair. */
export const findingsMax = 10_000
const pastMax = 1_000
const failedMax = 100

export const initial: State = {
  checks: 0,
  generation: 0,
  queued: null,
  running: null,
  last: null,
  wholeAt: null,
  repairs: 0,
  repair: null,
  repairAwaited: null,
  findings: new Map(),
  past: new Map()
}

/** Whether the end of this check begins a repair that somebody waits for. */
export const isAwaitedBy = ({ repairAwaited }: State, check: number): boolean =>
  repairAwaited !== null && repairAwaited.check <= check

/** What was never made, and what is lost now, are two findings of one asset: each is counted by itself. */
const pastKeyOf = (finding: Pick<Finding, "assetId" | "kind" | "partitionKey">): string =>
  `${keyOf(finding)}\n${finding.kind}`

/** How often the finding will have been found, of this kind, when the check of this number finds it. */
export const countAfter = (state: State, finding: Finding, check: number): number => {
  const known = state.findings.get(keyOf(finding))
  if (known?.kind !== finding.kind) return (state.past.get(pastKeyOf(finding))?.count ?? 0) + 1
  return known.check === check ? known.count : known.count + 1
}

const remember = (past: Map<string, Past>, known: Known, at: number): void => {
  const key = pastKeyOf(known)
  past.delete(key)
  past.set(key, { count: known.count, at })
  for (const oldest of past.keys()) {
    if (past.size <= pastMax) break
    past.delete(oldest)
  }
}

type Progressed = Extract<Event, { readonly _tag: "IntegrityProgressed" }>

const progressed = (state: State, running: Check, event: Progressed): State => {
  const findings = new Map(state.findings)
  const past = new Map(state.past)
  let { omitted } = running
  for (const finding of event.found) {
    const key = keyOf(finding)
    const known = findings.get(key)
    if (known === undefined && findings.size >= findingsMax) {
      omitted++
      continue
    }
    // It begins to count as what it is now, and goes on where it was should it be the other again.
    if (known !== undefined && known.kind !== finding.kind) remember(past, known, event.at)
    findings.set(key, {
      ...finding,
      since: known?.kind === finding.kind ? known.since : event.at,
      count: countAfter(state, finding, event.check),
      check: event.check,
      escalated: known?.escalated ?? false
    })
  }
  for (const ref of event.kept) {
    const known = findings.get(keyOf(ref))
    if (known !== undefined) findings.set(keyOf(ref), { ...known, check: event.check })
  }
  const unreadable = new Map(running.unreadable.map((entry) => [entry.store, entry]))
  for (const { assets, message, store } of event.unreadable) {
    unreadable.set(store, { store, message, assets: (unreadable.get(store)?.assets ?? 0) + assets })
  }
  return {
    ...state,
    findings,
    past,
    running: {
      ...running,
      cursor: event.cursor,
      looked: running.looked + event.looked,
      inProgress: running.inProgress + event.inProgress,
      unreadable: [...unreadable.values()],
      failed: [...running.failed, ...event.failed].slice(0, failedMax),
      failedCount: running.failedCount + event.failed.length,
      omitted
    }
  }
}

/** What the check was to look at, and has not found again. */
export const goneAfter = (state: State, { check, scope }: Check): ReadonlyArray<Known> =>
  [...state.findings.values()].filter((known) => known.check !== check && isInScope(scope, known))

/** What the check was to look at, and has not found again, is gone; how often it was there is remembered for a while. */
const settled = (state: State, running: Check, at: number): State => {
  const findings = new Map(state.findings)
  const past = new Map(state.past)
  for (const [key, known] of state.findings) {
    if (known.check === running.check) {
      past.delete(pastKeyOf(known))
      continue
    }
    if (!isInScope(running.scope, known)) continue
    findings.delete(key)
    remember(past, known, at)
  }
  const isWhole = Object.keys(running.scope).length === 0
  return {
    ...state,
    findings,
    past,
    generation: state.generation + 1,
    running: null,
    repairAwaited: isAwaitedBy(state, running.check) ? null : state.repairAwaited,
    last: { ...running, endedAt: at },
    wholeAt: isWhole ? at : state.wholeAt
  }
}

const ticket = (state: State, wanted: Ticket): Ticket =>
  state.queued === null
    ? wanted
    : {
        // Who asked by hand does not wait for the time at which others may begin.
        reason: wanted.reason === "requested" ? wanted.reason : state.queued.reason,
        scope: merged(state.queued.scope, wanted.scope),
        deep: state.queued.deep || wanted.deep,
        at: state.queued.at
      }

export const evolve = (state: State, event: Event): State => {
  switch (event._tag) {
    case "IntegrityCheckRequested": {
      const { at, deep, reason, scope } = event
      return { ...state, queued: ticket(state, { reason, scope, deep, at }) }
    }
    case "IntegrityCheckStarted": {
      const { at, check, deep, reason, scope } = event
      const none = { endedAt: null, cursor: null, looked: 0, inProgress: 0, failedCount: 0, omitted: 0 }
      const running: Check = { check, reason, scope, deep, startedAt: at, unreadable: [], failed: [], ...none }
      return { ...state, checks: check, queued: null, running }
    }
    case "IntegrityProgressed":
      return state.running?.check === event.check ? progressed(state, state.running, event) : state
    case "IntegrityCheckEnded":
      return state.running?.check === event.check ? settled(state, state.running, event.at) : state
    case "IntegrityEscalated": {
      const key = keyOf(event)
      const known = state.findings.get(key)
      if (known === undefined) return state
      return { ...state, findings: new Map(state.findings).set(key, { ...known, escalated: true }) }
    }
    case "IntegrityFindingSettled":
      // The end of the check takes it away.
      return state
    case "IntegrityRepairAwaited":
      return { ...state, repairAwaited: { check: event.check, claim: event.claim ?? null } }
    case "IntegrityRepairRequested": {
      const { _tag, at, ...repair } = event
      return { ...state, repairs: event.repair, repair: { ...repair, requestedAt: at } }
    }
    case "IntegrityRepairEnded": {
      const wanted: Ticket = { reason: "repair", scope: {}, deep: false, at: event.at }
      return { ...state, repair: null, queued: ticket(state, wanted) }
    }
  }
}
