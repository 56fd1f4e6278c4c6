import { Context, type Effect } from "effect"
import type { LogUnavailable, Position } from "../eventstore/EventStore.ts"
import type { Production } from "../projections/AssetHistoryQuery.ts"
import type { AssetFilter, AssetListItem } from "../projections/AssetListQuery.ts"
import type { Outdated, Totals } from "../projections/AssetTotalsQuery.ts"
import type { InvalidCursor, PageRequest } from "../projections/Page.ts"
import type { PartitionedAsset, PartitionsPage } from "../projections/PartitionsQuery.ts"
import type { ProjectionBehind } from "../projections/ProjectionRunner.ts"
import type { Listing } from "./Reads.ts"

type Request = PageRequest & { readonly minPosition?: Position | undefined }
type Reading<A> = Effect.Effect<A, ProjectionBehind | LogUnavailable>

/** What the API lists and counts of assets: read models, which follow the log a moment later. */
export class Inventory extends Context.Service<
  Inventory,
  {
    readonly list: (filter: AssetFilter, request: Request) => Listing<AssetListItem>
    /** Of one asset, over all partitions or of one: newest first, each by its place in its stream. */
    readonly history: (
      asset: { readonly assetId: string; readonly partitionKey?: string | undefined },
      request: Request
    ) => Listing<Production>
    readonly partitions: (
      asset: PartitionedAsset,
      request: Request
    ) => Effect.Effect<PartitionsPage, InvalidCursor | ProjectionBehind | LogUnavailable>
    /** By asset key: of those that anything is recorded of. */
    readonly totals: (
      assetIds: ReadonlyArray<string>,
      minPosition?: Position | undefined
    ) => Reading<ReadonlyMap<string, Totals>>
    readonly outdated: (assetIds: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, Outdated>, LogUnavailable>
    /** The partitions ("": none) of a workflow that automatic runs were decided on, newest first. */
    readonly automatic: (workflow: string, request: Request) => Listing<string>
    /** When something that the workflow made expires next, ISO 8601, by the run's partition in lower case. */
    readonly nextRefresh: (
      workflow: string,
      assetIds: ReadonlyArray<string>,
      partitionKeys: ReadonlyArray<string>
    ) => Effect.Effect<
      { readonly next: string | null; readonly byPartition: ReadonlyMap<string, string> },
      LogUnavailable
    >
  }
>()("kintsugi/http/Inventory") {}
