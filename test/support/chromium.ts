import { Effect } from "effect"
import { existsSync } from "node:fs"
import { delimiter, join } from "node:path"
import { chromium } from "playwright-core"

const program = (process.env.PATH ?? "")
  .split(delimiter)
  .concat("/usr/bin", "/usr/local/bin")
  .flatMap((folder) => [join(folder, "chromium"), join(folder, "chromium-browser")])
  .find((path) => existsSync(path))

/** Whether the tests that need a browser are left out, which is said in one line. With `CI` set they run, and fail. */
export const absent: boolean = program === undefined && process.env.CI === undefined
export const sayIfAbsent = (): void => {
  if (absent) console.warn("no chromium found (Debian: apt-get install chromium): its tests are left out")
}

/** Quiet, and asks nobody outside. */
const args = [
  ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
  ...["--disable-component-update", "--disable-sync"]
]

/** A Chromium for the time of the scope. */
export const browser = Effect.acquireRelease(
  Effect.promise(() => {
    if (program === undefined) throw new Error("chromium was not found (Debian: apt-get install chromium)")
    return chromium.launch({ executablePath: program, args })
  }),
  (running) => Effect.promise(() => running.close())
)
