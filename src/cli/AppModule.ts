import { Effect, Result, Schema } from "effect"
import { writeSync } from "node:fs"
import { stat } from "node:fs/promises"
import { registerHooks } from "node:module"
import { dirname, resolve } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { inspect } from "node:util"
import { isDefinedApp } from "../sdk/App.ts"
import { type CheckedApp, checkApp } from "../sdk/AppCheck.ts"
import * as ExitCode from "./ExitCode.ts"

/**
 * The app cannot be used. `message` is one line that names the setting, the file and what is wrong; `trace` is what a
 * module that threw at import threw, with the frames of the user's own code only.
 */
export class AppModuleInvalid extends Schema.TaggedError<AppModuleInvalid>()("AppModuleInvalid", {
  file: Schema.String,
  message: Schema.String,
  trace: Schema.NullOr(Schema.String)
}) {}

export interface LoadedApp {
  readonly app: CheckedApp
  readonly file: string
  /** Folder of the app file: what relative store paths are relative to. */
  readonly folder: string
}

/** A module that waits at import for longer than this is given up, in ms. */
const importMsMax = 60_000

/**
 * Loads the app module `file`, TypeScript or JavaScript, wherever it lies. Its imports of `kintsugi` and `effect` are
 * those of the running Kintsugi, so it needs no install.
 */
export const load = Effect.fn("AppModule.load")(function* (
  path: string
): Effect.fn.Return<LoadedApp, AppModuleInvalid> {
  const file = resolve(path)
  const invalid = (problem: string, trace: string | null = null) =>
    new AppModuleInvalid({ file, message: `--app (KINTSUGI_APP): ${file} ${problem}`, trace })

  const found = yield* Effect.tryPromise({ try: () => stat(file), catch: codeOf }).pipe(
    Effect.mapError((code) => invalid(code === "ENOENT" ? "does not exist" : `cannot be read (${code})`))
  )
  if (!found.isFile()) return yield* invalid("is not a file")

  yield* Effect.sync(provideKintsugi)
  const module: { readonly default?: unknown } = yield* Effect.tryPromise({
    try: () => import(pathToFileURL(file).href),
    catch: (thrown) => invalid(...told(thrown))
  }).pipe(
    (importing) =>
      toldIfItExits((code) => invalid(`ended the process at import: it calls process.exit(${code})`), importing),
    Effect.timeoutOrElse({
      duration: importMsMax,
      orElse: () => Effect.fail(invalid(`did not finish loading within ${importMsMax / 1000} s`))
    })
  )
  const exported = module.default
  if (exported === undefined) return yield* invalid("has no default export: it must be export default defineApp({ … })")
  if (!isDefinedApp(exported)) {
    return yield* invalid("exports something as its default that was not made by defineApp from kintsugi")
  }
  const checked = checkApp(exported)
  if (Result.isFailure(checked)) return yield* invalid(`is not a valid app: ${checked.failure.message}`)
  return { app: checked.success, file, folder: dirname(file) }
})

/** A module that ends the process while it is imported would end it in silence, and with the code that it likes. */
const toldIfItExits = <A, E>(problem: (code: number) => AppModuleInvalid, importing: Effect.Effect<A, E>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const onExit = (code: number) => {
        writeSync(process.stderr.fd, `${ExitCode.line(problem(code))}\n`)
        process.exitCode = ExitCode.usage
      }
      process.once("exit", onExit)
      return onExit
    }),
    () => importing,
    (onExit) => Effect.sync(() => process.off("exit", onExit))
  )

// -------------------------------------------------------------- resolution

const kintsugi = new URL("../index.ts", import.meta.url).href
let provided = false

/**
 * For the rest of the process, because jobs may import later on. `effect` must be our copy, whose runtime runs the
 * jobs; but the packages that an app has installed keep the one that they asked for.
 */
const provideKintsugi = (): void => {
  if (provided) return
  provided = true
  registerHooks({
    resolve: (specifier, context, nextResolve) => {
      if (specifier === "kintsugi") return { url: kintsugi, shortCircuit: true }
      const isEffect = specifier === "effect" || specifier.startsWith("effect/")
      const parent = context.parentURL ?? ""
      if (!isEffect || parent === import.meta.url || parent.includes("/node_modules/")) {
        return nextResolve(specifier, context)
      }
      return { url: import.meta.resolve(specifier), shortCircuit: true }
    }
  })
}

// ------------------------------------------------------------------- errors

const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : String(cause)

/** One line about what an import threw, and the trace where the user's own code is what matters. */
const told = (thrown: unknown): readonly [problem: string, trace: string | null] => {
  if (!(thrown instanceof Error)) return ["threw at import", inspect(thrown)]
  const code = codeOf(thrown)
  // Node's own findings (a package that is not there, syntax that cannot be stripped) say everything in their message.
  if (code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND")
    return [`cannot be loaded: ${firstLine(thrown.message)}`, null]
  if (thrown instanceof SyntaxError) {
    const place = placeOf(thrown)
    if (place !== null) return [`cannot be loaded: ${place}: ${firstLine(thrown.message)}`, null]
    // Without frames nobody's code was run: the message is all that there is.
    if (!/\n {4}at /.test(ownTrace(thrown))) return [`cannot be loaded: ${firstLine(thrown.message)}`, null]
  }
  return [`threw at import: ${firstLine(thrown.message)}`, ownTrace(thrown)]
}

/** File and line of the text that cannot be read, which Node puts before the error: the app's, or one that it imports. */
const placeOf = ({ stack }: Error): string | null => {
  const [, url, line] = /^(file:\/\/\S+):(\d+)\n/.exec(stack ?? "") ?? []
  return url === undefined ? null : `${fileURLToPath(url)}:${line}`
}

const firstLine = (text: string): string => text.split("\n")[0] ?? ""

const causesMax = 5

const ownTrace = (error: Error): string => {
  const parts: Array<string> = []
  let current: unknown = error
  while (current instanceof Error && parts.length < causesMax) {
    parts.push(ownFrames(current.stack ?? String(current)))
    current = current.cause
  }
  return parts.join("\nCaused by: ")
}

const ownFrames = (stack: string): string =>
  stack
    .split("\n")
    .filter((line) => !/^ {4}at /.test(line) || !isInternal(line))
    .join("\n")
    .trimEnd()

const root = fileURLToPath(new URL("../..", import.meta.url))
/** Node's own frames, and those of Kintsugi and its packages; the examples beside them are apps like any other. */
const isInternal = (frame: string): boolean =>
  !/[/\\]/.test(frame) ||
  frame.includes("node:") ||
  ["src/", "node_modules/"].some((folder) => frame.includes(`${root}${folder}`))
