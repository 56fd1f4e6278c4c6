import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { temporaryFolder } from "../support/postgres.ts"

const root = join(import.meta.dirname, "../..")

describe("--log-level", () => {
  it.live("goes before KINTSUGI_LOG_LEVEL for serve", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const args = ["serve", "--port", "0", "--data-dir", join(folder, "data"), "--log-level", "debug"]
      const env = { PATH: process.env.PATH, KINTSUGI_LOG_LEVEL: "error", KINTSUGI_LOG_FORMAT: "json" }
      const child = spawn(join(root, "node_modules/.bin/node"), ["--no-warnings", join(root, "src/main.ts"), ...args], {
        env,
        stdio: ["ignore", "pipe", "pipe"]
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => child.kill("SIGKILL")))
      let told = ""
      const ended = once(child, "close")
      child.stderr.on("data", (chunk: Buffer) => {
        told += chunk.toString()
      })
      child.stdout.on("data", (chunk: Buffer) => {
        if (chunk.toString().includes("listening on")) child.kill("SIGTERM")
      })
      assert.strictEqual((yield* Effect.promise(() => ended))[0], 0, told)
      assert.include(told, '"level":"DEBUG"')
    }).pipe(Effect.scoped)
  )
})
