import { Effect, Layer } from "effect"
import { ActorSystem, layerSingleRunner } from "../actors/ActorSystem.ts"
import * as Actors from "../actors/Actors.ts"
import { Announcements } from "../actors/Announcements.ts"
import * as AttentionActor from "../actors/AttentionActor.ts"
import { AttentionDesk } from "../actors/AttentionDesk.ts"
import * as AssetActor from "../actors/AssetActor.ts"
import { AssetCommands } from "../actors/AssetCommands.ts"
import * as BackfillActor from "../actors/BackfillActor.ts"
import { Backfills } from "../actors/Backfills.ts"
import * as BulkActor from "../actors/BulkActor.ts"
import { BulkOperations } from "../actors/BulkOperations.ts"
import { AssetCheck } from "../actors/AssetCheck.ts"
import { AssetJudge } from "../actors/AssetJudge.ts"
import { AssetReads } from "../actors/AssetReads.ts"
import * as DeadLetterActor from "../actors/DeadLetterActor.ts"
import * as DeliveryActor from "../actors/DeliveryActor.ts"
import { Definitions } from "../actors/Definitions.ts"
import { Drain } from "../actors/Drain.ts"
import * as EngineLive from "../actors/EngineLive.ts"
import { AutomaticRuns } from "../actors/AutomaticRuns.ts"
import { InputPartitions } from "../actors/InputPartitions.ts"
import { Inputs } from "../actors/Inputs.ts"
import { Integrity } from "../actors/Integrity.ts"
import * as IntegrityAttention from "../actors/IntegrityAttention.ts"
import * as IntegrityActor from "../actors/IntegrityActor.ts"
import { integrityDefaults, type IntegrityOptions, IntegritySettings } from "../actors/IntegritySettings.ts"
import * as IntegrityTriggers from "../actors/IntegrityTriggers.ts"
import { App } from "../actors/job/App.ts"
import * as JobRunnerLive from "../actors/job/JobRunnerLive.ts"
import * as LimitActor from "../actors/LimitActor.ts"
import { LeftOvers } from "../actors/LeftOvers.ts"
import { Limits } from "../actors/Limits.ts"
import { KnownPartitions } from "../actors/KnownPartitions.ts"
import { LineageGraph } from "../actors/LineageGraph.ts"
import { Locate } from "../actors/Locate.ts"
import { LoopWatch } from "../actors/LoopWatch.ts"
import * as MaterializationActor from "../actors/MaterializationActor.ts"
import { Materializer } from "../actors/Materializer.ts"
import { PartitionKeys } from "../actors/PartitionKeys.ts"
import * as PartitionKeysActor from "../actors/PartitionKeysActor.ts"
import * as PartitionParametersActor from "../actors/PartitionParametersActor.ts"
import { Provenance } from "../actors/Provenance.ts"
import { RecentWrites } from "../actors/RecentWrites.ts"
import * as RecoveryActor from "../actors/RecoveryActor.ts"
import { RecoveryDesk } from "../actors/RecoveryDesk.ts"
import { RecoveryPlanner } from "../actors/RecoveryPlanner.ts"
import { RecoveryEnabled } from "../actors/RecoverySettings.ts"
import * as RunActor from "../actors/RunActor.ts"
import * as RunKeyActor from "../actors/RunKeyActor.ts"
import { RunEnds } from "../actors/RunEnds.ts"
import { RunSteering } from "../actors/RunSteering.ts"
import * as ScheduleAttention from "../actors/ScheduleAttention.ts"
import * as ScheduleActor from "../actors/ScheduleActor.ts"
import { Slots } from "../actors/Slots.ts"
import { SourcePlan } from "../actors/SourcePlan.ts"
import { Sources } from "../actors/Sources.ts"
import { StaleMarks } from "../actors/StaleMarks.ts"
import { StoreHealth } from "../actors/StoreHealth.ts"
import * as StoreUse from "../actors/StoreUse.ts"
import * as Sweeper from "../actors/Sweeper.ts"
import * as TokenActor from "../actors/TokenActor.ts"
import { TokenDirectory } from "../actors/TokenDirectory.ts"
import { Tokens } from "../actors/Tokens.ts"
import { UpdateGraph } from "../actors/UpdateGraph.ts"
import { UpdateLoops } from "../actors/UpdateLoops.ts"
import * as WorkflowActor from "../actors/WorkflowActor.ts"
import { WorkflowPauses } from "../actors/WorkflowPauses.ts"
import { type HttpAccess, parseAllowed, resolveBySystem } from "../capabilities/HttpAccess.ts"
import { Stores } from "../capabilities/Stores.ts"
import type { StoreConfigs } from "../capabilities/StoreConfig.ts"
import { Timestore } from "../capabilities/Timestore.ts"
import type { Source } from "../domain/Source.ts"
import type { Job } from "../sdk/Job.ts"

