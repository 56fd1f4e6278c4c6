import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Layer } from "effect"
import { AssetInventory } from "../src/actors/AssetInventory.ts"
import { LocationIndex } from "../src/actors/LocationIndex.ts"
import * as Database from "../src/cli/Database.ts"
import { engine, type RuntimeSettings } from "../src/cli/Runtime.ts"
import * as PgEventStore from "../src/eventstore/PgEventStore.ts"
import * as PgDatabase from "../src/postgres/Database.ts"
import { LogFollower } from "../src/eventstore/LogFollower.ts"
import * as Migrations from "../src/postgres/Migrations.ts"

/** A folder that is gone when the scope closes. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "kintsugi-bench-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

type Given = Partial<RuntimeSettings> & Pick<RuntimeSettings, "jobs">

const engineOf = (dataDir: string, given: Given) =>
  engine({
    processId: "bench",
    // As many steps may execute as runs are in flight: what is measured is the engine, not the slots.
    concurrency: 256,
    crashLimit: 10,
    drainMs: 1_000,
    settleMs: 100,
    recovery: true,
    materializer: { baseBackoffMs: 120_000, maxBackoffMs: 1_800_000, refreshIntervalMs: 600_000 },
    stores: { lake: { type: "folder", path: "lake" } },
    baseDir: dataDir,
    timestoreStore: "lake",
    cacheDir: join(dataDir, "cache"),
    ...given
  })

/** The server without HTTP: embedded Postgres with default durability, every projection, every actor. */
export const layer = (dataDir: string, given: Given) =>
  engineOf(dataDir, given).pipe(Layer.provideMerge(Database.layer({ kind: "embedded", dataDir })))

/** The same without read models: an index of locations that knows none. */
export const layerLogAlone = (dataDir: string, given: Given) =>
  engineOf(dataDir, given).pipe(
    Layer.provideMerge(
      Layer.succeed(LocationIndex, {
        owner: () => Effect.succeed(null),
        recorded: () => Effect.succeed(null),
        copies: () => Effect.succeed([]),
        below: () => Effect.succeed([]),
        partitions: () => Effect.succeed([])
      })
    ),
    Layer.provideMerge(
      Layer.succeed(AssetInventory, {
        ready: Effect.void,
        page: () => Effect.succeed({ rows: [], next: null }),
        recorded: () => Effect.succeed(new Set<string>()),
        openRuns: () => Effect.succeed([])
      })
    ),
    Layer.provideMerge(LogFollower.layer),
    Layer.provideMerge(PgEventStore.layer),
    Layer.provideMerge(Migrations.layer),
    Layer.provideMerge(PgDatabase.layer({ kind: "embedded", dataDir }))
  )
