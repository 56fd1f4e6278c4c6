import { type ChildProcess, spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { type Client, makeClient } from "../../src/sdk/HttpClient.ts"

const root = join(import.meta.dirname, "../..")
const node = join(root, "node_modules/.bin/node")

/** The token of every server that tests start; long enough for the rules of tokens. */
export const token = "a-token-for-tests-with-enough-characters-0123456789"

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface ServerOptions {
  readonly dataDir: string
  readonly app?: string
  /** Default: a free one. */
  readonly port?: number
  /** On top of a bare environment with none of our settings. */
  readonly env?: Readonly<Record<string, string>>
}

/** A server as a real process of its own, so that signals reach it and nothing else. */
export interface ServerProcess {
  readonly pid: number
  readonly child: ChildProcess
  /** The URL that it printed; rejects with its own words when it ends before it listens. */
  readonly listening: Promise<string>
  readonly ended: Promise<Ended>
  readonly stdout: () => string
  readonly stderr: () => string
  readonly signal: (signal: NodeJS.Signals) => void
}

/** Starts `kintsugi serve`. */
export const spawnServer = ({ app, dataDir, env, port }: ServerOptions): ServerProcess => {
  const child = spawn(
    node,
    [
      ...["--no-warnings", join(root, "src/main.ts"), "serve", "--data-dir", dataDir],
      ...["--port", String(port ?? 0), ...(app === undefined ? [] : ["--app", app])]
    ],
    {
      cwd: root,
      env: {
        PATH: process.env.PATH ?? "",
        HOME: process.env.HOME ?? "",
        NO_COLOR: "1",
        KINTSUGI_ADMIN_TOKEN: token,
        ...env
      },
      stdio: ["ignore", "pipe", "pipe"]
    }
  )
  let stdout = ""
  let stderr = ""
  child.stderr.on("data", (chunk) => {
    stderr += chunk
  })
  const ended = new Promise<Ended>((resolve) => {
    child.on("close", (code, signal) => resolve({ code, signal }))
  })
  const listening = new Promise<string>((resolve, reject) => {
    child.stdout.on("data", (chunk) => {
      stdout += chunk
      const url = /listening on (http:\S+)/.exec(stdout)?.[1]
      if (url !== undefined) resolve(url)
    })
    child.on("error", reject)
    void ended.then(({ code, signal }) =>
      reject(new Error(`the server ended with ${code ?? signal} before it listened: ${stderr.slice(-2_000)}`))
    )
  })
  // Whoever only waits for its end is told there.
  listening.catch(() => {})
  return {
    pid: child.pid ?? 0,
    child,
    listening,
    ended,
    stdout: () => stdout,
    stderr: () => stderr,
    signal: (signal) => void child.kill(signal)
  }
}

/** A server that listens, with a client of its API and how long it took from spawn to the line, ms. */
export const startServer = async (
  options: ServerOptions
): Promise<ServerProcess & { readonly url: string; readonly client: Client; readonly startMs: number }> => {
  const begun = performance.now()
  const server = spawnServer(options)
  const url = await server.listening
  return { ...server, url, client: makeClient({ url, token }), startMs: performance.now() - begun }
}

/** The process id of the embedded Postgres of a data directory; null when none has been started. */
export const postmasterPid = (dataDir: string): number | null => {
  try {
    const pid = Number(readFileSync(join(dataDir, "postgres", "postmaster.pid"), "utf8").split("\n")[0])
    return Number.isInteger(pid) && pid > 0 ? pid : null
  } catch {
    return null
  }
}

/** Sends SIGKILL if the process is still there. */
export const killQuietly = (pid: number | null): void => {
  try {
    if (pid !== null && pid > 0) process.kill(pid, "SIGKILL")
  } catch {
    // It has gone by itself.
  }
}
