import { Effect } from "effect"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { ApiError, type Client, makeClient } from "../../src/sdk/HttpClient.ts"
import { kintsugi } from "../cli/kintsugi.ts"
import * as Clients from "./clients.ts"
import { loseFiles, takeAway } from "./faults.ts"
import { type Judgement, judge } from "./judgement.ts"
import { type Draw, draws } from "./random.ts"
import { killQuietly, postmasterPid, type ServerProcess, spawnServer, token } from "./serverProcess.ts"

export interface Plan {
  /** How often the server is killed with SIGKILL. */
  readonly kills: number
  readonly seed: number
  /** An empty folder for the database, the stores and the ledger. */
  readonly folder: string
  readonly clients: number
  /** Longest life of a server between its first word and its end, ms. */
  readonly lifeMsMax: number
  /** Whether Postgres is killed, the server frozen and a store taken away as well. */
  readonly severe: boolean
  readonly say: (line: string) => void
}

export interface Outcome extends Judgement {
  readonly seed: number
  readonly kills: number
  readonly killsDuringStart: number
  readonly postgresKills: number
  readonly freezes: number
  readonly outages: number
  readonly filesLost: number
  readonly acknowledged: number
  readonly canceledByUsers: number
  readonly repeats: number
  /** From spawn to the line that says where it listens, over all restarts, ms. */
  readonly startMsMedian: number
  readonly startMsMax: number
  /** From the end of the faults until nothing was left to do, ms. */
  readonly settledMs: number
  readonly seconds: number
}

/** Runs of everybody have to be over this long after the last fault. */
const settleMsMax = 60_000
const startMsMax = 30_000

/** A workload driven over HTTP while its server is killed again and again; then the log is judged. */
export const campaign = async (plan: Plan): Promise<Outcome> => {
  const { folder, kills, say, seed } = plan
  const begun = performance.now()
  const dataDir = join(folder, "data")
  mkdirSync(dataDir, { recursive: true })
  const draw = draws(seed)
  const told = Clients.nothingTold()
  const counts = { killsDuringStart: 0, postgresKills: 0, freezes: 0, outages: 0 }
  const starts: Array<number> = []
  let url: string | null = null
  let isOver = false
  let server: ServerProcess | null = null

  const workers = Array.from({ length: plan.clients }, (_, index) =>
    Clients.client({
      name: `client-${index}`,
      draw: draws(seed * 1_000 + index),
      told,
      url: () => url,
      isOver: () => isOver,
      pauseMsMax: 500
    })
  )
  const losses = loseFiles({ folder, draw: draws(seed * 1_000 + 999), isOver: () => isOver, pauseMsMax: 800 })
  let outage: Promise<boolean> = Promise.resolve(false)

  const spawned = () =>
    spawnServer({
      dataDir,
      app: join(import.meta.dirname, "app.ts"),
      env: { CHAOS_FOLDER: folder, KINTSUGI_STORE_SETTLE_MS: "200" }
    })
  const started = async (): Promise<ServerProcess> => {
    const at = performance.now()
    const starting = spawned()
    url = await within(starting.listening, startMsMax, () => `the server does not listen: ${starting.stderr()}`)
    starts.push(performance.now() - at)
    return starting
  }
  const killed = async (victim: ServerProcess): Promise<void> => {
    url = null
    victim.signal("SIGKILL")
    await victim.ended
  }

  try {
    for (let kill = 1; kill <= kills; kill++) {
      if (draw.chance(0.12)) {
        counts.killsDuringStart++
        server = spawned()
        await sleep(draw.between(20, 1_000))
        await killed(server)
        continue
      }
      server = await started()
      if (plan.severe && draw.chance(0.12)) {
        counts.outages++
        await outage
        outage = takeAway(folder, draw.oneOf(["inbox", "lake"]), draw.between(200, 3_000))
      }
      if (plan.severe && draw.chance(0.08)) counts.freezes += await freeze(server, draw)
      if (plan.severe && draw.chance(0.08)) counts.postgresKills += await killPostgres(dataDir, draw)
      await sleep(draw.between(50, plan.lifeMsMax))
      if (server.child.exitCode !== null) throw new Error(`the server ended by itself: ${server.stderr()}`)
      await killed(server)
      say(`kill ${kill}/${kills}: ${told.acknowledged.size} runs acknowledged`)
    }
    server = await started()
    await outage
    isOver = true
    await Promise.all(workers)
    const filesLost = await losses
    const settledMs = await settled(makeClient({ url: url!, token }), [...told.acknowledged.keys()])
    say(`all over ${Math.round(settledMs)} ms after the last fault`)
    url = null
    server.signal("SIGTERM")
    const { code } = await server.ended
    const judgement = await Effect.runPromise(judge({ dataDir, ledgerFile: join(folder, "ledger.txt"), told }))
    const verified = await kintsugi(["verify", "--data-dir", dataDir])
    return {
      ...judgement,
      ...counts,
      faults: [
        ...judgement.faults,
        ...(code === 0 ? [] : [`the last server ended with ${code} when it was told to stop`]),
        ...(verified.code === 0 ? [] : [`kintsugi verify ended with ${verified.code}: ${verified.stdout}`])
      ],
      seed,
      kills,
      filesLost,
      acknowledged: told.acknowledged.size,
      canceledByUsers: told.canceled.size,
      repeats: told.repeats,
      startMsMedian: median(starts),
      startMsMax: Math.max(...starts),
      settledMs,
      seconds: (performance.now() - begun) / 1_000
    }
  } catch (thrown) {
    if (server !== null) say(server.stderr().slice(-4_000))
    throw thrown
  } finally {
    isOver = true
    if (server !== null && server.child.exitCode === null) server.signal("SIGKILL")
    await Promise.allSettled([...workers, losses, outage])
    killQuietly(postmasterPid(dataDir))
  }
}

