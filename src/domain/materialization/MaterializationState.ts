import type { Cause, Event, HeldBy } from "./MaterializationEvents.ts"

/** Decisions and runs that a view lists, newest last. */
const listedMax = 20

export interface Wanted {
  readonly cause: Cause
  /** Updates that the one run will answer. */
  readonly count: number
  readonly priority: number
  readonly cyclic: boolean
  readonly since: number
  /** It only repeats this run, which failed: no update has come since. */
  readonly repeats?: string
}

/** One thing that was decided, as an operator reads it. */
export interface Decision {
  readonly at: number
  readonly decision: "started" | "coalesced" | "requested" | "held" | "skipped" | "succeeded" | "failed" | "canceled"
  readonly why: string
  readonly runId?: string
  readonly cause?: Cause
}

export interface AutomaticRun {
  readonly runId: string
  readonly cause: Cause
  readonly startedAt: number
  readonly outcome: "succeeded" | "failed" | "canceled" | null
  readonly endedAt: number | null
}

/** One workflow and partition: at most one automatic run is wanted, and at most one is under way. */
export interface State {
  readonly workflow: string
  readonly partitionKey: string
  /** The newest event of the log that was taken in: what is delivered again is at or below it. "" : none. */
  readonly seen: string
  readonly wanted: Wanted | null
  readonly held: { readonly until: number; readonly by: HeldBy } | null
  readonly active:
    | (AutomaticRun & {
        readonly count: number
        readonly priority: number
        readonly launched: boolean
        readonly repeats?: string
      })
    | null
  /** Runs started so far; numbers the next one. */
  readonly sequence: number
  /** Failures in a row; a success ends the row. */
  readonly failures: number
  /** Nothing starts before, epoch ms; 0: no cool-down. */
  readonly coolUntil: number
  readonly lastStartedAt: number
  readonly runs: ReadonlyArray<AutomaticRun>
  readonly decisions: ReadonlyArray<Decision>
}

export const initial: State = {
  workflow: "",
  partitionKey: "",
  seen: "",
  wanted: null,
  held: null,
  active: null,
  sequence: 0,
  failures: 0,
  coolUntil: 0,
  lastStartedAt: 0,
  runs: [],
  decisions: []
}

const listed = <A>(items: ReadonlyArray<A>, item: A): ReadonlyArray<A> => [...items, item].slice(-listedMax)
const laterOf = (seen: string, position: string): string => (position > seen ? position : seen)

const updates = (count: number): string => (count === 1 ? "one update" : `${count} updates`)

const decided = (state: State, decision: Decision): State => ({
  ...state,
  decisions: listed(state.decisions, decision)
})

const requested = (state: State, event: Extract<Event, { readonly _tag: "MaterializationRequested" }>): State => {
  const { at, cause, count, cyclic, partitionKey, priority, workflow } = event
  const earlier = state.wanted
  const wanted: Wanted = {
    cause,
    count: count + (earlier?.count ?? 0),
    priority: Math.min(priority, earlier?.priority ?? priority),
    cyclic: cyclic && (earlier?.cyclic ?? true),
    since: earlier?.since ?? at
  }
  const why =
    earlier !== null
      ? `joins the run that is already wanted, which answers ${updates(wanted.count)} now`
      : state.active !== null
        ? `runs after run ${state.active.runId}, which is under way`
        : `${updates(count)}`
  const next = { ...state, workflow, partitionKey, seen: laterOf(state.seen, cause.position), wanted }
  const decision = earlier !== null || state.active !== null ? ("coalesced" as const) : ("requested" as const)
  return decided(next, { at, decision, why, cause })
}

const ended = (state: State, event: Extract<Event, { readonly _tag: "MaterializationEnded" }>): State => {
  const { at, coolUntil = 0, failure, failures, outcome, retries, runId } = event
  const { active } = state
  const runs = state.runs.map((run) => (run.runId === runId ? { ...run, outcome, endedAt: at } : run))
  // A failed run is wanted again, unless something newer is: that answers it too.
  const again: Wanted | null =
    retries && active !== null && active.runId === runId
      ? { cause: active.cause, count: 1, priority: active.priority, cyclic: false, since: at, repeats: runId }
      : null
  // Recovered by hand and well in the end: there is nothing to repeat.
  const wanted = outcome === "succeeded" && state.wanted?.repeats === runId ? null : state.wanted
  const next: State = {
    ...state,
    active: active?.runId === runId ? null : active,
    failures,
    coolUntil,
    held: null,
    wanted: wanted ?? again,
    runs
  }
  const why =
    outcome !== "failed"
      ? `the run was ${outcome === "canceled" ? "canceled" : "a success"}`
      : `${failures === 1 ? "one failure" : `${failures} failures in a row`}: ${failure?.message ?? "no reason"}`
  return decided(next, { at, decision: outcome, why, runId })
}

export const evolve = (state: State, event: Event): State => {
  switch (event._tag) {
    case "MaterializationRequested":
      return requested(state, event)
    case "MaterializationHeld": {
      const { at, by, until } = event
      return decided({ ...state, held: { until, by } }, { at, decision: "held", why: by })
    }
    case "MaterializationStarted": {
      const { at, cause, count, partitionKey, priority, runId, sequence, workflow } = event
      const run: AutomaticRun = { runId, cause, startedAt: at, outcome: null, endedAt: null }
      return decided(
        {
          ...state,
          workflow,
          partitionKey,
          wanted: null,
          held: null,
          active: {
            ...{ ...run, count, priority, launched: false },
            ...(state.wanted?.repeats === undefined ? {} : { repeats: state.wanted.repeats })
          },
          sequence,
          lastStartedAt: at,
          runs: listed(state.runs, run)
        },
        { at, decision: "started", why: `answers ${updates(count)}`, runId, cause }
      )
    }
    case "MaterializationLaunched":
      return state.active?.runId === event.runId ? { ...state, active: { ...state.active, launched: true } } : state
    case "MaterializationEnded":
      return ended(state, event)
    case "MaterializationSkipped": {
      const { at, cause, partitionKey, why, workflow } = event
      return decided(
        { ...state, workflow, partitionKey, seen: laterOf(state.seen, cause.position) },
        { at, decision: "skipped", why, cause }
      )
    }
  }
}
