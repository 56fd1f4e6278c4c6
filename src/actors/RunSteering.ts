import { Clock, Context, DateTime, Effect, Layer, Result } from "effect"
import { jsonText } from "../domain/JsonBounds.ts"
import type { IllegalRecoveryTransition } from "../domain/recovery/RecoveryDecide.ts"
import type { RecoveryView } from "../domain/recovery/RecoveryView.ts"
import type { IllegalTransition, NotOptional, Unstamped } from "../domain/run/RunCommands.ts"
import { checkpoints } from "../domain/run/RunSteering.ts"
import { evolve, initial } from "../domain/run/RunState.ts"
import type { RunView } from "../domain/run/RunView.ts"
import { EventStore, type LogUnavailable, type Position } from "../eventstore/EventStore.ts"
import * as Actors from "./Actors.ts"
import { commandRules, metadataOf, unavailable } from "./CommandRules.ts"
import { Definitions } from "./Definitions.ts"
import {
  type Caller,
  type CommandReused,
  InvalidInput,
  NotFound,
  type Unavailable,
  type WorkflowView
} from "./Engine.ts"
import { resultBytesMax } from "./job/Results.ts"
import * as RecoveryCommanding from "./RecoveryCommanding.ts"
import * as RunActor from "./RunActor.ts"
import * as RunCopies from "./RunCopies.ts"
import type { StaleInputs } from "./RunCopies.ts"
import * as RunCommanding from "./RunCommanding.ts"
import { WorkflowPauses } from "./WorkflowPauses.ts"
import { workflowView } from "./WorkflowView.ts"

/** What a skipped step is given instead of its own result, and why. */
export interface Skip {
  readonly reason: string
  /** At most 256 KiB of JSON. */
  readonly result?: unknown
  /** Also where the step is not optional. */
  readonly force?: boolean | undefined
}

/** A point to which a run can be restored: a step had just finished. */
export interface Checkpoint {
  readonly checkpoint: number
  readonly stepId: string
  /** Of the event that says so. */
  readonly position: Position
  /** ISO time. */
  readonly at: string
}

type WorkflowDone = { readonly workflow: WorkflowView; readonly position: Position }
type RecoveryDone = { readonly recovery: RecoveryView; readonly position: Position }
type Done = { readonly run: RunView; readonly position: Position }
type Refused = NotFound | IllegalTransition | CommandReused | Unavailable

/** What operators do to runs: one method a command, each told once for a caller's command id. */
export class RunSteering extends Context.Service<
  RunSteering,
  {
    /** A failed step of a failed run goes on in place with a fresh budget; one that waits for its retry begins at once. */
    readonly retryStep: (runId: string, stepId: string, caller?: Caller) => Effect.Effect<Done, Refused>
    /** An attempt under way is interrupted. Fails with `NotOptional` where the step is not and `force` is not said. */
    readonly skipStep: (
      runId: string,
      stepId: string,
      skip: Skip,
      caller?: Caller
    ) => Effect.Effect<Done, Refused | NotOptional | InvalidInput>
    /** Every point to which the run can be restored now, oldest first. */
    readonly checkpoints: (runId: string) => Effect.Effect<ReadonlyArray<Checkpoint>, NotFound | LogUnavailable>
    /** What had finished by the checkpoint is kept, the rest is done again: in place, whatever the run's status is. */
    readonly restore: (runId: string, checkpoint: number, caller?: Caller) => Effect.Effect<Done, Refused>
    /** A new run, of the same version with the same parameters. `allowStale`: also where its inputs are newer now. */
    readonly replay: (
      runId: string,
      allowStale: boolean,
      caller?: Caller
    ) => Effect.Effect<Done, NotFound | StaleInputs | CommandReused | Unavailable>
    /** A new run that keeps the results of all steps but `fromStep`, what depends on it, and what has not finished. */
    readonly fork: (
      runId: string,
      fromStep: string,
      caller?: Caller
    ) => Effect.Effect<Done, NotFound | CommandReused | Unavailable>
    /** No step of the run begins until it is resumed; attempts under way end and are recorded. Told again: nothing. */
    readonly pauseRun: (runId: string, reason: string, caller?: Caller) => Effect.Effect<Done, Refused>
    readonly resumeRun: (runId: string, caller?: Caller) => Effect.Effect<Done, Refused>
    /** No run of the workflow begins a step until it is resumed; new runs are accepted and stay pending. */
    readonly pauseWorkflow: (
      slug: string,
      reason: string,
      caller?: Caller
    ) => Effect.Effect<WorkflowDone, NotFound | CommandReused | Unavailable>
    readonly resumeWorkflow: (
      slug: string,
      caller?: Caller
    ) => Effect.Effect<WorkflowDone, NotFound | CommandReused | Unavailable>
    /** It begins no attempt until it is resumed; one under way goes on, and its waiters wait. */
    readonly pauseRecovery: (
      recoveryId: string,
      reason: string,
      caller?: Caller
    ) => Effect.Effect<RecoveryDone, NotFound | IllegalRecoveryTransition | CommandReused | Unavailable>
    readonly resumeRecovery: (
      recoveryId: string,
      caller?: Caller
    ) => Effect.Effect<RecoveryDone, NotFound | IllegalRecoveryTransition | CommandReused | Unavailable>
  }
