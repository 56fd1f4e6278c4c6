import { Schema } from "effect"
import type { Definition } from "../Definition.ts"
import type { Failure } from "../Failure.ts"
import type { ObservedRead, Produced, UsedInput } from "../Production.ts"
import type { Trigger } from "../Trigger.ts"
import type { Listener, ObjectRef, WaitingFor } from "./RunEvents.ts"

/** How an attempt ended. `random` (0 ≤ r < 1) draws the retry's jitter; `heal`: recovery is on at every level. */
export type Outcome =
  | {
      readonly ok: true
      readonly result?: unknown
      readonly produced: ReadonlyArray<Produced>
      readonly reads: ReadonlyArray<ObservedRead>
      readonly unowned: ReadonlyArray<string>
    }
  | {
      readonly ok: false
      readonly failure: Failure
      readonly heal: boolean
      readonly random: number
      /** The next attempt does not begin earlier than this, ms: a service has said so. */
      readonly retryAfterMs?: number | undefined
    }

/** What the report of a missing or unusable asset came to. `retry`: it is there after all, or its healing is off. */
export type Verdict =
  | { readonly type: "retry"; readonly random: number }
  | { readonly type: "wait"; readonly waitingFor: WaitingFor }
  | { readonly type: "fail"; readonly failure: Failure }
  /** It has been healed meanwhile: look again at once. */
  | { readonly type: "again" }

export interface Start {
  readonly _tag: "Start"
  readonly runId: string
  readonly workflow: string
  readonly version: number
  readonly definition: Definition
  readonly parameters: Readonly<Record<string, unknown>>
  readonly partitionKey?: string | undefined
  readonly runKey?: string | undefined
  readonly trigger: Trigger
  readonly priority?: number | undefined
  readonly only?: ReadonlyArray<string> | undefined
  readonly results?: Readonly<Record<string, unknown>> | undefined
  /** Items of the fan-outs' children among `only`, by the child's id. */
  readonly items?: Readonly<Record<string, unknown>> | undefined
}

type Untimed =
  | Start
  /** The step's inputs are there and its slot is granted. */
  | { readonly _tag: "BeginStep"; readonly stepId: string; readonly inputs: ReadonlyArray<UsedInput> }
  /** The step cannot begin: an input is missing. */
  | { readonly _tag: "BlockStep"; readonly stepId: string; readonly verdict: Verdict }
  | { readonly _tag: "EndStep"; readonly stepId: string; readonly attempt: number; readonly outcome: Outcome }
  | {
      readonly _tag: "RecordOutputs"
      readonly stepId: string
      readonly attempt: number
      readonly generations: ReadonlyArray<UsedInput>
    }
  /** The attempt waits for the answer before it writes over these objects; refused when it is not the current one. */
  | {
      readonly _tag: "NoteOverwriting"
      readonly stepId: string
      readonly attempt: number
      readonly objects: ReadonlyArray<ObjectRef>
    }
  /** What the step left over recorded objects has been moved aside. */
  | { readonly _tag: "ConfirmMoved"; readonly stepId: string }
  | { readonly _tag: "Locate"; readonly stepId: string; readonly attempt: number; readonly verdict: Verdict }
  | {
      readonly _tag: "SettleRecovery"
      readonly recoveryId: string
      readonly stepId: string
      readonly failure?: Failure | undefined
    }
  /** Look again: what the run waits for has ended, and the message that should have said so may be lost. */
  | { readonly _tag: "Recheck"; readonly waitsOn: string }
  | { readonly _tag: "ReleaseStore"; readonly store: string }
  | { readonly _tag: "Tick" }
  /** The actor has come to life, or is about to be stopped: attempts in progress were cut off. */
  | {
      readonly _tag: "Interrupt"
      readonly reason: "crash" | "drain"
      readonly processId: string
      readonly crashLimit: number
    }
  | { readonly _tag: "Cancel"; readonly reason: string }
  | { readonly _tag: "Recover" }
  /** A failed step of a failed run goes on in place, with a fresh budget; one that waits for its retry begins at once. */
  | { readonly _tag: "RetryStep"; readonly stepId: string }
  /** `result` stands in for the step's own. `force`: also where the step is not optional. */
  | {
      readonly _tag: "SkipStep"
      readonly stepId: string
      readonly reason: string
      readonly result?: unknown
      readonly force: boolean
    }
  /** From now on no step of the run begins, until it is resumed; attempts under way end and are recorded. */
  | { readonly _tag: "Pause"; readonly reason: string }
  | { readonly _tag: "Resume" }
  /** What had finished by the checkpoint is kept, the rest is done again in place. */
  | { readonly _tag: "Restore"; readonly checkpoint: number }
  | { readonly _tag: "ConfirmDelivery"; readonly to: Listener }
  | { readonly _tag: "Read" }

/**
 * `now`: epoch ms by the host's clock. `slot`: one execution slot of this process is on offer to the run. `held`: its
 * workflow is paused, and no step of it begins.
 */
export type Command = Untimed & { readonly now: number; readonly slot: boolean; readonly held?: boolean }
export type Unstamped = Untimed

/** The status does not allow the command. */
export class IllegalTransition extends Schema.TaggedError<IllegalTransition>()("IllegalTransition", {
  command: Schema.String,
  status: Schema.String
}) {}

/** No such run. */
export class UnknownRun extends Schema.TaggedError<UnknownRun>()("UnknownRun", { runId: Schema.String }) {}

/** The run has no such step, and no such child of a fan-out. */
export class UnknownStep extends Schema.TaggedError<UnknownStep>()("UnknownStep", {
  runId: Schema.String,
  stepId: Schema.String
}) {}

/** The run has no such checkpoint: it never had, or what came after an earlier one has been superseded. */
export class UnknownCheckpoint extends Schema.TaggedError<UnknownCheckpoint>()("UnknownCheckpoint", {
  runId: Schema.String,
  checkpoint: Schema.Int
}) {}

/** The step is not optional: only with force is it skipped. */
export class NotOptional extends Schema.TaggedError<NotOptional>()("NotOptional", { stepId: Schema.String }) {}

export type Rejection = IllegalTransition | UnknownRun | UnknownStep | UnknownCheckpoint | NotOptional
