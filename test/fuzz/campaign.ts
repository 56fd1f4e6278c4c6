import fc from "fast-check"
import { spawn } from "node:child_process"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { killQuietly, postmasterPid, type ServerProcess, startServer } from "../chaos/serverProcess.ts"
import { mayAct } from "../../src/http/api/Guards.ts"
import { type Operation, operations } from "./document.ts"
import { inhabited } from "./inhabited.ts"
import { answerMsMax, faultsOf, jsonOf, operationOf, secretsOf } from "./oracle.ts"
import { plant, poisoned } from "./poison.ts"
import { afterSuccess } from "./repeats.ts"
import { type Asker, askers, type FuzzRequest, plain, request as requestOf } from "./requests.ts"
import { insisted, looked, type Round, unpoisoned } from "./rounds.ts"
import { surroundings, webhookSecret } from "./surroundings.ts"
import * as Tally from "./tally.ts"
import { curl, exchange, type RawAnswer } from "./transport.ts"

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
  readonly tally: Tally.Tally
  /** Each with what led to it; the same fault of an operation is told once. */
  readonly faults: ReadonlyArray<string>
}

/** Starts a server of its own, fuzzes its whole surface, and looks at what it leaves: its log lines and its log. */
export const campaign = async (options: CampaignOptions): Promise<Outcome> => {
  const { folder, seed } = options
  const dataDir = join(folder, "data")
  const around = await surroundings(folder)
  const unlimited = { KINTSUGI_RATE_LIMIT_PER_SECOND: "0", KINTSUGI_SIGN_IN_FAILURES_PER_MINUTE: "0" }
  const server = await startServer({
    ...{ dataDir, app: join(import.meta.dirname, "app.ts") },
    env: { FUZZ_FOLDER: folder, ...unlimited, ...around.env }
  }).catch(async (cause) => {
    await around.close()
    throw cause
  })
  try {
    await plant(dataDir)
    const faults = new Map<string, string>()
    // Not its `close`: the embedded Postgres may keep the pipes open.
    const ended = () => server.child.exitCode ?? server.child.signalCode
    const { tokens, world } = await inhabited(server.url, folder)
    world.secrets.push(webhookSecret)
    const tally = Tally.make()
    let deaf = 0
    const isDeaf = () => ended() !== null || deaf >= deafMax
    const told = (request: FuzzRequest, answer: RawAnswer, at: string) => (fault: string) => {
      const key = `${operationOf(request)?.id ?? "no route"}: ${fault}`
      if (faults.has(key)) return
      const line = `${key}\n  seed ${seed}, ${at}, as ${request.asker}\n  ${curl(server.url, request)}\n  ${answer.status} ${answer.text.slice(0, 600)}`
      faults.set(key, line)
      options.say(line)
    }
    const ask = async (request: FuzzRequest, at: string): Promise<RawAnswer> => {
      const answer = await exchange(server.url, request, answerMsMax)
      Tally.count(tally, request, answer)
      deaf = answer.status === 0 && !request.isBroken ? deaf + 1 : 0
      const body = jsonOf(answer)
      const operation = operationOf(request)
      // Its own answer is the only place where a new token may be read.
      const shown = operation?.id === "tokens.listTokens" ? null : newToken(body)
      faultsOf(request, answer, world.secrets).forEach(told(request, answer, at))
      if (shown !== null) world.secrets.push(...secretsOf(shown))
      if (operation !== undefined && body !== undefined && answer.status < 300) world.learn(operation.id, body)
      return answer
    }

    const round = { tokens, world, ask, around }
    await sameRefusal(round, told)
    const until = performance.now() + options.seconds * 1_000
    let next = options.from ?? 0
    const last = next + options.requests
    const worker = async () => {
      while (next < last && performance.now() < until && !isDeaf()) {
        const index = next++
        // The seed makes the request from what is known; what is known depends on the server, so the line of curl counts.
        const [request] = fc.sample(requestOf(world, tokens), { seed: mixed(seed, index), numRuns: 1 })
        if (request !== undefined) {
          const answer = await ask(request, `request ${index}`)
          const faults = await afterSuccess(round, request, answer)
          faults.forEach(told(request, answer, `request ${index}`))
        }
        if (index % 50 === 0) await around.trouble(index / 50)
        if (index % 40 === 0) await looked(round, index / 40)
        if (index > 0 && index % 1_000 === 0) options.say(`${index} requests, ${faults.size} faults`)
      }
    }
    await Promise.all(Array.from({ length: options.concurrency }, worker))
    if (!isDeaf()) await insisted(round, tally, seed)

    for (const fault of await afterwards(server, dataDir, round, ended())) {
      faults.set(fault, fault)
      options.say(fault)
    }
    return { tally, faults: [...faults.values()] }
  } finally {
    if (server.child.exitCode === null) server.signal("SIGTERM")
    await Promise.race([server.ended, sleep(20_000)])
    killQuietly(server.pid)
    killQuietly(postmasterPid(dataDir))
    await around.close()
  }
}

