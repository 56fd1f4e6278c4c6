import { Context, type Effect } from "effect"
import type { Status as RecoveryStatus } from "../domain/recovery/RecoveryState.ts"
import type { LogUnavailable, Position } from "../eventstore/EventStore.ts"
import type { BackfillFilter } from "../projections/BackfillListQuery.ts"
import type { BulkFilter } from "../projections/BulkListQuery.ts"
import type { InvalidCursor, Page, PageRequest } from "../projections/Page.ts"
import type { ProjectionBehind, ProjectionStatus } from "../projections/ProjectionRunner.ts"
import type { BeforeHistory } from "../projections/QueueHealthHistory.ts"
import type { RunFilter } from "../projections/RunListQuery.ts"
import type { HorizonHolder, QueueHealth } from "./api/Admin.ts"
import type { BackfillSummary } from "./api/BackfillSchemas.ts"
import type { BulkSummary } from "./api/BulkSchemas.ts"
import type { Notification } from "./api/Notifications.ts"
import type { RecoverySummary } from "./api/RecoverySchemas.ts"
import type { RunSummary } from "./api/RunSchemas.ts"

export interface RecoveryFilter {
  readonly status?: RecoveryStatus | undefined
  /** Compared without case. */
  readonly assetId?: string | undefined
}

/** A page, or what stands in its way; `minPosition` is waited for up to 5 s. */
export type Listing<A> = Effect.Effect<Page<A>, InvalidCursor | ProjectionBehind | LogUnavailable>

/** One line of a metric whose name, type and help `Metrics.ts` knows; `suffix` is for histograms. */
export interface MetricRow {
  readonly name: string
  readonly suffix?: "_bucket" | "_sum" | "_count"
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** Everything that the API lists or counts: read models, which follow the log a moment later. */
export class Reads extends Context.Service<
  Reads,
  {
    readonly listRuns: (
      filter: RunFilter,
      request: PageRequest & { readonly minPosition?: Position | undefined }
    ) => Listing<RunSummary>
    readonly listRecoveries: (
      filter: RecoveryFilter,
      request: PageRequest & { readonly minPosition?: Position | undefined }
    ) => Listing<RecoverySummary>
    readonly listBackfills: (
      filter: BackfillFilter,
      request: PageRequest & { readonly minPosition?: Position | undefined }
    ) => Listing<BackfillSummary>
    readonly listBulks: (
      filter: BulkFilter,
      request: PageRequest & { readonly minPosition?: Position | undefined }
    ) => Listing<BulkSummary>
    readonly listNotifications: (
      filter: { readonly unread?: boolean | undefined },
      request: PageRequest & { readonly minPosition?: Position | undefined }
    ) => Listing<Notification>
    /** The notification as it is now; null: there is none with this id. Marking twice keeps the first time. */
    readonly markRead: (id: string) => Effect.Effect<Notification | null, LogUnavailable>
    readonly queueHealth: (
      minPosition: Position | undefined
    ) => Effect.Effect<QueueHealth, ProjectionBehind | LogUnavailable>
    /** From a history of one entry a minute: the newest at or before a position or a time (epoch ms). */
    readonly queueHealthAt: (at: Position | number) => Effect.Effect<QueueHealth, BeforeHistory | LogUnavailable>
    /** Counters that derive from the log, so they survive restarts. */
    readonly metrics: Effect.Effect<ReadonlyArray<MetricRow>, LogUnavailable>
    /** Answers without the database too. */
    readonly projections: Effect.Effect<ReadonlyArray<ProjectionStatus>>
    /** The oldest writing transaction of the database server; null: there is none. */
    readonly horizonHolder: Effect.Effect<HorizonHolder | null, LogUnavailable>
  }
>()("kintsugi/http/Reads") {}
