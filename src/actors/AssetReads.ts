import { Clock, Context, Duration, Effect, Layer } from "effect"
import * as Asset from "../domain/Asset.ts"
import { type AssetView, view } from "../domain/AssetView.ts"
import type { AssetRef } from "../domain/Failure.ts"
import * as Id from "../domain/Id.ts"
import { view as materializationView, type MaterializationView } from "../domain/materialization/MaterializationView.ts"
import { idOf } from "../domain/materialization/MaterializationDecide.ts"
import * as WorkflowScheduleView from "../domain/WorkflowScheduleView.ts"
import { EventStore, type LogUnavailable, type Position } from "../eventstore/EventStore.ts"
import * as Actors from "./Actors.ts"
import { decode } from "./AssetActor.ts"
import { productionOf } from "./AssetHistory.ts"
import { AssetCheck } from "./AssetCheck.ts"
import { supersededAt } from "./Superseded.ts"

/** What a probe of the store said, and when (F15). `unknown`: it did not answer within 5 s. */
export interface Availability {
  readonly status: "present" | "missing" | "never" | "unavailable" | "unknown"
  /** Epoch ms. */
  readonly checkedAt: number
  /** Why nothing could be said. */
  readonly message?: string
}

/** How long a probe's answer is given again, how long one is waited for, and of how many partitions it is kept. */
const probeFreshMs = 5_000
const probePatience = Duration.seconds(5)
const probesKeptMax = 10_000

const pageEvents = 1_000

/** One asset partition, or one partition's automatic runs, from its own stream: always current. */
export class AssetReads extends Context.Service<
  AssetReads,
  {
    /** `at` (a position or epoch ms): as it was. Null: nothing was known of it. */
    readonly asset: (ref: AssetRef, at?: Position | number) => Effect.Effect<AssetView | null, LogUnavailable>
    /** Looks into the store, unless that was done within the last 5 s. */
    readonly available: (ref: AssetRef) => Effect.Effect<Availability>
    /** The automatic runs of one workflow and partition ("": none). */
    readonly automatic: (workflow: string, partitionKey: string) => Effect.Effect<MaterializationView>
    /** What the workflow's schedule does; null: it has none. */
    readonly schedule: (workflow: string) => Effect.Effect<WorkflowScheduleView.ScheduleView | null>
    /** One generation of the partition; null: there was never such a one. */
    readonly generation: (ref: AssetRef, generation: number) => Effect.Effect<Asset.Generation | null, LogUnavailable>
    /** The generation that is recorded there; null: no production is. */
    readonly production: (
      streamName: string,
      streamVersion: number
    ) => Effect.Effect<Asset.Generation | null, LogUnavailable>
    /** When the execution that made each generation was superseded by a restore of its run, epoch ms; null: it was not. */
    readonly supersededAt: (
      generations: ReadonlyArray<Asset.Generation>
    ) => Effect.Effect<ReadonlyArray<number | null>, LogUnavailable>
  }
>()("kintsugi/actors/AssetReads") {
  static readonly layer = Layer.effect(
    AssetReads,
    Effect.gen(function* () {
      const log = yield* EventStore
      const assets = yield* Actors.asset.client
      const materializations = yield* Actors.materialization.client
      const schedules = yield* Actors.schedule.client
      const check = yield* AssetCheck
      const probes = new Map<string, Availability>()

      /** The same fold, stopped earlier; page by page, so that a long stream is never in memory as a whole. */
      const past = Effect.fnUntraced(function* (id: string, at: Position | number) {
        let state = Asset.initial
        let version = 0
        while (true) {
          const page = yield* log.read(`asset-${id}`, version, pageEvents)
          for (const event of page) {
            const isLater = typeof at === "number" ? event.recordedAt > at : event.position > at
            if (isLater) return { state, streamVersion: version }
            state = Asset.evolve(state, decode(event))
            version = event.streamVersion
          }
          if (page.length < pageEvents) return { state, streamVersion: version }
        }
      })

      const probe = Effect.fnUntraced(function* (ref: AssetRef) {
        const found = yield* Effect.timeoutOption(check.check(ref, { reportedBy: "read" }), probePatience)
        const checkedAt = yield* Clock.currentTimeMillis
        if (found._tag === "None") {
          return { status: "unknown" as const, checkedAt, message: "the store did not answer within 5 s" }
        }
        const { value } = found
        const { status } = value
        return status === "unavailable" ? { status, checkedAt, message: value.failure.message } : { status, checkedAt }
      })

      return AssetReads.of({
        asset: Effect.fnUntraced(function* (ref, at) {
          const id = Id.asset(ref.assetId, ref.partitionKey)
          const { state, streamVersion } = yield* at === undefined ? assets.execute(id, { _tag: "Read" }) : past(id, at)
          return streamVersion === 0 ? null : view(state, streamVersion)
        }),
        available: Effect.fnUntraced(function* (ref) {
          const id = Id.asset(ref.assetId, ref.partitionKey)
          const now = yield* Clock.currentTimeMillis
          const before = probes.get(id)
          if (before !== undefined && now - before.checkedAt < probeFreshMs) return before
          const found: Availability = yield* probe(ref)
          // The oldest makes room.
          probes.delete(id)
          probes.set(id, found)
          const oldest = probes.size > probesKeptMax ? probes.keys().next().value : undefined
          if (oldest !== undefined) probes.delete(oldest)
          return found
        }),
        automatic: Effect.fnUntraced(function* (workflow, partitionKey) {
          const { state } = yield* materializations.execute(idOf(workflow, partitionKey), { _tag: "Read" })
          const now = yield* Clock.currentTimeMillis
          return materializationView(state.workflow === "" ? { ...state, workflow, partitionKey } : state, now)
        }),
        schedule: (workflow) =>
          Effect.map(schedules.execute(workflow, { _tag: "Read" }), ({ state }) => WorkflowScheduleView.view(state)),
        supersededAt: (generations) => supersededAt(log, generations),
        generation: (ref, generation) => productionOf(log, ref, generation),
        production: Effect.fnUntraced(function* (streamName, streamVersion) {
          const [recorded] = yield* log.read(streamName, streamVersion - 1, 1)
          const event = recorded === undefined ? null : decode(recorded)
          if (event?._tag !== "AssetProduced") return null
          const { _tag, at: _at, ...generation } = event
          return generation
        })
      })
    })
  )
}
