import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const root = join(import.meta.dirname, "..")

/** Starts the server as a process; ms until it says that it listens, and how to end it. */
export const startServer = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
  new Promise<{ readonly ms: number; readonly url: string; readonly stop: (signal: NodeJS.Signals) => Promise<void> }>(
    (resolve, reject) => {
      const begun = performance.now()
      const child = spawn(
        process.execPath,
        ["--no-warnings", join(root, "src/main.ts"), "serve", "--port", "0", ...args],
        {
          env: { ...process.env, KINTSUGI_ADMIN_TOKEN: "bench-token-0123456789", ...env },
          stdio: ["ignore", "pipe", "pipe"]
        }
      )
      const ended = new Promise<void>((done) => child.once("exit", () => done()))
      let text = ""
      let errors = ""
      child.stderr.on("data", (chunk) => {
        errors += String(chunk)
      })
      child.stdout.on("data", (chunk) => {
        text += String(chunk)
        const url = /listening on (http:\S+)/.exec(text)?.[1]
        if (url === undefined) return
        const stop = async (signal: NodeJS.Signals) => {
          child.kill(signal)
          await ended
        }
        resolve({ ms: performance.now() - begun, url, stop })
      })
      child.once("exit", (code) => reject(new Error(`the server ended with ${code}: ${errors}`)))
    }
  )

/** From the start of the process to `listening`: with a new data directory, and with one that exists. */
export const measure = async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "kintsugi-bench-"))
  try {
    const first = await startServer(["--data-dir", dataDir])
    await first.stop("SIGTERM")
    const later: Array<number> = []
    for (let nth = 0; nth < 3; nth++) {
      const again = await startServer(["--data-dir", dataDir])
      later.push(again.ms)
      await again.stop("SIGTERM")
    }
    return { firstMs: first.ms, laterMs: later.sort((left, right) => left - right)[1]! }
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
}
