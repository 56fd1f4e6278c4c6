import { HashSet } from "effect"
import type { Failure } from "../Failure.ts"
import type {
  Event,
  PlanStep,
  Producer,
  ReasonCode,
  Recheck,
  RecoveryClass,
  RootCause,
  Waiter
} from "./RecoveryEvents.ts"

export type Status = "requested" | "planned" | "running" | "succeeded" | "failed" | "canceled"

/** Waiters in reverse order of joining: a list that grows by one without a copy. */
interface Joined {
  readonly waiter: Waiter
  readonly before: Joined | null
}

export interface State {
  readonly recoveryId: string
  readonly assetId: string
  readonly partitionKey: string
  readonly lostGeneration: number
  /** The generation is too old for a consumer instead of lost: only a newer one ends this well. */
  readonly refresh: boolean
  /** The best (lowest) of its waiters'. */
  readonly priority: number
  /** The newest version of the producing workflow that an asker named in this round; null: none. */
  readonly producerVersion: number | null
  /** 0: not requested yet. */
  readonly round: number
  readonly status: Status
  readonly class: RecoveryClass | null
  readonly rootCause: RootCause | null
  readonly plan: ReadonlyArray<PlanStep>
  readonly producer: Producer | null
  /** How its source is asked; null: a producer makes it. */
  readonly recheck: Recheck | null
  /** Parents that have not ended yet. */
  readonly parents: ReadonlyArray<string>
  readonly allParents: ReadonlyArray<string>
  /** Parents of this round that ended, possibly before the plan was recorded. */
  readonly settledParents: ReadonlyArray<{ readonly recoveryId: string; readonly failure?: Failure | undefined }>
  readonly attempt: number
  readonly maxAttempts: number
  readonly attemptTimeoutMs: number
  readonly producerRunId: string | null
  readonly only: ReadonlyArray<string>
  /** `starting`: the producer's run is being requested. `verifying`: it ended well, the asset is being probed. */
  readonly phase: "idle" | "starting" | "producing" | "verifying" | "backingOff"
  /** End of the running attempt's time, or of the back-off; epoch ms. */
  readonly dueAt: number | null
  /** The next attempt also executes the steps before the producing one. */
  readonly widen: boolean
  readonly failure: Failure | null
  readonly reasonCode: ReasonCode | null
  readonly via: "producer" | "copy" | "found" | null
  readonly generation: number | null
  readonly contentChanged: boolean | null
  readonly joined: Joined | null
  readonly waiterCount: number
  readonly waiterKeys: HashSet.HashSet<string>
  readonly released: number
  /** An operator has paused it; its end, or a new round, ends that too. */
  readonly paused: boolean
  readonly requestedAt: number
  readonly finishedAt: number | null
}

export const initial: State = {
  recoveryId: "",
  assetId: "",
  partitionKey: "",
  lostGeneration: 0,
  refresh: false,
  priority: 100,
  producerVersion: null,
  round: 0,
  status: "requested",
  class: null,
  rootCause: null,
  plan: [],
  producer: null,
  recheck: null,
  parents: [],
  allParents: [],
  settledParents: [],
  attempt: 0,
  maxAttempts: 3,
  attemptTimeoutMs: 600_000,
  producerRunId: null,
  only: [],
  phase: "idle",
  dueAt: null,
  widen: false,
  failure: null,
  reasonCode: null,
  via: null,
  generation: null,
  contentChanged: null,
  joined: null,
  waiterCount: 0,
  waiterKeys: HashSet.empty(),
  released: 0,
  paused: false,
  requestedAt: 0,
  finishedAt: null
}

export const waiterKey = (waiter: Waiter): string =>
  "recoveryId" in waiter ? `recovery/${waiter.recoveryId}` : `run/${waiter.runId}/${waiter.stepId}`

