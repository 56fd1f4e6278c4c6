import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"

// docs/OUTAGE.md as a script: a server of its own, a real S3 server in a process of its own that is killed, wiped and
// restarted, and what the runs do meanwhile. Ends with 0 when everything has healed, else with 1 and what did not.

const root = fileURLToPath(new URL("../..", import.meta.url))
const folder = mkdtempSync(join(tmpdir(), "kintsugi-outage-"))
const patienceMs = 60_000
const children = new Set<ChildProcess>()

const launch = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>>): ChildProcess => {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"]
  })
  children.add(child)
  return child
}

const end = async (child: ChildProcess, signal: NodeJS.Signals): Promise<void> => {
  children.delete(child)
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill(signal)
  await once(child, "exit")
}

const eventually = async <A>(what: string, ask: () => Promise<A | undefined>): Promise<A> => {
  for (const until = performance.now() + patienceMs; performance.now() < until; await sleep(100)) {
    const answer = await ask().catch(() => undefined)
    if (answer !== undefined) return answer
  }
  throw new Error(`not within ${patienceMs / 1_000} s: ${what}`)
}

// ----------------------------------------------------------------------- S3

const freePort = async (): Promise<number> => {
  const listener = createServer().listen(0, "127.0.0.1")
  await once(listener, "listening")
  const { port } = listener.address() as { readonly port: number }
  listener.close()
  await once(listener, "close")
  return port
}

const s3Port = await freePort()
const s3Url = `http://127.0.0.1:${s3Port}`
const s3Data = join(folder, "s3")
const startS3 = async (): Promise<ChildProcess> => {
  const child = launch([join(root, "node_modules/fauxqs/dist/server.js")], {
    ...{ FAUXQS_PORT: String(s3Port), FAUXQS_PERSISTENCE: "true", FAUXQS_LOGGER: "false" },
    ...{ FAUXQS_DATA_DIR: join(s3Data, "data"), FAUXQS_S3_STORAGE_DIR: join(s3Data, "objects") }
  })
  await eventually("the S3 server answers", async () => (await fetch(s3Url)).status)
  return child
}

// ------------------------------------------------------------------ Kintsugi

const startKintsugi = async () => {
  const child = launch(
    ["--no-warnings", join(root, "src/main.ts"), "serve", "--app", join(root, "examples/outage/app.ts")],
    {
      ...{ KINTSUGI_PORT: "0", KINTSUGI_DATA_DIR: join(folder, "data"), KINTSUGI_LOG_LEVEL: "none", OUTAGE_S3: s3Url },
      ...{ KINTSUGI_HOST: "127.0.0.1", DATABASE_URL: "", REDIS_URL: "", KINTSUGI_ADMIN_TOKEN: "" },
      ...{ AWS_ACCESS_KEY_ID: "outage", AWS_SECRET_ACCESS_KEY: "outage" }
    }
  )
  let told = ""
  child.stdout?.on("data", (chunk: Buffer) => {
    told += chunk.toString()
  })
  const url = await eventually("the server listens", async () => /listening on (http:\S+)/.exec(told)?.[1])
  const token = readFileSync(join(folder, "data", "admin-token"), "utf8").trim()
  const call = async (method: string, path: string) => {
    const response = await fetch(`${url}/api/v1${path}`, { method, headers: { authorization: `Bearer ${token}` } })
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`)
    return (await response.json()) as { readonly data: Record<string, unknown> }
  }
  return { child, call }
}

interface Step {
  readonly status: string
  readonly waitingFor?: { readonly type: string } | null
  readonly result?: { readonly sum?: number } | null
}

const say = (line: string) => console.log(line)

const play = async () => {
  let s3 = await startS3()
  const { call, child } = await startKintsugi()
  const start = async (workflow: string) => String((await call("POST", `/workflows/${workflow}/run`)).data.id)
  const when = (id: string, is: (status: unknown, step: Step) => boolean, what: string) =>
    eventually(what, async () => {
      const { data } = await call("GET", `/runs/${id}`)
      const [step] = data.steps as ReadonlyArray<Step>
      if (data.status === "failed") throw new Error(`run ${id} failed: ${JSON.stringify(data.failure)}`)
      return step !== undefined && is(data.status, step) ? step : undefined
    })
  const succeeded = (id: string) => when(id, (status) => status === "succeeded", `run ${id} has succeeded`)

  await succeeded(await start("numbers"))
  say(`1 all is well: numbers.json is in S3, sum = ${(await succeeded(await start("sum"))).result?.sum}`)

  await end(s3, "SIGKILL")
  const waiting = await start("sum")
  await when(
    waiting,
    (status, step) => status === "waiting" && step.waitingFor?.type === "store",
    "the run waits for S3"
  )
  say("2 S3 is down: the run waits for the store, no recovery is asked for")
  const during = (await call("GET", "/recoveries")).data as unknown as ReadonlyArray<unknown>
  if (during.length > 0) throw new Error("a store that is only away must heal nothing")

  s3 = await startS3()
  say(`3 S3 is back: the same run goes on by itself, sum = ${(await succeeded(waiting)).result?.sum}`)

  await end(s3, "SIGKILL")
  rmSync(s3Data, { recursive: true, force: true })
  s3 = await startS3()
  const made = await fetch(`${s3Url}/lake`, { method: "PUT" })
  if (!made.ok) throw new Error(`the bucket could not be made again: ${made.status}`)
  const healed = await start("sum")
  say(`4 S3 was wiped, its bucket is empty: the file is made again, sum = ${(await succeeded(healed)).result?.sum}`)
  // The list follows the log: it may be a moment behind the run.
  const recovery = await eventually("one recovery has succeeded, and there is no other", async () => {
    const recoveries = (await call("GET", "/recoveries")).data as unknown as ReadonlyArray<Record<string, unknown>>
    const [only] = recoveries
    return recoveries.length === 1 && only?.status === "succeeded" ? only : undefined
  })
  say(`5 one recovery: ${recovery.assetId} ${recovery.class} ${recovery.status}, ${recovery.attempts} attempt`)

  await end(child, "SIGTERM")
  await end(s3, "SIGKILL")
  say("everything has healed")
}

try {
  await play()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  for (const child of children) await end(child, "SIGTERM")
  rmSync(folder, { recursive: true, force: true })
}
