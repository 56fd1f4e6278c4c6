import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { makeClient } from "kintsugi"
import { Console, DateTime, Effect, Redacted, References } from "effect"
import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { pathToFileURL } from "node:url"
import * as ExitCode from "../src/cli/ExitCode.ts"
import * as Serve from "../src/cli/Serve.ts"
import * as Settings from "../src/cli/Settings.ts"
import type { Plan } from "./plan.ts"
import { attempt, runner } from "./runner.ts"

export interface PlayOptions {
  /** Name of the folder below `examples`. */
  readonly name: string
  /** Default: a temporary folder, in which the files stay and the database does not. */
  readonly dataDir?: string | undefined
}

const filesShownMax = 30

/** Plays the example as a process: one line on stderr and exit 1 when it fails, 130 after Ctrl-C. */
export const main = (plan: Plan, options: PlayOptions): void => {
  const told = play(plan, options).pipe(
    Effect.tapCause((cause) =>
      Effect.sync(() => {
        const text = ExitCode.told(cause)
        if (text !== null) process.stderr.write(`${text}\n`)
      })
    ),
    Effect.provide(NodeServices.layer)
  )
  NodeRuntime.runMain(told, {
    disableErrorReporting: true,
    teardown: (exit, onExit) => onExit(ExitCode.of(exit))
  })
}

/**
 * Starts a server on its embedded database with the example's app, starts over HTTP what nothing else starts, waits for
 * what follows by itself, and tells what was made, why and where.
 */
const play = (plan: Plan, options: PlayOptions) =>
  Effect.gen(function* () {
    const folder = yield* folderFor(options)
    const now = DateTime.formatIso(yield* DateTime.now)
    yield* Console.log(plan.title)
    yield* attempt("making the data", () => plan.prepare(folder, now))
    yield* Effect.scoped(runAll(plan, options, folder, now))
    yield* listFiles(join(folder, "data"))
    yield* Console.log(`\nThe page: ${pathToFileURL(join(folder, plan.page(now)))}`)
  })

const serverDir = (folder: string): string => join(folder, "server")

const runAll = Effect.fnUntraced(function* (plan: Plan, { dataDir, name }: PlayOptions, folder: string, now: string) {
  // Once the server has ended.
  if (dataDir === undefined)
    yield* Effect.addFinalizer(() => Effect.promise(() => rm(serverDir(folder), { recursive: true, force: true })))
  // The stores' paths are relative to the app file: this one lies beside the data, and the example stays where it is.
  const app = join(folder, "app.mjs")
  const example = new URL(`./${name}/app.ts`, import.meta.url)
  yield* attempt("writing the app", () => writeFile(app, `export { default } from ${JSON.stringify(example.href)}\n`))
  // An example runs on a database of its own, whatever database, bus and receiver this shell is set up for.
  const { DATABASE_URL: _database, OPENLINEAGE_URL: _receiver, REDIS_URL: _bus, ...env } = process.env
  const settings = yield* Effect.fromResult(
    Settings.all({ flags: { app, port: "0", "data-dir": serverDir(folder) }, env })
  )
  const server = yield* Serve.start(settings, { showToken: false }).pipe(
    Effect.provideService(References.MinimumLogLevel, "Error")
  )
  yield* Console.log(`Kintsugi listens on ${server.url}, its own Postgres beside it.`)
  const client = makeClient({ url: server.url, token: Redacted.value(server.token) })
  const { play } = runner(client)
  for (const stage of plan.stages(folder, now)) yield* play(stage)
})

const listFiles = (folder: string) =>
  Effect.gen(function* () {
    const entries = yield* attempt("listing the files", () => readdir(folder, { recursive: true, withFileTypes: true }))
    const paths = entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      // What the stores keep for themselves.
      .filter((path) => !relative(folder, path).includes(".kintsugi"))
      .sort()
    yield* Console.log(`\n${paths.length} files in ${folder}:`)
    for (const path of paths.slice(0, filesShownMax)) {
      const { size } = yield* attempt(path, () => stat(path))
      yield* Console.log(`  ${String(size).padStart(8)}  ${relative(folder, path)}`)
    }
    if (paths.length > filesShownMax) yield* Console.log(`  … and ${paths.length - filesShownMax} more`)
  })

/** The database's own user must pass through it, which a folder that is only ours would not allow. */
const folderFor = ({ dataDir, name }: PlayOptions) =>
  attempt(dataDir === undefined ? "making a temporary folder" : `--data-dir ${dataDir}`, async () => {
    if (dataDir !== undefined) {
      await mkdir(dataDir, { recursive: true })
      return dataDir
    }
    const folder = await mkdtemp(join(tmpdir(), `kintsugi-${name}-`))
    await chmod(folder, 0o755)
    return folder
  })
