import { Context, type Effect, Schema } from "effect"
import type { LogUnavailable, Metadata, Position } from "../eventstore/EventStore.ts"
import type { Definition } from "../domain/Definition.ts"
import type { PlanStep, ReasonCode, RootCause } from "../domain/recovery/RecoveryEvents.ts"
import type { IllegalRecoveryTransition } from "../domain/recovery/RecoveryDecide.ts"
import type { RecoveryView } from "../domain/recovery/RecoveryView.ts"
import type { IllegalTransition } from "../domain/run/RunCommands.ts"
import type { RunView } from "../domain/run/RunView.ts"

/** One fault of an input: where (a readable path such as `steps[0].id`) and what would be right. */
export interface Problem {
  readonly path: string
  readonly message: string
}

/** The input is refused; every fault is listed. */
export class InvalidInput extends Schema.TaggedError<InvalidInput>()("InvalidInput", {
  problems: Schema.Array(Schema.Struct({ path: Schema.String, message: Schema.String }))
}) {}

/** Nothing of that kind has that id. */
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", {
  kind: Schema.Literals([
    "workflow",
    "run",
    "step",
    "checkpoint",
    "event",
    "dead letter",
    "recovery",
    "asset",
    "backfill",
    "bulk",
    "store",
    "token",
    "projection"
  ]),
  id: Schema.String
}) {}

/** The app module defines this slug, so nobody else may. */
export class DefinedByApp extends Schema.TaggedError<DefinedByApp>()("DefinedByApp", { slug: Schema.String }) {}

/** The same command id was used before with another request body. */
export class CommandReused extends Schema.TaggedError<CommandReused>()("CommandReused", { commandId: Schema.String }) {}

/** The log or the actor's host cannot take the command now; try again. */
export class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", { message: Schema.String }) {}

export interface WorkflowView {
  readonly slug: string
  readonly version: number
  readonly origin: "app" | "http"
  /** As it was put (JSON). */
  readonly definition: unknown
  readonly definedAt: string
  /** No run of it begins a step. */
  readonly paused: boolean
}

/** Who asks, and in which conversation: stored with the first event that the command causes. */
export type Caller = Pick<
  Metadata,
  "commandId" | "requestHash" | "principal" | "traceparent" | "correlationId" | "reason"
>

export interface StartRun {
  readonly workflow: string
  readonly parameters?: Readonly<Record<string, unknown>> | undefined
  readonly partitionKey?: string | undefined
  readonly runKey?: string | undefined
  readonly triggeredBy?: string | undefined
  readonly caller?: Caller | undefined
}

export interface RecoveryPlanView {
  readonly assetId: string
  readonly partitionKey: string | null
  readonly lostGeneration: number
  /** The asset is there: nothing would run. */
  readonly present: boolean
  readonly class: "recheck" | "reprocess" | null
  readonly rootCause: RootCause | null
  readonly plan: ReadonlyArray<PlanStep>
  readonly reasonCode: ReasonCode | null
  readonly message: string | null
}

/**
 * Everything that users and operators can ask of a running Kintsugi: what HTTP, the CLI and in-process callers share.
 * Commands answer when they are durable, with the position of their last event.
 */
export class Engine extends Context.Service<
  Engine,
  {
    readonly define: (
      slug: string,
      definition: unknown,
      origin: "app" | "http",
      caller?: Caller
    ) => Effect.Effect<
      {
        readonly workflow: WorkflowView
        readonly outcome: "created" | "updated" | "unchanged"
        readonly position: Position
      },
      InvalidInput | DefinedByApp | CommandReused | Unavailable
    >
    readonly workflows: Effect.Effect<ReadonlyArray<WorkflowView>>
    readonly workflow: (slug: string) => Effect.Effect<WorkflowView, NotFound>
    /** The parsed definition of one version. */
    readonly definition: (slug: string, version: number) => Effect.Effect<Definition, NotFound>

    readonly startRun: (
      start: StartRun
    ) => Effect.Effect<
      { readonly run: RunView; readonly position: Position },
      InvalidInput | NotFound | CommandReused | Unavailable
    >
    /** From the run's own stream: always current. `at` (a position or epoch ms) answers the state as it was. */
    readonly run: (runId: string, at?: Position | number) => Effect.Effect<RunView, NotFound | LogUnavailable>
    /** Starts a run and answers how it ended: what an in-process caller that has nothing else to do wants. */
    readonly runToEnd: (
      start: StartRun
    ) => Effect.Effect<
      "succeeded" | "failed" | "canceled",
      InvalidInput | NotFound | CommandReused | Unavailable | LogUnavailable
    >
    /** The run once it has ended; at once when it has ended already. */
    readonly awaitRun: (runId: string) => Effect.Effect<RunView, NotFound | LogUnavailable>
    readonly cancelRun: (
      runId: string,
      reason: string,
      caller?: Caller
    ) => Effect.Effect<
      { readonly run: RunView; readonly position: Position },
      NotFound | IllegalTransition | CommandReused | Unavailable
    >
    /** Resumes a failed run in place; `kept` and `rerun` name its steps. */
    readonly recoverRun: (
      runId: string,
      caller?: Caller
    ) => Effect.Effect<
      {
        readonly run: RunView
        readonly kept: ReadonlyArray<string>
        readonly rerun: ReadonlyArray<string>
        readonly position: Position
      },
      NotFound | IllegalTransition | CommandReused | Unavailable
    >

    readonly recovery: (
      recoveryId: string,
      at?: Position | number
    ) => Effect.Effect<RecoveryView, NotFound | LogUnavailable>
    readonly retryRecovery: (
      recoveryId: string,
      caller?: Caller
    ) => Effect.Effect<
      { readonly recovery: RecoveryView; readonly position: Position },
      NotFound | IllegalRecoveryTransition | CommandReused | Unavailable
    >
    readonly cancelRecovery: (
      recoveryId: string,
      reason: string,
      caller?: Caller
    ) => Effect.Effect<
      { readonly recovery: RecoveryView; readonly position: Position },
      NotFound | IllegalRecoveryTransition | CommandReused | Unavailable
    >
    /** A dry run: what would run, in which order, and why. */
    readonly planRecovery: (
      assetId: string,
      partitionKey: string | undefined
    ) => Effect.Effect<RecoveryPlanView, NotFound | Unavailable>

    /** State of each store as the breaker sees it. */
    readonly stores: Effect.Effect<
      ReadonlyArray<{
        readonly name: string
        readonly type: string
        readonly status: "ready" | "unavailable" | "wiped" | "unknown"
        readonly since: string | null
        readonly error: string | null
        readonly waiting: number
      }>
    >
    /** Process gauges: executing steps, steps waiting for a slot, resident actors, time of the longest blocked loop. */
    readonly gauges: Effect.Effect<{
      readonly executing: number
      readonly waitingForSlot: number
      readonly concurrency: number
      readonly residentActors: number
      readonly loopBlockedMs: number
    }>
  }
>()("kintsugi/actors/Engine") {}
