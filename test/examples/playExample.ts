import { createHash } from "node:crypto"
import { readdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { DateTime, Effect, Result } from "effect"
import type { Engine } from "../../src/actors/Engine.ts"
import type { EventStore } from "../../src/eventstore/EventStore.ts"
import type { DefinedApp } from "../../src/sdk/App.ts"
import { checkApp } from "../../src/sdk/AppCheck.ts"
import { ended, eventsOf, history, play, until } from "../support/engine.ts"

/** The files of one app, in a folder of its own. */
export interface Files {
  /** The folder that the app's stores are relative to. */
  readonly folder: string
  /** Byte for byte, a character a byte. */
  readonly bytes: (path: string) => string
  /** SHA-256 of the bytes. */
  readonly digest: (path: string) => string
  readonly text: (path: string) => string
  /** Keys below `path`, in order, without what the runtime keeps for itself. */
  readonly list: (path: string) => ReadonlyArray<string>
  readonly remove: (...paths: ReadonlyArray<string>) => void
}

/** Plays an example's app on an engine of its own, with its stores in a folder of the test. */
export const playExample = <A, E>(
  app: DefinedApp,
  body: (files: Files) => Effect.Effect<A, E, Engine | EventStore>
) => {
  const { jobs, stores, timestore, workflows } = Result.getOrThrow(checkApp(app))
  return play(
    {
      jobs: [...jobs.values()],
      workflows: Object.fromEntries(workflows.map(({ slug, source }) => [slug, source])),
      settings: { stores, timestoreStore: timestore.store }
    },
    (folder) =>
      body({
        folder,
        bytes: (path) => readFileSync(join(folder, path), "latin1"),
        digest: (path) =>
          createHash("sha256")
            .update(readFileSync(join(folder, path)))
            .digest("hex"),
        text: (path) => readFileSync(join(folder, path), "utf8"),
        list: (path) =>
          readdirSync(join(folder, path), { recursive: true, withFileTypes: true })
            .filter((entry) => entry.isFile() && !entry.parentPath.includes(".kintsugi"))
            .map((entry) => join(entry.parentPath, entry.name).slice(join(folder, path).length + 1))
            .sort(),
        remove: (...paths) => {
          for (const path of paths) rmSync(join(folder, path), { recursive: true })
        }
      })
  )
}

/** Today by the clock of the test, as the runs see it. */
export const today = Effect.map(DateTime.now, DateTime.formatIsoDateUtc)

/** The runs of a workflow that nobody started by hand, oldest first. */
const automaticRuns = (workflow: string) =>
  Effect.map(eventsOf("run", "RunRequested"), (events) =>
    events.flatMap((event) => {
      const { reason, type, upstream } = event.trigger as Trigger
      const runId = event.runId as string
      const run = { runId, ...(reason && { reason }), ...(upstream?.runId && { of: upstream.runId }) }
      return event.workflow === workflow && type === "auto-materialize" ? [run] : []
    })
  )

interface Trigger {
  readonly type: string
  readonly reason?: string
  readonly upstream?: { readonly runId?: string }
}

/** How many runs nobody started by hand. */
export const startedThemselves = (workflow: string) => Effect.map(automaticRuns(workflow), ({ length }) => length)

/** Waits for the run that what the run `of` made has started by itself, and fails unless it succeeds. */
export const followed = Effect.fnUntraced(function* (workflow: string, of: string, reason = "upstream-update") {
  const isIt = (run: { readonly reason?: string; readonly of?: string }) => run.of === of && run.reason === reason
  const runs = yield* until(automaticRuns(workflow), (found) => found.some(isIt), `${reason} run of ${workflow}`)
  const run = yield* ended(runs.findLast(isIt)!.runId)
  assert.strictEqual(run.status, "succeeded", JSON.stringify(run, null, 1))
  return run
})

/** How often each step was begun on behalf of a recovery since the log had `after` events, as `step[partition]`. */
export const producersSince = Effect.fnUntraced(function* (after: number) {
  const events = (yield* history).slice(after)
  const producing = new Map<string, string>()
  const counts: Record<string, number> = {}
  for (const { payload, streamName, type } of events) {
    const said = JSON.parse(payload)
    if (type === "RunRequested" && said.trigger.type === "recovery") producing.set(streamName, said.partitionKey ?? "")
    const partitionKey = producing.get(streamName)
    if (type !== "StepStarted" || partitionKey === undefined) continue
    const name = `${said.stepId}[${partitionKey}]`
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
})

/** Events that the log has now. */
export const logged = Effect.map(history, ({ length }) => length)
