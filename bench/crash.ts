import { Effect } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import * as Database from "../src/cli/Database.ts"
import type { RecordedEvent } from "../src/eventstore/EventStore.ts"
import { readLog } from "../test/chaos/judgement.ts"
import { type ServerOptions, startServer } from "../test/chaos/serverProcess.ts"

const stepMs = 1_000
const requestsAtOnce = 25
const waitMsMax = 120_000

/** The second step never ends before the kill; done again, it takes `stepMs`. */
const app = `import { setTimeout as sleep } from "node:timers/promises"
import { defineApp, defineJob } from "kintsugi"
const trivial = defineJob({ slug: "trivial", run: () => ({ result: { ok: true } }) })
const nap = defineJob({
  slug: "nap",
  run: async (ctx) => {
    await sleep(ctx.attempt === 1 ? 600_000 : ${stepMs}, undefined, { signal: ctx.signal })
    return { result: { ok: true } }
  }
})
export default defineApp({
  jobs: [trivial, nap],
  workflows: [{
    slug: "crash",
    steps: [
      { id: "a", jobSlug: "trivial" },
      { id: "b", jobSlug: "nap", dependsOn: ["a"] },
      { id: "c", jobSlug: "trivial", dependsOn: ["b"] }
    ]
  }]
})
`

/** One line of the bench's table. */
interface Row {
  readonly figure: string
  readonly measured: number
  readonly unit: string
  readonly target: string
  readonly isMet: boolean
}

const runsDefault = 500
const firstGoesOnMsMax = 1_000
const allDoneMsMax = 2_000

export interface CrashFigures {
  readonly runs: number
  /** From spawn of the new process, ms. */
  readonly listeningMs: number
  /** Until the first cut-off step runs again. */
  readonly firstGoesOnMs: number
  /** Until the last cut-off step runs again. */
  readonly lastGoesOnMs: number
  /** Until the last run has ended, without the time that its own step takes. */
  readonly allDoneMs: number
  readonly rows: ReadonlyArray<Row>
}

/** `kill -9` with `runs` runs in their second step, Postgres left running; then how soon everything goes on. */
export const measure = ({ runs = runsDefault }: { readonly runs?: number } = {}): Effect.Effect<CrashFigures> =>
  Effect.promise(async () => {
    const folder = mkdtempSync(join(tmpdir(), "kintsugi-crash-"))
    try {
      return await inFolder(folder, runs)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

const inFolder = async (folder: string, runs: number): Promise<CrashFigures> => {
  const file = join(folder, "app.ts")
  writeFileSync(file, app)
  const dataDir = join(folder, "data")
  const options: ServerOptions = { dataDir, app: file, env: { KINTSUGI_CONCURRENCY: "1000", KINTSUGI_DRAIN_MS: "0" } }
  const first = await startServer(options)
  await startRuns(first.client, runs)
  await until("every run is in its second step", async () => (await activeSteps(first.client)) === runs)
  // What is in flight then settles: projections, commits, the garbage of the start.
  await sleep(500)
  first.signal("SIGKILL")
  await first.ended

  const bornAt = Date.now()
  const second = await startServer(options)
  await until("every run has ended", async () => (await completedSteps(second.client)) === runs * 3)
  second.signal("SIGTERM")
  await second.ended
  const events = await Effect.runPromise(
    readLog.pipe(Effect.provide(Database.readOnly({ kind: "embedded", dataDir })), Effect.scoped)
  )
  const again = events.filter((event) => isSecondStart(event)).map(({ recordedAt }) => recordedAt - bornAt)
  const ended = events.filter(({ type }) => type === "RunSucceeded").map(({ recordedAt }) => recordedAt - bornAt)
  if (again.length !== runs || ended.length !== runs) {
    throw new Error(`${again.length} steps were done again and ${ended.length} runs ended, instead of ${runs}`)
  }
  const firstGoesOnMs = Math.min(...again)
  const allDoneMs = Math.max(...ended) - stepMs
  const atMost = (figure: string, measured: number, bound: number): Row => ({
    ...{ figure, measured, unit: "ms", target: `≤ ${bound}`, isMet: measured <= bound }
  })
  return {
    ...{ runs, firstGoesOnMs, allDoneMs },
    listeningMs: Math.round(second.startMs),
    lastGoesOnMs: Math.max(...again),
    rows: [
      atMost(
        `kill -9 with ${runs} runs in their second step: process start to the first that goes on`,
        firstGoesOnMs,
        firstGoesOnMsMax
      ),
      atMost("… until all are done, beyond their steps' own time", allDoneMs, allDoneMsMax)
    ]
  }
}

type Client = Awaited<ReturnType<typeof startServer>>["client"]

const startRuns = async (client: Client, runs: number): Promise<void> => {
  let next = 0
  const worker = async () => {
    while (next < runs) await client.run("crash", { idempotencyKey: `crash-${next++}` })
  }
  await Promise.all(Array.from({ length: requestsAtOnce }, worker))
}

interface Health {
  readonly queues: ReadonlyArray<{
    readonly key: string
    readonly counts: { readonly active: number; readonly completed: number }
  }>
}

const counts = async (client: Client) =>
  ((await client.queueHealth()) as unknown as Health).queues.find(({ key }) => key === "workflow")?.counts

const activeSteps = async (client: Client) => (await counts(client))?.active
const completedSteps = async (client: Client) => (await counts(client))?.completed

const isSecondStart = ({ payload, type }: RecordedEvent): boolean => {
  if (type !== "StepStarted") return false
  const { attempt, stepId } = JSON.parse(payload) as { readonly stepId: string; readonly attempt: number }
  return stepId === "b" && attempt === 2
}

const until = async (what: string, isTrue: () => Promise<boolean>): Promise<void> => {
  const begun = performance.now()
  while (!(await isTrue())) {
    if (performance.now() - begun > waitMsMax) throw new Error(`not within ${waitMsMax} ms: ${what}`)
    await sleep(100)
  }
}