const freeze = async (server: ServerProcess, draw: Draw): Promise<number> => {
  await sleep(draw.between(50, 500))
  server.signal("SIGSTOP")
  await sleep(draw.between(2_000, 5_000))
  server.signal("SIGCONT")
  return 1
}

const killPostgres = async (dataDir: string, draw: Draw): Promise<number> => {
  await sleep(draw.between(50, 500))
  killQuietly(postmasterPid(dataDir))
  // The server brings it back; what it does meanwhile is part of the exercise.
  await sleep(draw.between(0, 2_000))
  return 1
}

const terminal: ReadonlySet<unknown> = new Set(["succeeded", "failed", "canceled"])

/** Waits until every acknowledged run has ended and no list shows a run or a recovery that goes on; ms. */
const settled = async (api: Client, acknowledged: ReadonlyArray<string>): Promise<number> => {
  const begun = performance.now()
  let open = acknowledged
  while (true) {
    const still: Array<string> = []
    for (const id of open) if (!terminal.has((await api.getRun(id)).status)) still.push(id)
    open = still
    const others = open.length > 0 ? [] : await going(api)
    if (open.length === 0 && others.length === 0) return performance.now() - begun
    if (performance.now() - begun > settleMsMax) {
      const first = open[0] === undefined ? others[0] : await api.getRun(open[0])
      throw new Error(
        `${open.length} acknowledged runs and ${others.length} others have not ended ${settleMsMax} ms after the last fault, such as ${JSON.stringify(first)}`
      )
    }
    await sleep(200)
  }
}

/** Runs and recoveries that go on. */
const going = async (api: Client) => {
  const found = []
  for (const status of ["pending", "running", "waiting"]) found.push(...(await listed(api, "/runs", status)))
  for (const status of ["requested", "planned", "running"]) found.push(...(await listed(api, "/recoveries", status)))
  return found
}

const listed = async (api: Client, path: string, status: string) => {
  try {
    const page = (await api.request("GET", path, { query: { status } })) as unknown as { readonly data: Array<unknown> }
    return page.data
  } catch (thrown) {
    if (thrown instanceof ApiError && thrown.status === 503) return ["a list that cannot answer yet"]
    throw thrown
  }
}

const within = <A>(promise: Promise<A>, ms: number, why: () => string): Promise<A> =>
  Promise.race([
    promise,
    sleep(ms, undefined, { ref: false }).then(() => {
      throw new Error(why())
    })
  ])

const median = (numbers: ReadonlyArray<number>): number =>
  [...numbers].sort((left, right) => left - right)[Math.floor(numbers.length / 2)] ?? 0