/** Waiters `from` (0-based, in the order in which they joined) up to and without `to`. */
export const waiters = (state: State, from: number, to: number): ReadonlyArray<Waiter> => {
  const found: Array<Waiter> = []
  let index = state.waiterCount - 1
  for (let joined = state.joined; joined !== null && index >= from; joined = joined.before, index--) {
    if (index < to) found.push(joined.waiter)
  }
  return found.reverse()
}

type Waiting = Pick<State, "joined" | "waiterCount" | "waiterKeys">

const oneMore = (state: Waiting, waiter: Waiter): Waiting => ({
  joined: { waiter, before: state.joined },
  waiterCount: state.waiterCount + 1,
  waiterKeys: HashSet.add(state.waiterKeys, waiterKey(waiter))
})

/** Whoever has not been told how the last round ended waits for the next one. */
const untold = (state: State): Waiting => {
  const { joined, waiterCount, waiterKeys } = initial
  return waiters(state, state.released, state.waiterCount).reduce(oneMore, { joined, waiterCount, waiterKeys })
}

export const isTerminal = ({ status }: State): boolean =>
  status === "succeeded" || status === "failed" || status === "canceled"

const ended = { phase: "idle" as const, dueAt: null, paused: false }

export const evolve = (state: State, event: Event): State => {
  switch (event._tag) {
    case "RecoveryRequested":
      return {
        ...initial,
        ...untold(state),
        recoveryId: event.recoveryId,
        assetId: event.assetId,
        partitionKey: event.partitionKey,
        lostGeneration: event.lostGeneration,
        refresh: event.refresh ?? false,
        priority: event.priority,
        producerVersion: event.producerVersion ?? state.producerVersion,
        round: event.round,
        producerRunId: state.producerRunId,
        requestedAt: event.at
      }
    case "RecoveryWaiterJoined":
      return {
        ...state,
        ...oneMore(state, event.waiter),
        priority: Math.min(state.priority, event.priority ?? state.priority)
      }
    case "RecoveryPlanned": {
      const { maxAttempts, attemptTimeoutMs, parents, plan, producer, rootCause } = event
      const settled = new Set(state.settledParents.map(({ recoveryId }) => recoveryId))
      return {
        ...state,
        status: "planned",
        class: event.class,
        rootCause,
        plan,
        producer,
        recheck: event.recheck ?? null,
        parents: parents.filter((parent) => !settled.has(parent)),
        allParents: parents,
        maxAttempts,
        attemptTimeoutMs
      }
    }
    case "RecoveryParentSettled": {
      const { failure, recoveryId } = event
      return {
        ...state,
        parents: state.parents.filter((parent) => parent !== recoveryId),
        settledParents: [...state.settledParents, { recoveryId, failure }]
      }
    }
    case "RecoveryScheduled":
      return {
        ...state,
        status: "running",
        phase: "starting",
        attempt: event.attempt,
        producerRunId: event.producerRunId ?? null,
        only: event.only,
        dueAt: event.at + state.attemptTimeoutMs
      }
    case "RecoveryAttemptStarted":
      return state.phase === "starting" ? { ...state, phase: "producing" } : state
    case "RecoveryProducerEnded":
      return { ...state, phase: "verifying" }
    case "RecoveryAttemptFailed":
      return {
        ...state,
        phase: "backingOff",
        failure: event.failure,
        dueAt: event.dueAt ?? null,
        widen: state.widen || event.widen === true
      }
    case "RecoverySucceeded":
      return {
        ...state,
        ...ended,
        status: "succeeded",
        via: event.via,
        generation: event.generation,
        contentChanged: event.contentChanged,
        finishedAt: event.at
      }
    case "RecoveryFailed":
      return {
        ...state,
        ...ended,
        status: event.reasonCode === "canceled" ? "canceled" : "failed",
        reasonCode: event.reasonCode,
        failure: event.failure,
        rootCause: event.rootCause ?? state.rootCause,
        finishedAt: event.at
      }
    case "RecoveryPaused":
      return { ...state, paused: true }
    case "RecoveryResumed":
      return { ...state, paused: false }
    case "RecoveryWaitersReleased":
      return { ...state, released: event.released }
  }
}
