import { spawn } from "node:child_process"
import { join } from "node:path"

const root = join(import.meta.dirname, "../..")
const node = join(root, "node_modules/.bin/node")

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface SpawnOptions {
  readonly cwd?: string
  readonly env?: { readonly [variable: string]: string }
}

/** Runs a script of ours as a process, with none of our settings in its environment, and answers how it ended. */
export const runScript = (
  script: string,
  args: ReadonlyArray<string>,
  { cwd, env }: SpawnOptions = {}
): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const child = spawn(node, ["--no-warnings", join(root, script), ...args], {
      cwd: cwd ?? root,
      env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "", NO_COLOR: "1", ...env },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let stdout = ""
    let stderr = ""
    child.stdout.on("data", (chunk) => {
      stdout += chunk
    })
    child.stderr.on("data", (chunk) => {
      stderr += chunk
    })
    child.on("error", reject)
    child.on("close", (code) => resolve({ code, stdout, stderr }))
  })

/** Runs `kintsugi …` as a process. */
export const kintsugi = (args: ReadonlyArray<string>, options?: SpawnOptions): Promise<Ended> =>
  runScript("src/main.ts", args, options)
