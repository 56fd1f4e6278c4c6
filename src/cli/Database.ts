import { Layer } from "effect"
import { LogFollower } from "../eventstore/LogFollower.ts"
import * as PgEventStore from "../eventstore/PgEventStore.ts"
import * as Database from "../postgres/Database.ts"
import * as Migrations from "../postgres/Migrations.ts"
import * as ProcessLock from "../postgres/ProcessLock.ts"
import { allProjections } from "../projections/AllProjections.ts"
import { LocationIndex } from "../projections/LocationIndex.ts"
import { ProjectionRunner } from "../projections/ProjectionRunner.ts"
import { Redactions } from "../projections/Redactions.ts"
import { TokenUses } from "../projections/TokenUses.ts"
import * as InventoryLive from "./InventoryLive.ts"
import * as LocationsLive from "./LocationsLive.ts"

/** The log and the read models of the one process that serves a database: migrated, and locked against a second. */
export const layer = (database: Database.Settings) =>
  Layer.merge(LocationsLive.layer, InventoryLive.layer).pipe(
    Layer.provideMerge(TokenUses.layer),
    Layer.provideMerge(LocationIndex.layer),
    Layer.provideMerge(LogFollower.layer),
    Layer.provideMerge(Redactions.layer(allProjections)),
    Layer.provideMerge(ProjectionRunner.layer(allProjections)),
    Layer.provideMerge(PgEventStore.layer),
    Layer.provideMerge(Migrations.layer),
    Layer.provideMerge(ProcessLock.layer),
    Layer.provideMerge(Database.layer(database))
  )

/** The log alone, for commands that only read it. */
export const readOnly = (database: Database.Settings) =>
  PgEventStore.layer.pipe(Layer.provideMerge(Migrations.layer), Layer.provideMerge(Database.layer(database)))