/** So many requests in a row without an answer: nobody listens any more. */
const deafMax = 20

const mixed = (seed: number, index: number): number =>
  Math.imul(seed ^ 0x9e3779b9, 2654435761) + Math.imul(index, 40503)

const newToken = (body: unknown): string | null => {
  const data = (body as { readonly data?: { readonly token?: unknown } } | undefined)?.data
  return typeof data?.token === "string" ? data.token : null
}

type Told = (request: FuzzRequest, answer: RawAnswer, at: string) => (fault: string) => void

/** Who may not gets the same answer for what exists and for what does not. */
const sameRefusal = async ({ ask, tokens, world }: Round, told: Told): Promise<void> => {
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

/** What the surroundings bring about on purpose. */
const meant = new RegExp(
  `is a dead letter: |projection ${poisoned}(#rebuild)? is parked|rebuild of ${poisoned} |could not be handled`
)

/** The server answers, said nothing alarming, and `kintsugi verify` believes its log. */
const afterwards = async (
  server: ServerProcess & { readonly url: string },
  dataDir: string,
  round: Round,
  ended: number | string | null
): Promise<ReadonlyArray<string>> => {
  if (ended !== null) return [`the server ended with ${ended}: ${server.stderr().slice(-2_000)}`]
  const told = () => `${server.stdout()}\n${server.stderr()}`
  const stopped = await unpoisoned(round)
  const faults: Array<string> = stopped === null ? [] : [stopped]
  const shown = round.world.secrets.find((secret) => told().includes(secret))
  if (shown !== undefined) faults.push("the server's own lines show a token, its hash or a secret")
  const untaken = await taken(round)
  if (untaken > 0) faults.push(`${untaken} messages of the bus are not taken in: ${told().slice(-2_000)}`)
  for (const path of ["/livez", "/readyz", "/api/v1/runs"]) {
    const answer = await exchange(server.url, plain(round.tokens, "admin", "GET", path), answerMsMax)
    if (answer.status !== 200)
      faults.push(`afterwards ${path} answers ${answer.status} ${answer.text} ${told().slice(-2_000)}`)
  }
  const lines = told()
    .split("\n")
    .filter((line) => alarming.test(line) && !meant.test(line))
  faults.push(...[...new Set(lines)].slice(0, 10).map((line) => `the server said: ${line.slice(0, 1_500)}`))
  const { code, output } = await verify(dataDir)
  if (code !== 0) faults.push(`kintsugi verify ends with ${code}: ${output}`)
  return faults
}

/** Messages that are still not taken in after a while. */
const taken = async ({ around }: Round): Promise<number> => {
  for (let tries = 0; tries < 40; tries++) {
    if ((await around.untaken()) === 0) return 0
    await sleep(250)
  }
  return around.untaken()
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
