import { Context, type Effect } from "effect"
import type { AssetRef } from "../domain/Failure.ts"
import type { Scope } from "../domain/integrity/Finding.ts"
import type { Part } from "../domain/Production.ts"
import type { LogUnavailable } from "../eventstore/EventStore.ts"

/** One asset partition that was produced, as the log says; times are epoch ms of our own clock. */
export interface InventoryRow extends AssetRef {
  /** The current generation, its workflow, and who announced it if no run of ours made it. */
  readonly generation: number
  readonly workflow: string
  readonly source: string | null
  readonly parts: ReadonlyArray<Part>
  readonly isMissing: boolean
  readonly expiredAt: number | null
  readonly staleSince: number | null
  /** Required inputs of which there are other bytes since it was made. */
  readonly outdatedBy: ReadonlyArray<{
    readonly assetId: string
    readonly partitionKey: string
    readonly used: number
    readonly generation: number
    readonly recordedAt: number
  }>
}

/** Where a page ends: asset id and partition key, without case. */
export type InventoryMark = readonly [assetKey: string, partitionId: string]

export interface InventoryPage {
  readonly rows: ReadonlyArray<InventoryRow>
  /** Null: there is nothing behind this page. */
  readonly next: InventoryMark | null
}

/**
 * What was produced, page by page: a read model, a moment behind the log. It tells where to look; what is judged is
 * read from the Asset itself.
 */
export class AssetInventory extends Context.Service<
  AssetInventory,
  {
    /** Waits until it has everything that was in the log when it was asked. */
    readonly ready: Effect.Effect<void>
    /** By asset id and partition key; at most `limit` rows, and not many more than 5,000 parts. */
    readonly page: (options: {
      readonly after: InventoryMark | null
      readonly limit: number
      readonly scope: Scope
    }) => Effect.Effect<InventoryPage, LogUnavailable>
    /** Which of these partitions of the asset (without case) were produced; null: whether any was. */
    readonly recorded: (
      assetId: string,
      partitionIds: ReadonlyArray<string> | null
    ) => Effect.Effect<ReadonlySet<string>, LogUnavailable>
    /** Runs of the workflow that have not ended, of this partition or of none: at most 100. */
    readonly openRuns: (workflow: string, partitionKey: string) => Effect.Effect<ReadonlyArray<string>, LogUnavailable>
  }
>()("kintsugi/actors/AssetInventory") {}