export interface RuntimeSettings {
  /** Names this process in the log (`RunInterrupted`). */
  readonly processId: string
  readonly concurrency: number
  readonly crashLimit: number
  readonly drainMs: number
  readonly settleMs: number
  readonly recovery: boolean
  readonly stores: StoreConfigs
  /** What relative store paths are relative to. */
  readonly baseDir: string
  readonly jobs: ReadonlyArray<Job>
  readonly timestoreStore: string | undefined
  readonly timestoreCacheBytes?: number | undefined
  /** Hosts that http steps may ask although they are not public; default: none. */
  readonly httpAllow?: ReadonlyArray<string> | undefined
  /** Assets from outside that are asked for again when they are lost; default: none. */
  readonly sources?: ReadonlyArray<Source> | undefined
  /** How http steps look names up; default: the system's way. */
  readonly httpResolve?: HttpAccess["resolve"] | undefined
  /** Folder of this process's own for local copies of partitions. */
  readonly cacheDir: string
  readonly materializer: {
    /** Automatic runs of one workflow and partition cool down this long after a failure, ms; doubled for each more. */
    readonly baseBackoffMs: number
    readonly maxBackoffMs: number
    /** How often the graph of updates is built again although nothing has changed, ms. */
    readonly refreshIntervalMs: number
  }
  /** How assets are checked; left out: only when somebody asks. */
  readonly integrity?: Partial<IntegrityOptions> | undefined
  readonly buckets?: number | "actor"
  readonly maxIdleMs?: number
}

/**
 * The engine on a log and an index of locations: every actor, what their activities need, and `Engine` on top. The
 * layers below (database, projections) and above (HTTP) are chosen by who runs it.
 */