>()("kintsugi/actors/RunSteering") {
  static readonly layer = Layer.effect(
    RunSteering,
    Effect.gen(function* () {
      const log = yield* EventStore
      const definitions = yield* Definitions
      const pauses = yield* WorkflowPauses
      const workflows = yield* Actors.workflow.client
      const { isRepeat, positionOf, timely } = commandRules(log)
      const { command: tellRun, reopening } = yield* RunCommanding.make(log)
      const copies = yield* RunCopies.make(log)
      const tellRecovery = yield* RecoveryCommanding.make(log)

      const told = <E>(effect: Effect.Effect<Done, E>) => unavailable(timely(effect))
      /** For commands that no step refuses for being needed. */
      const steer = (runId: string, command: Exclude<Unstamped, { readonly _tag: "SkipStep" }>, caller?: Caller) =>
        told(Effect.catchTag(reopening(runId, command, caller), "NotOptional", Effect.die))

      const hold = (runId: string, command: Unstamped & { readonly _tag: "Pause" | "Resume" }, caller?: Caller) =>
        told(Effect.catchTag(tellRun(runId, command, caller), "NotOptional", Effect.die))

      const tellWorkflow = (
        slug: string,
        command: { readonly _tag: "Pause"; readonly reason: string } | { readonly _tag: "Resume" },
        caller: Caller | undefined
      ) =>
        unavailable(
          timely(
            Effect.gen(function* () {
              const defined = definitions.latest(slug)
              if (defined === undefined) return yield* new NotFound({ kind: "workflow", id: slug })
              const now = yield* Clock.currentTimeMillis
              const repeated = yield* isRepeat(caller)
              const asked = repeated ? { _tag: "Read" as const, now } : { ...command, now }
              const answer = yield* Effect.orDie(workflows.execute(slug, asked, metadataOf(caller)))
              const position = yield* positionOf(`workflow-${slug}`, answer)
              return { workflow: { ...workflowView(defined, pauses), paused: answer.state.paused }, position }
            })
          )
        )

      return RunSteering.of({
        replay: (runId, allowStale, caller) => told(copies.replay(runId, allowStale, caller)),
        fork: (runId, fromStep, caller) => told(copies.fork(runId, fromStep, caller)),
        pauseRun: (runId, reason, caller) => hold(runId, { _tag: "Pause", reason }, caller),
        resumeRun: (runId, caller) => hold(runId, { _tag: "Resume" }, caller),
        pauseWorkflow: (slug, reason, caller) => tellWorkflow(slug, { _tag: "Pause", reason }, caller),
        resumeWorkflow: (slug, caller) => tellWorkflow(slug, { _tag: "Resume" }, caller),
        pauseRecovery: (id, reason, caller) => tellRecovery(id, { _tag: "Pause", reason }, caller),
        resumeRecovery: (id, caller) => tellRecovery(id, { _tag: "Resume" }, caller),
        retryStep: (runId, stepId, caller) => steer(runId, { _tag: "RetryStep", stepId }, caller),
        skipStep: Effect.fn("RunSteering.skipStep")(function* (
          runId,
          stepId,
          { force = false, reason, result },
          caller
        ) {
          const fault = result === undefined ? null : resultFault(result)
          if (fault !== null) return yield* new InvalidInput({ problems: [fault] })
          const command = { _tag: "SkipStep" as const, stepId, reason, result, force }
          return yield* told(reopening(runId, command, caller))
        }),
        checkpoints: Effect.fn("RunSteering.checkpoints")(function* (runId) {
          const recorded = yield* log.read(`run-${runId}`, 0)
          if (recorded.length === 0) return yield* new NotFound({ kind: "run", id: runId })
          const events = recorded.map((event) => RunActor.decode(definitions, event))
          const valid = checkpoints(events.reduce(evolve, initial))
          const found: Array<Checkpoint> = []
          let state = initial
          for (const [index, event] of events.entries()) {
            const before = state.checkpoint
            state = evolve(state, event)
            const stepId = state.checkpoint > before ? valid.get(state.checkpoint) : undefined
            if (stepId === undefined) continue
            const { position, recordedAt } = recorded[index]!
            found.push({
              checkpoint: state.checkpoint,
              stepId,
              position,
              at: DateTime.formatIso(DateTime.makeUnsafe(recordedAt))
            })
          }
          return found
        }),
        restore: (runId, checkpoint, caller) => steer(runId, { _tag: "Restore", checkpoint }, caller)
      })
    })
  )
}

const resultFault = (result: unknown) => {
  const text = jsonText(result)
  if (Result.isFailure(text))
    return { path: text.failure.path === "" ? "result" : `result.${text.failure.path}`, message: text.failure.message }
  const bytes = Buffer.byteLength(text.success)
  if (bytes <= resultBytesMax) return null
  return { path: "result", message: `is ${bytes} bytes of JSON, more than ${resultBytesMax}` }
}
