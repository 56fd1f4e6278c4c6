import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import type { Fragment } from "effect/sql/Statement"
import type { LogUnavailable, Position } from "../eventstore/EventStore.ts"
import { available } from "./Available.ts"
import { Locations } from "./Locations.ts"
import { type ProjectionBehind, ProjectionRunner } from "./ProjectionRunner.ts"

/** A recorded file: who owns it, and what the log says about its bytes. */
export interface LocatedFile {
  readonly store: string
  readonly key: string
  readonly assetId: string
  /** "" for an unpartitioned asset. */
  readonly partitionKey: string
  readonly generation: number
  readonly sha256: string
  readonly bytes: number
  readonly etag: string
  /** Whether the owner's step wrote the bytes; false: it only lists the file, and no writer is known. */
  readonly written: boolean
  /** Epoch ms. */
  readonly producedAt: number
  /** Of the production that listed it last for its owner. */
  readonly position: Position
  /** Whether it is part of the generation that is current for its asset partition. */
  readonly isCurrent: boolean
}

/** The index from (store, key) to the asset, over every production in the log. */
export class LocationIndex extends Context.Service<
  LocationIndex,
  {
    /** Who owns this file; null: no production has listed it, as far as the index has come (see `caughtUp`). */
    readonly owner: (store: string, key: string) => Effect.Effect<LocatedFile | null, LogUnavailable>

    /** Recorded files with this content, the newest first, at most 100: places to copy a lost file from. */
    readonly bySha256: (sha256: string) => Effect.Effect<ReadonlyArray<LocatedFile>, LogUnavailable>

    /** Every recorded file whose key begins with `keyPrefix`, by key. `isCurrent` tells what has been replaced. */
    readonly inDataset: (store: string, keyPrefix: string) => Effect.Effect<ReadonlyArray<LocatedFile>, LogUnavailable>

    /** Whether the index contains everything up to `position`: only then "no owner" can be believed. */
    readonly caughtUp: (position: Position) => Effect.Effect<boolean>

    /** Waits until it does, at most `timeoutMs` (default 5,000). */
    readonly waitFor: (position: Position, timeoutMs?: number) => Effect.Effect<void, ProjectionBehind>
  }
>()("kintsugi/projections/LocationIndex") {
  /** Reads the tables of `Locations`, which the runner must run. */
  static readonly layer = Layer.effect(
    LocationIndex,
    Effect.suspend(() => make)
  )
}

const copiesMax = 100

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const runner = yield* ProjectionRunner

  const find = (where: Fragment) =>
    available(sql<LocatedFile>`
      SELECT l.store, l.key, l.asset_id AS "assetId", l.partition_key AS "partitionKey", l.generation, l.sha256,
        l.bytes::float8 AS bytes, l.etag, l.written, (extract(epoch FROM l.produced_at) * 1000)::float8 AS "producedAt",
        l.position, l.generation = c.generation AS "isCurrent"
      FROM asset_locations_v1 l
      JOIN asset_locations_v1_current c ON c.asset_key = l.asset_key AND c.partition_key = l.partition_key
      WHERE ${where}`)

  return LocationIndex.of({
    owner: (store, key) => Effect.map(find(sql`l.store = ${store} AND l.key = ${key}`), ([found]) => found ?? null),
    bySha256: (sha256) => find(sql`l.sha256 = ${sha256} ORDER BY l.position DESC LIMIT ${copiesMax}`),
    // The prefix as a range of the primary key, in the key's byte order.
    inDataset: (store, keyPrefix) =>
      find(sql`l.store = ${store} AND l.key >= ${keyPrefix} AND l.key < ${`${keyPrefix}\u{10ffff}`} ORDER BY l.key`),
    caughtUp: (position) =>
      Effect.map(Effect.orDie(runner.position(Locations.name)), (reached) => reached !== null && reached >= position),
    waitFor: (position, timeoutMs) =>
      runner
        .waitFor(position, { name: Locations.name, ...(timeoutMs === undefined ? {} : { timeoutMs }) })
        .pipe(Effect.catchTag("UnknownProjection", Effect.die))
  })
})
