import { DeleteObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3"
import { renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Layer, type Scope } from "effect"
import type { StoreConfigs } from "../../src/capabilities/StoreConfig.ts"
import * as InventoryLive from "../../src/cli/InventoryLive.ts"
import * as LocationsLive from "../../src/cli/LocationsLive.ts"
import { engine } from "../../src/cli/Runtime.ts"
import { LogFollower } from "../../src/eventstore/LogFollower.ts"
import * as PgEventStore from "../../src/eventstore/PgEventStore.ts"
import { allProjections } from "../../src/projections/AllProjections.ts"
import { LocationIndex } from "../../src/projections/LocationIndex.ts"
import { ProjectionRunner } from "../../src/projections/ProjectionRunner.ts"
import { Redactions } from "../../src/projections/Redactions.ts"
import { TokenUses } from "../../src/projections/TokenUses.ts"
import { playOn, type Settings, settings } from "./engine.ts"
import * as Fauxqs from "./fauxqs.ts"
import { database } from "./postgres.ts"

/** The whole engine with its log and its read models in a database of its own on the tests' server. */
export const layerPg = (given: Settings) =>
  engine(settings(given)).pipe(
    Layer.provideMerge(Layer.merge(LocationsLive.layer, InventoryLive.layer)),
    Layer.provideMerge(LocationIndex.layer),
    Layer.provideMerge(TokenUses.layer),
    Layer.provideMerge(Redactions.layer(allProjections)),
    Layer.provideMerge(ProjectionRunner.layer(allProjections)),
    Layer.provideMerge(LogFollower.layer),
    Layer.provideMerge(PgEventStore.layer),
    Layer.provideMerge(database)
  )

/** Plays a scenario on an engine with its log in Postgres. */
export const playPg = playOn(layerPg)

/** Two real stores, `inbox` and `lake`, of one kind, and what can happen to them behind the engine's back. */
export interface RealStores {
  readonly stores: StoreConfigs
  readonly lose: (folder: string, store: string, key: string) => Effect.Effect<void>
  readonly replace: (folder: string, store: string, key: string, text: string) => Effect.Effect<void>
  /** From now on no store answers. */
  readonly outage: (folder: string) => Effect.Effect<void>
}

const folders: RealStores = {
  stores: { inbox: { type: "folder", path: "inbox" }, lake: { type: "folder", path: "lake" } },
  lose: (folder, store, key) => Effect.sync(() => rmSync(join(folder, store, key))),
  replace: (folder, store, key, text) => Effect.sync(() => writeFileSync(join(folder, store, key), text)),
  outage: (folder) =>
    Effect.sync(() => {
      for (const store of ["inbox", "lake"]) renameSync(join(folder, store), join(folder, `${store}.away`))
    })
}

const s3 = Effect.gen(function* (): Effect.fn.Return<RealStores, never, Scope.Scope> {
  const server = yield* Fauxqs.make
  const { endpoint } = server
  const client = new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: "test", secretAccessKey: "test" }
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => client.destroy()))
  const bucket = (name: string) => ({ type: "s3", bucket: name, endpoint, createBucket: true }) as const
  return {
    stores: { inbox: bucket("inbox"), lake: bucket("lake") },
    lose: (_, Bucket, Key) => Effect.promise(() => client.send(new DeleteObjectCommand({ Bucket, Key }))),
    replace: (_, Bucket, Key, Body) => Effect.promise(() => client.send(new PutObjectCommand({ Bucket, Key, Body }))),
    outage: () => server.kill
  }
})

/** Each kind of store, and how to get a pair of them for the time of a test. */
export const realStores: Readonly<Record<string, Effect.Effect<RealStores, never, Scope.Scope>>> = {
  folders: Effect.succeed(folders),
  S3: s3
}
