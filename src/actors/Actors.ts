import type * as Attention from "../domain/Attention.ts"
import type * as BackfillDecide from "../domain/backfill/BackfillDecide.ts"
import type * as BackfillState from "../domain/backfill/BackfillState.ts"
import type * as BulkDecide from "../domain/bulk/BulkDecide.ts"
import type * as BulkState from "../domain/bulk/BulkState.ts"
import type * as AccessToken from "../domain/AccessToken.ts"
import type * as Asset from "../domain/Asset.ts"
import type * as DeadLetter from "../domain/DeadLetter.ts"
import type * as Delivery from "../domain/Delivery.ts"
import type * as IntegrityDecide from "../domain/integrity/IntegrityDecide.ts"
import type * as IntegrityState from "../domain/integrity/IntegrityState.ts"
import type * as Limit from "../domain/Limit.ts"
import type * as MaterializationDecide from "../domain/materialization/MaterializationDecide.ts"
import type * as MaterializationState from "../domain/materialization/MaterializationState.ts"
import type * as PartitionKeys from "../domain/PartitionKeys.ts"
import type * as PartitionParameters from "../domain/PartitionParameters.ts"
import type * as RecoveryDecide from "../domain/recovery/RecoveryDecide.ts"
import type * as RecoveryState from "../domain/recovery/RecoveryState.ts"
import type * as RunCommands from "../domain/run/RunCommands.ts"
import type * as RunState from "../domain/run/RunState.ts"
import type * as RunKey from "../domain/RunKey.ts"
import type * as WorkflowDefinition from "../domain/WorkflowDefinition.ts"
import type * as WorkflowSchedule from "../domain/WorkflowSchedule.ts"
import * as Actor from "./Actor.ts"

/** The kinds of actor, by address and protocol only, so that each can know the others. */
export const run = Actor.make<RunState.State, RunCommands.Unstamped, RunCommands.Rejection>("run")
export const asset = Actor.make<Asset.State, Asset.Unstamped, never>("asset")
export const recovery = Actor.make<RecoveryState.State, RecoveryDecide.Unstamped, RecoveryDecide.Rejection>("recovery")
export const workflow = Actor.make<WorkflowDefinition.State, WorkflowDefinition.Command, WorkflowDefinition.Rejection>(
  "workflow"
)
export const runKey = Actor.make<RunKey.State, RunKey.Command, never>("runkey")
export const limit = Actor.make<Limit.State, Limit.Command, never>("limit")
export const materialization = Actor.make<MaterializationState.State, MaterializationDecide.Unstamped, never>(
  "materialization"
)
export const schedule = Actor.make<WorkflowSchedule.State, WorkflowSchedule.Unstamped, never>("schedule")
export const partitionParameters = Actor.make<PartitionParameters.State, PartitionParameters.Command, never>(
  "partition"
)
export const attention = Actor.make<Attention.State, Attention.Unstamped, never>("attention")
export const deadLetter = Actor.make<DeadLetter.State, DeadLetter.Command, RunCommands.IllegalTransition>("deadletter")
export const delivery = Actor.make<Delivery.State, Delivery.Unstamped, never>("delivery")
export const backfill = Actor.make<BackfillState.State, BackfillDecide.Unstamped, BackfillDecide.Rejection>("backfill")
export const bulk = Actor.make<BulkState.State, BulkDecide.Unstamped, BulkDecide.Rejection>("bulk")
export const token = Actor.make<AccessToken.State, AccessToken.Unstamped, RunCommands.IllegalTransition>("token")
export const partitionKeys = Actor.make<PartitionKeys.State, PartitionKeys.Unstamped, PartitionKeys.TooManyKeys>("keys")
export const integrity = Actor.make<IntegrityState.State, IntegrityDecide.Unstamped, never>("integrity")
