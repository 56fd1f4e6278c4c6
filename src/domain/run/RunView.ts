import { DateTime } from "effect"
import type { Failure } from "../Failure.ts"
import type * as RunChildren from "./RunChildren.ts"
import { type State, step, stepsIn } from "./RunState.ts"
import type { StepState, StepStatus } from "./RunStep.ts"

export type RunStatus = "pending" | "running" | "waiting" | "succeeded" | "failed" | "canceled"
export type PublicStepStatus = "pending" | "running" | "waiting" | "succeeded" | "failed" | "skipped" | "canceled"

/** `waiting`: none executes, and at least one step waits, or a pause holds up what would begin. */
export const statusOf = (state: State): RunStatus => {
  if (state.ended !== null) return state.ended
  if (stepsIn(state, "executing", "recording").length > 0) return "running"
  if (stepsIn(state, "locating", "waiting", "retrying").length > 0) return "waiting"
  if (state.startedAt === undefined) return "pending"
  return state.paused === undefined ? "running" : "waiting"
}

export const publicStepStatus = ({ status }: Pick<StepState, "status">): PublicStepStatus => {
  switch (status) {
    case "expanded":
    case "executing":
    case "recording":
      return "running"
    case "locating":
    case "waiting":
    case "retrying":
      return "waiting"
    default:
      return status
  }
}

const iso = (epochMs: number | undefined): string | null =>
  epochMs === undefined ? null : DateTime.formatIso(DateTime.makeUnsafe(epochMs))

/** The empty partition key of an unpartitioned asset is shown as null. */
export const shownPartition = (partitionKey: string | undefined): string | null =>
  partitionKey === undefined || partitionKey === "" ? null : partitionKey

/** A failure as it is shown, its asset as everywhere. */
export const shownFailure = ({ asset, ...failure }: Failure) => ({
  ...failure,
  ...(asset === undefined
    ? {}
    : { asset: { assetId: asset.assetId, partitionKey: shownPartition(asset.partitionKey) } })
})

const waitingFor = (current: StepState) => {
  if (current.status === "retrying") {
    return { waitingFor: { type: "retry", since: iso(current.finishedAt) }, retryAt: iso(current.dueAt) }
  }
  if (current.status === "locating" && current.failure !== undefined) {
    const { asset } = current.failure
    return {
      waitingFor: {
        type: "recovery",
        ...(asset === undefined ? {} : { assetId: asset.assetId, partitionKey: shownPartition(asset.partitionKey) }),
        since: iso(current.finishedAt)
      }
    }
  }
  if (current.waitingFor === undefined) return {}
  const { partitionKey, since, ...rest } = current.waitingFor
  return {
    waitingFor: {
      ...rest,
      ...(partitionKey === undefined ? {} : { partitionKey: shownPartition(partitionKey) }),
      since: iso(since)
    }
  }
}

/** How many children of a fan-out are where. */
export interface ChildCounts {
  readonly total: number
  readonly pending: number
  readonly running: number
  readonly waiting: number
  readonly succeeded: number
  readonly failed: number
  readonly skipped: number
  readonly canceled: number
}

const childCounts = (children: RunChildren.Children): ChildCounts => {
  const none = { pending: 0, running: 0, waiting: 0, succeeded: 0, failed: 0, skipped: 0, canceled: 0 }
  for (const [status, count] of Object.entries(children.counts)) {
    none[publicStepStatus({ status: status as StepStatus })] += count
  }
  return { total: children.ids.length, ...none }
}

/** A fan-out that goes on stands where its children do, as a run does by its steps. */
const fanOutStatus = ({ running, waiting }: ChildCounts): PublicStepStatus =>
  running > 0 ? "running" : waiting > 0 ? "waiting" : "pending"

const stepView = (state: State, stepId: string) => {
  const current = step(state, stepId)
  const children = current.children === undefined ? undefined : childCounts(current.children)
  const produced = current.produced.map((asset) => ({
    assetId: asset.assetId,
    partitionKey: shownPartition(asset.partitionKey),
    generation:
      current.generations.find(
        (recorded) => recorded.assetId === asset.assetId && recorded.partitionKey === asset.partitionKey
      )?.generation ?? null,
    ...(asset.payload === undefined ? {} : { payload: asset.payload }),
    locations: asset.parts
  }))
  return {
    id: stepId,
    status:
      current.status === "expanded" && children !== undefined ? fanOutStatus(children) : publicStepStatus(current),
    ...(children === undefined ? {} : { children }),
    attempt: current.attempt,
    ...(current.failure === undefined ? {} : { failure: shownFailure(current.failure) }),
    ...waitingFor(current),
    ...(current.result === undefined ? {} : { result: current.result }),
    producedAssets: produced,
    inputs: current.inputs.map((input) => ({ ...input, partitionKey: shownPartition(input.partitionKey) })),
    startedAt: iso(current.startedAt),
    finishedAt: iso(current.finishedAt)
  }
}

/** The public Run of CONTRACT, section 4. */
export const view = (state: State, streamVersion: number) => {
  const { failure } = state
  return {
    id: state.runId,
    workflow: state.workflow,
    version: state.version,
    status: statusOf(state),
    paused: state.paused !== undefined,
    partitionKey: shownPartition(state.partitionKey),
    runKey: state.runKey ?? null,
    parameters: state.parameters,
    trigger: state.trigger,
    steps: (state.definition?.steps ?? []).flatMap(({ id }) =>
      [id, ...(step(state, id).children?.ids ?? [])].map((stepId) => stepView(state, stepId))
    ),
    ...(failure === undefined ? {} : { failure: { ...shownFailure(failure), stepId: failure.stepId } }),
    ...(state.cancelReason === undefined ? {} : { cancelReason: state.cancelReason }),
    createdAt: iso(state.createdAt),
    startedAt: iso(state.startedAt),
    finishedAt: iso(state.finishedAt),
    streamVersion
  }
}
export type RunView = ReturnType<typeof view>
