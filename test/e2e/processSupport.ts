import { Effect } from "effect"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { Client } from "../../src/sdk/HttpClient.ts"
import type { JsonObject } from "../../src/sdk/JobContext.ts"
import {
  killQuietly,
  postmasterPid,
  type ServerOptions,
  type ServerProcess,
  spawnServer,
  startServer
} from "../chaos/serverProcess.ts"

// App modules as their users would write them, each in a folder of its test's own.

/**
 * One workflow, `naps`: a step `nap` that sleeps `parameters.ms` and leaves a line in `ledger.txt`, between two that do
 * nothing. `concurrency`: how many of its steps execute at once.
 */
export const napApp = (folder: string, concurrency?: number): string =>
  written(
    folder,
    "naps.ts",
    `import { appendFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { defineApp, defineJob } from "kintsugi"

const ledger = (line: string) => appendFileSync(${JSON.stringify(join(folder, "ledger.txt"))}, line + "\\n")
const nap = defineJob({
  slug: "nap",
  run: async (ctx) => {
    ledger(\`begun \${ctx.runId} \${ctx.stepId} \${ctx.attempt}\`)
    await sleep(Number(ctx.parameters.ms ?? 0), undefined, { signal: ctx.signal })
    ledger(\`done \${ctx.runId} \${ctx.stepId} \${ctx.attempt}\`)
    return { result: { slept: ctx.parameters.ms ?? 0 } }
  }
})
const after = defineJob({ slug: "after", run: () => ({ result: { ok: true } }) })

export default defineApp({
  stores: { lake: { type: "folder", path: "lake" } },
  jobs: [nap, after],
  workflows: [
    {
      slug: "naps",${
        concurrency === undefined
          ? ""
          : `
      concurrency: ${concurrency},`
      }
      steps: [
        { id: "first", jobSlug: "after" },
        { id: "nap", jobSlug: "nap", dependsOn: ["first"] },
        { id: "after", jobSlug: "after", dependsOn: ["nap"] }
      ]
    }
  ]
})
`
  )

/** One workflow, `hangs`, of which one step executes at a time: its job never ends and looks at no signal. */
export const hungApp = (folder: string): string =>
  written(
    folder,
    "hangs.ts",
    `import { defineApp, defineJob } from "kintsugi"

const hang = defineJob({ slug: "hang", run: () => new Promise(() => setInterval(() => {}, 1000)) })

export default defineApp({
  stores: { lake: { type: "folder", path: "lake" } },
  jobs: [hang],
  workflows: [{ slug: "hangs", steps: [{ id: "hang", jobSlug: "hang" }] }]
})
`
  )

/** Writes a file of the test's folder and answers its path. */
export const written = (folder: string, name: string, text: string): string => {
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}

/** Asks until the answer is something, at most `seconds`. */
export const eventually = async <A>(
  what: string,
  ask: () => Promise<A | null | undefined | false>,
  seconds = 20
): Promise<A> => {
  const until = performance.now() + seconds * 1_000
  while (true) {
    const answer = await ask()
    if (answer !== null && answer !== undefined && answer !== false) return answer
    if (performance.now() > until) throw new Error(`not within ${seconds} s: ${what}`)
    await sleep(50)
  }
}

/** The run once it is in one of these states. */
export const inStatus = (client: Client, runId: string, ...statuses: ReadonlyArray<string>): Promise<JsonObject> =>
  eventually(`run ${runId} is ${statuses.join(" or ")}`, async () => {
    const run = await client.getRun(runId)
    return statuses.includes(String(run.status)) && run
  })

interface LogEvent {
  readonly type: string
  readonly data: JsonObject
}

/** The run's events, oldest first. */
export const eventsOf = async (client: Client, runId: string): Promise<ReadonlyArray<LogEvent>> => {
  const { data } = (await client.request("GET", `/runs/${runId}/events`, { query: { limit: 200 } })) as unknown as {
    readonly data: ReadonlyArray<LogEvent>
  }
  return data
}

/** Starts the run whose step `nap` sleeps for `ms`, and waits until that step executes. */
export const napping = async (client: Client, ms: number): Promise<string> => {
  const { data } = await client.run("naps", { parameters: { ms }, idempotencyKey: `nap-${performance.now()}` })
  const runId = String(data.id)
  await eventually(`the step of ${runId} executes`, async () =>
    (await eventsOf(client, runId)).some(({ data: { stepId }, type }) => type === "StepStarted" && stepId === "nap")
  )
  return runId
}

/** How often the nap of a run was begun and came to its end, by its own ledger. */
export const naps = (folder: string, runId: string): { readonly begun: number; readonly done: number } => {
  const lines = readFileSync(join(folder, "ledger.txt"), "utf8").split("\n")
  const count = (what: string) => lines.filter((line) => line.startsWith(`${what} ${runId} nap `)).length
  return { begun: count("begun"), done: count("done") }
}

/**
 * Gives a test a folder and whatever it starts in it; at the end every server is killed, then the Postgres that the
 * last one may have left behind, and the folder goes.
 */
export const withFolder = <A>(body: (place: Place) => Promise<A>): Effect.Effect<A> =>
  Effect.promise(async () => {
    const folder = mkdtempSync(join(tmpdir(), "kintsugi-process-"))
    const dataDir = join(folder, "data")
    const servers: Array<ServerProcess> = []
    const place: Place = {
      folder,
      dataDir,
      start: async (options = {}) => {
        const server = await startServer({ dataDir, ...options })
        servers.push(server)
        return server
      },
      spawn: (options = {}) => {
        const server = spawnServer({ dataDir, ...options })
        servers.push(server)
        return server
      }
    }
    try {
      return await body(place)
    } finally {
      for (const server of servers) if (server.child.exitCode === null) server.signal("SIGKILL")
      await Promise.all(servers.map(({ ended }) => ended))
      killQuietly(postmasterPid(dataDir))
      rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
    }
  })

export interface Place {
  readonly folder: string
  readonly dataDir: string
  readonly start: (options?: Partial<ServerOptions>) => ReturnType<typeof startServer>
  readonly spawn: (options?: Partial<ServerOptions>) => ServerProcess
}
