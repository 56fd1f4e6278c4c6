import { Effect, Redacted, Schema } from "effect"
import { randomBytes } from "node:crypto"
import { chmod, open, readFile, rename, rm, stat } from "node:fs/promises"
import { join } from "node:path"

/** The token file cannot be written, read or believed; `message` is one line that names it. */
export class AdminTokenUnusable extends Schema.TaggedError<AdminTokenUnusable>()("AdminTokenUnusable", {
  message: Schema.String,
  cause: Schema.Defect()
}) {}

export interface AdminToken {
  readonly token: Redacted.Redacted
  /** `made`: just now, and to be shown once. */
  readonly origin: "environment" | "made" | "file"
}

/** The token's file in the data directory; only its owner may read it. */
export const fileOf = (dataDir: string): string => join(dataDir, "admin-token")

/** A token with fewer characters can be guessed. The server's own have 43. */
export const lengthSound = 16

export const tokenRule = "visible ASCII characters without spaces"

/** Whether a text can be a token: it travels in a header. */
export const isToken = (text: string): boolean => /^[!-~]+$/.test(text)

const ownerOnly = 0o600
const tokenBytes = 32

/**
 * The server's token: the one of the environment if it is set, else the one of the data directory, which is made at
 * the first start. Permissions that let others read the file are taken back, with a warning.
 */
export const ensure = Effect.fn("AdminToken.ensure")(function* (
  dataDir: string,
  fromEnvironment: Redacted.Redacted | null
): Effect.fn.Return<AdminToken, AdminTokenUnusable> {
  if (fromEnvironment !== null) return { token: fromEnvironment, origin: "environment" }
  const known = yield* find(dataDir)
  if (known !== null) {
    yield* takeBackPermissions(fileOf(dataDir))
    return { token: known, origin: "file" }
  }
  const token = randomBytes(tokenBytes).toString("base64url")
  yield* attempt(fileOf(dataDir), "cannot be written", () => write(fileOf(dataDir), token))
  return { token: Redacted.make(token), origin: "made" }
})

/** The token in the data directory, for commands that speak to its server; null when none was made yet. */
export const find = Effect.fn("AdminToken.find")(function* (
  dataDir: string
): Effect.fn.Return<Redacted.Redacted | null, AdminTokenUnusable> {
  const file = fileOf(dataDir)
  const text = yield* attempt(file, "cannot be read", () =>
    readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return null
      throw cause
    })
  )
  if (text === null) return null
  // The file is ours: less than a whole token is what was left of one.
  if (!isToken(text.trim()) || text.trim().length < lengthSound) {
    const message = `${file}: does not hold a token (at least ${lengthSound} ${tokenRule}); delete it to have a new one made`
    return yield* new AdminTokenUnusable({ message, cause: message })
  }
  return Redacted.make(text.trim())
})

const attempt = <A>(file: string, what: string, run: () => Promise<A>): Effect.Effect<A, AdminTokenUnusable> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => new AdminTokenUnusable({ message: `${file}: ${what}: ${String(cause)}`, cause })
  })

/** Whole or not at all: a process that is killed in between leaves no half token behind. */
const write = async (file: string, token: string): Promise<void> => {
  const temporary = `${file}.tmp-${process.pid}`
  await rm(temporary, { force: true })
  const handle = await open(temporary, "wx", ownerOnly)
  try {
    await handle.writeFile(`${token}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, file)
}

const takeBackPermissions = Effect.fnUntraced(function* (file: string) {
  const { mode } = yield* attempt(file, "cannot be read", () => stat(file))
  if ((mode & 0o077) === 0) return
  yield* attempt(file, "has permissions that cannot be taken back", () => chmod(file, ownerOnly))
  const was = (mode & 0o777).toString(8)
  yield* Effect.logWarning(`${file} could be used by other users (mode ${was}); it is now 600. Consider a new token`)
})
