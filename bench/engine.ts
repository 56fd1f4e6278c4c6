import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Layer } from "effect"
import * as Database from "../src/cli/Database.ts"
import { engine, type RuntimeSettings } from "../src/cli/Runtime.ts"

/** A folder that is gone when the scope closes. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "kintsugi-bench-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** The server without HTTP: embedded Postgres with default durability, every projection, every actor. */
export const layer = (dataDir: string, given: Partial<RuntimeSettings> & Pick<RuntimeSettings, "jobs">) =>
  engine({
    processId: "bench",
    // As many steps may execute as runs are in flight: what is measured is the engine, not the slots.
    concurrency: 256,
    crashLimit: 10,
    drainMs: 1_000,
    settleMs: 100,
    recovery: true,
    stores: { lake: { type: "folder", path: "lake" } },
    baseDir: dataDir,
    timestoreStore: "lake",
    cacheDir: join(dataDir, "cache"),
    ...given
  }).pipe(Layer.provideMerge(Database.layer({ kind: "embedded", dataDir })))
