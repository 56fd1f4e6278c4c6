import fc from "fast-check"
import { spawn } from "node:child_process"
import { rmSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import {
  killQuietly,
  postmasterPid,
  type ServerProcess,
  startServer,
  token as adminToken
} from "../chaos/serverProcess.ts"
import { mayAct } from "../../src/http/api/Guards.ts"
import { type Operation, operations } from "./document.ts"
import { answerMsMax, faultsOf, jsonOf, operationOf, secretsOf } from "./oracle.ts"
import { type Asker, askers, type FuzzRequest, plain, request as requestOf, type Tokens } from "./requests.ts"
import { curl, exchange, type RawAnswer } from "./transport.ts"
import * as World from "./world.ts"

export interface CampaignOptions {
  readonly seed: number
  /** The first request's number, to come near to one that was told. */
  readonly from?: number
  /** Ends after so many requests or so many seconds, whichever comes first. */
  readonly requests: number
  readonly seconds: number
  /** Requests under way at once. */
  readonly concurrency: number
  /** Holds the data directory and the stores. */
  readonly folder: string
  readonly say: (line: string) => void
}

export interface Outcome {
  readonly sent: number
  /** Answers by status. */
  readonly statuses: Readonly<Record<string, number>>
  /** Operations that have answered 2xx. */
  readonly succeeded: ReadonlyArray<string>
  /** Each with what led to it; the same fault of an operation is told once. */
  readonly faults: ReadonlyArray<string>
}

/** Starts a server of its own, fuzzes its whole surface, and looks at what it leaves: its log lines and its log. */
export const campaign = async (options: CampaignOptions): Promise<Outcome> => {
  const { folder, seed } = options
  const dataDir = join(folder, "data")
  const server = await startServer({
    ...{ dataDir, app: join(import.meta.dirname, "app.ts") },
    env: { FUZZ_FOLDER: folder, KINTSUGI_RATE_LIMIT_PER_SECOND: "0", KINTSUGI_SIGN_IN_FAILURES_PER_MINUTE: "0" }
  })
  try {
    const faults = new Map<string, string>()
    // Not its `close`: the embedded Postgres may keep the pipes open.
    const ended = () => server.child.exitCode ?? server.child.signalCode
    const { tokens, world } = await inhabited(server.url, folder)
    const tally = { sent: 0, statuses: {} as Record<string, number>, succeeded: new Set<string>() }
    const told = (request: FuzzRequest, answer: RawAnswer, at: string) => (fault: string) => {
      const key = `${operationOf(request)?.id ?? "no route"}: ${fault}`
      if (faults.has(key)) return
      const line = `${key}\n  seed ${seed}, ${at}, as ${request.asker}\n  ${curl(server.url, request)}\n  ${answer.status} ${answer.text.slice(0, 600)}`
      faults.set(key, line)
      options.say(line)
    }
    const ask = async (request: FuzzRequest, at: string): Promise<RawAnswer> => {
      const answer = await exchange(server.url, request, answerMsMax)
      tally.sent++
      tally.statuses[answer.status] = (tally.statuses[answer.status] ?? 0) + 1
      const body = jsonOf(answer)
      const operation = operationOf(request)
      if (operation !== undefined && answer.status >= 200 && answer.status < 300) tally.succeeded.add(operation.id)
      // Its own answer is the only place where a new token may be read.
      const shown = operation?.id === "tokens.listTokens" ? null : newToken(body)
      faultsOf(request, answer, world.secrets).forEach(told(request, answer, at))
      if (shown !== null) world.secrets.push(...secretsOf(shown))
      if (operation !== undefined && body !== undefined && answer.status < 300) world.learn(operation.id, body)
      return answer
    }

    await sameRefusal(tokens, world, ask, told)
    const until = performance.now() + options.seconds * 1_000
    let next = options.from ?? 0
    const last = next + options.requests
    const worker = async () => {
      while (next < last && performance.now() < until && ended() === null) {
        const index = next++
        // The seed makes the request from what is known; what is known depends on the server, so the line of curl counts.
        const [request] = fc.sample(requestOf(world, tokens), { seed: mixed(seed, index), numRuns: 1 })
        if (request !== undefined) await ask(request, `request ${index}`)
        if (index > 0 && index % 1_000 === 0) options.say(`${index} requests, ${faults.size} faults`)
      }
    }
    await Promise.all(Array.from({ length: options.concurrency }, worker))

    for (const fault of await afterwards(server, dataDir, tokens, ended())) {
      faults.set(fault, fault)
      options.say(fault)
    }
    const succeeded = [...tally.succeeded].sort()
    return { sent: tally.sent, statuses: tally.statuses, succeeded, faults: [...faults.values()] }
  } finally {
    if (server.child.exitCode === null) server.signal("SIGTERM")
    await Promise.race([server.ended, sleep(20_000)])
    killQuietly(server.pid)
    killQuietly(postmasterPid(dataDir))
  }
}

const mixed = (seed: number, index: number): number =>
  Math.imul(seed ^ 0x9e3779b9, 2654435761) + Math.imul(index, 40503)

const newToken = (body: unknown): string | null => {
  const data = (body as { readonly data?: { readonly token?: unknown } } | undefined)?.data
  return typeof data?.token === "string" ? data.token : null
}

/** Roles, and some history: runs of every end, a lost file that is made again, a backfill, a check. */
const inhabited = async (url: string, folder: string) => {
  const admin = { admin: adminToken, wrong: "wrong-token", operator: "", viewer: "" }
  const spared = new Set<string>()
  const send = async (method: string, path: string, body: object): Promise<Readonly<Record<string, unknown>>> => {
    const answer = await exchange(
      url,
      plain(admin, "admin", method, path, Buffer.from(JSON.stringify(body))),
      answerMsMax
    )
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`)
    return (jsonOf(answer) as { readonly data: Readonly<Record<string, unknown>> }).data
  }
  const issued = async (role: "operator" | "viewer"): Promise<string> => {
    const { id, token } = await send("POST", "/api/v1/admin/tokens", { role, name: role })
    spared.add(String(id))
    return String(token)
  }
  const tokens: Tokens = { ...admin, operator: await issued("operator"), viewer: await issued("viewer") }
  const world = World.make(spared)
  for (const token of [tokens.admin, tokens.operator, tokens.viewer]) world.secrets.push(...secretsOf(token))
  for (const key of ["a", "b", "c"]) world.add("partition", key)
  for (const assetId of ["raw", "table"]) world.add("asset", assetId)
  for (const slug of ["made", "used", "failing", "slowly", "fuzz-1", "fuzz-2"]) world.add("workflow", slug)
  for (const step of ["make", "use", "quick", "fails", "slow", "first"]) world.add("step", step)
  for (const name of ["runs", "assets", "queue_health", "notifications"]) world.add("projection", name)
  world.add("store", "lake")

  const run = async (slug: string, body: object) => {
    const { id } = await send("POST", `/api/v1/workflows/${slug}/run`, body)
    world.add("run", String(id))
    return String(id)
  }
  const ended = async (id: string) => {
    for (let tries = 0; tries < 100; tries++) {
      const answer = await exchange(url, plain(tokens, "admin", "GET", `/api/v1/runs/${id}`), answerMsMax)
      if (/"status":"(succeeded|failed|canceled)"/.test(answer.text)) return
      await sleep(50)
    }
  }
  await ended(await run("made", { partitionKey: "a" }))
  rmSync(join(folder, "lake/raw/a.txt"), { force: true })
  await run("used", { partitionKey: "a" })
  await run("failing", {})
  await run("slowly", {})
  const backfill = await send("POST", "/api/v1/backfills", { workflow: "made", partitions: { keys: ["b", "c"] } })
  world.add("backfill", String(backfill.id))
  const spare = await send("POST", "/api/v1/admin/tokens", { role: "viewer", name: "spare" })
  world.add("token", String(spare.id))
  world.secrets.push(...secretsOf(String(spare.token)))
  await send("POST", "/api/v1/integrity/checks", {})
  return { tokens, world }
}

type Ask = (request: FuzzRequest, at: string) => Promise<RawAnswer>
type Told = (request: FuzzRequest, answer: RawAnswer, at: string) => (fault: string) => void

/** Who may not gets the same answer for what exists and for what does not. */
const sameRefusal = async (tokens: Tokens, world: World.World, ask: Ask, told: Told): Promise<void> => {
  const may = (asker: Asker, { role }: Operation) =>
    role === null || (asker !== "nobody" && asker !== "wrong" && mayAct(asker, role))
  for (const operation of operations.filter(({ path }) => path.includes("{"))) {
    const filled = (value: (name: string) => string) =>
      operation.path.replaceAll(/\{(\w+)\}/g, (_, name) => value(name))
    const kind = operation.path.startsWith("/api/v1/backfills")
      ? "backfill"
      : operation.path.includes("/admin/tokens")
        ? "token"
        : "run"
    const kinds: Readonly<Record<string, string>> = {
      slug: "workflow",
      assetId: "asset",
      stepId: "step",
      key: "partition"
    }
    const existing = filled((name) => world.pick(kinds[name] ?? kind, 0) ?? "nothing")
    const missing = filled(() => "missing")
    for (const asker of askers.filter((who) => !may(who, operation))) {
      const body = operation.body === null ? Buffer.alloc(0) : Buffer.from("{}")
      const there = plain(tokens, asker, operation.method, existing, body)
      const answer = await ask(there, "first look")
      const other = await ask(plain(tokens, asker, operation.method, missing, body), "first look")
      if (answer.status !== other.status || answer.text !== other.text) {
        told(there, answer, "first look")(`what is missing is refused otherwise: ${other.text}`)
      }
    }
  }
}

/** Lines that say that something went wrong in the server itself. */
const alarming =
  /"level":"(ERROR|FATAL)"|level=(ERROR|FATAL)|\b(ERROR|FATAL)\b|defect|does not fit its schema|unhandled/

/** The server answers, said nothing alarming, and `kintsugi verify` believes its log. */
const afterwards = async (
  server: ServerProcess & { readonly url: string },
  dataDir: string,
  tokens: Tokens,
  ended: number | string | null
): Promise<ReadonlyArray<string>> => {
  if (ended !== null) return [`the server ended with ${ended}: ${server.stderr().slice(-2_000)}`]
  const faults: Array<string> = []
  for (const path of ["/livez", "/readyz", "/api/v1/runs"]) {
    const answer = await exchange(server.url, plain(tokens, "admin", "GET", path), answerMsMax)
    if (answer.status !== 200) faults.push(`afterwards ${path} answers ${answer.status} ${answer.text}`)
  }
  const lines = `${server.stdout()}\n${server.stderr()}`.split("\n").filter((line) => alarming.test(line))
  faults.push(...[...new Set(lines)].slice(0, 10).map((line) => `the server said: ${line.slice(0, 1_500)}`))
  const { code, output } = await verify(dataDir)
  if (code !== 0) faults.push(`kintsugi verify ends with ${code}: ${output}`)
  return faults
}

const verify = (dataDir: string): Promise<{ readonly code: number | null; readonly output: string }> =>
  new Promise((resolve) => {
    const root = join(import.meta.dirname, "../..")
    const main = join(root, "src/main.ts")
    const child = spawn(join(root, "node_modules/.bin/node"), ["--no-warnings", main, "verify", "--data-dir", dataDir])
    let output = ""
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk))
    child.on("close", (code) => resolve({ code, output }))
  })
