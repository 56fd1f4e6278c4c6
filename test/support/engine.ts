import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Layer, Schedule } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { engine, type RuntimeSettings } from "../../src/cli/Runtime.ts"
import type { RunView } from "../../src/domain/run/RunView.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import * as memoryIndex from "./memoryIndex.ts"

/** A folder that is gone when the scope closes. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "kintsugi-test-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

export type Settings = Partial<RuntimeSettings> & Pick<RuntimeSettings, "jobs" | "baseDir">

export const settings = (given: Settings): RuntimeSettings => ({
  processId: "test",
  concurrency: 16,
  crashLimit: 10,
  drainMs: 100,
  settleMs: 50,
  recovery: true,
  stores: { inbox: { type: "folder", path: "inbox" }, lake: { type: "folder", path: "lake" } },
  timestoreStore: "lake",
  cacheDir: join(given.baseDir, "cache"),
  ...given
})

/** The whole engine on a log in memory and real folders. */
export const layerMemory = (given: Settings) =>
  engine(settings(given)).pipe(Layer.provideMerge(memoryIndex.layer), Layer.provideMerge(MemoryEventStore.layer))

/** Waits until the run has ended, at most `seconds`. */
export const ended = Effect.fnUntraced(function* (runId: string, seconds = 15) {
  const runs = yield* Engine
  return yield* Effect.repeat(runs.run(runId), {
    until: (run: RunView) => ["succeeded", "failed", "canceled"].includes(run.status),
    schedule: Schedule.spaced("10 millis")
  }).pipe(
    Effect.timeoutOrElse({
      duration: `${seconds} seconds`,
      orElse: () =>
        Effect.flatMap(runs.run(runId), (run) =>
          Effect.die(new Error(`run ${runId} has not ended: ${JSON.stringify(run, null, 1)}`))
        )
    })
  )
})

export const start = Effect.fnUntraced(function* (
  workflow: string,
  partitionKey?: string,
  parameters?: Readonly<Record<string, unknown>>
) {
  const runs = yield* Engine
  return (yield* runs.startRun({ workflow, partitionKey, parameters })).run
})