export const engine = (settings: RuntimeSettings) => {
  const system = ActorSystem.layer({
    ...(settings.buckets === undefined ? {} : { buckets: settings.buckets }),
    ...(settings.maxIdleMs === undefined ? {} : { maxIdleMs: settings.maxIdleMs })
  })
  const app = Layer.succeed(App, {
    jobs: new Map(settings.jobs.map((job) => [job.slug, job])),
    timestoreStore: settings.timestoreStore,
    http: {
      access: {
        allow: (settings.httpAllow ?? []).flatMap((text) => parseAllowed(text) ?? []),
        resolve: settings.httpResolve ?? resolveBySystem
      },
      env: (name) => process.env[name]
    }
  })
  const storeHealth = Layer.unwrap(
    Effect.map(StoreUse.make, (use) => StoreHealth.layer({ settleMs: settings.settleMs, ...use }))
  )
  const capabilities = Timestore.layer({
    cacheDir: settings.cacheDir,
    ...(settings.timestoreCacheBytes === undefined ? {} : { cacheBytesMax: settings.timestoreCacheBytes })
  }).pipe(Layer.provideMerge(Stores.layer(settings.stores, settings.baseDir)))

  const { baseBackoffMs, maxBackoffMs, refreshIntervalMs } = settings.materializer
  const backoff = Layer.succeed(MaterializationActor.MaterializerSettings, {
    baseMs: baseBackoffMs,
    maxMs: maxBackoffMs
  })
  const updates = UpdateGraph.layer(refreshIntervalMs).pipe(Layer.provideMerge(KnownPartitions.layer))
  const integrity = Layer.succeed(IntegritySettings, {
    ...integrityDefaults,
    ...(settings.integrity ?? { isAutomatic: false })
  })
  const services = AssetJudge.layer.pipe(
    Layer.provideMerge(
      Layer.mergeAll(Locate.layer, RecoveryPlanner.layer, AutomaticRuns.layer, updates, backoff, integrity)
    ),
    Layer.provideMerge(JobRunnerLive.layer),
    Layer.provideMerge(LeftOvers.layer),
    Layer.provideMerge(RecentWrites.layer),
    Layer.provideMerge(Inputs.layer),
    Layer.provideMerge(Layer.mergeAll(InputPartitions.layer, PartitionKeys.layer, SourcePlan.layer)),
    Layer.provideMerge(
      Layer.mergeAll(AssetCheck.layer, RecoveryDesk.layer, Limits.layer, UpdateLoops.layer, StaleMarks.layer)
    ),
    Layer.provideMerge(storeHealth),
    Layer.provideMerge(
      Layer.mergeAll(
        capabilities,
        app,
        Sources.layer(settings.sources ?? []),
        Slots.layer(settings.concurrency),
        RunEnds.layer,
        LoopWatch.layer
      )
    ),
    Layer.provideMerge(Layer.mergeAll(Definitions.layer, TokenDirectory.layer, WorkflowPauses.layer)),
    Layer.provideMerge(layerSingleRunner),
    Layer.provideMerge(system)
  )
  const actors = Layer.mergeAll(
    Layer.unwrap(
      Effect.map(RunActor.make({ processId: settings.processId, crashLimit: settings.crashLimit }), Actors.run.toLayer)
    ),
    Actors.asset.toLayer(AssetActor.behaviour),
    Layer.unwrap(Effect.map(RecoveryActor.make, Actors.recovery.toLayer)),
    Layer.unwrap(Effect.map(WorkflowActor.make, Actors.workflow.toLayer)),
    Layer.unwrap(Effect.map(RunKeyActor.make, Actors.runKey.toLayer)),
    Layer.unwrap(Effect.map(LimitActor.make, Actors.limit.toLayer)),
    Layer.unwrap(Effect.map(MaterializationActor.make, Actors.materialization.toLayer)),
    Layer.unwrap(Effect.map(ScheduleActor.make, Actors.schedule.toLayer)),
    Layer.unwrap(Effect.map(BackfillActor.make, Actors.backfill.toLayer)),
    Layer.unwrap(Effect.map(BulkActor.make, Actors.bulk.toLayer)),
    Layer.unwrap(Effect.map(IntegrityActor.make, Actors.integrity.toLayer)),
    Layer.unwrap(Effect.map(PartitionKeysActor.make, Actors.partitionKeys.toLayer)),
    Layer.unwrap(Effect.map(TokenActor.make, Actors.token.toLayer)),
    Actors.partitionParameters.toLayer(PartitionParametersActor.behaviour),
    Actors.attention.toLayer(AttentionActor.behaviour),
    Actors.deadLetter.toLayer(DeadLetterActor.behaviour),
    Actors.delivery.toLayer(DeliveryActor.behaviour)
  )
  // Definitions are in memory before any run is decoded; actors are there before the sweep wakes them.
  const background = Layer.mergeAll(
    Sweeper.layer,
    Sweeper.layerStoreReleases,
    Materializer.layer,
    ScheduleActor.layerFollower,
    Layer.merge(ScheduleAttention.layer, IntegrityAttention.layer).pipe(Layer.provide(AttentionDesk.layer)),
    IntegrityTriggers.layer,
    Drain.layer(settings.drainMs)
  )
  const operations = Layer.mergeAll(
    AssetCommands.layer,
    AttentionDesk.layer,
    DeadLetterActor.DeadLetterCommands.layer,
    DeliveryActor.DeliveryCommands.layer,
    AssetReads.layer,
    LineageGraph.layer,
    Announcements.layer,
    Backfills.layer,
    BulkOperations.layer,
    Tokens.layer,
    Integrity.layer,
    Provenance.layer,
    RunSteering.layer
  )
  return Layer.mergeAll(EngineLive.layer, operations, background).pipe(
    Layer.provideMerge(actors),
    Layer.provideMerge(Layer.merge(Layer.effectDiscard(WorkflowActor.loadAll), TokenDirectory.layerFollower)),
    Layer.provideMerge(services),
    Layer.provide(Layer.succeed(RecoveryEnabled, settings.recovery))
  )
}
