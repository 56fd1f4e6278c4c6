import { Effect, Schema } from "effect"
import { createReadStream } from "node:fs"
import { open, readFile, rename, rm, stat } from "node:fs/promises"
import { type Signer, signerOf, type Verifier, verifierOf } from "../../eventstore/Signature.ts"
import { SettingInvalid } from "../SettingText.ts"
import { ExportFailed, type Sink } from "./Export.ts"

/** A file that was named cannot be used. */
export class FileUnusable extends Schema.TaggedError<FileUnusable>()("FileUnusable", {
  message: Schema.String,
  cause: Schema.Defect()
}) {}

/** Stands for stdin or stdout. */
export const standard = "-"

const ownerOnly = 0o600

/**
 * Runs `write` with a sink into a new file, or into stdout for `-`. The file has its name only when it is whole and on
 * the disk, nobody but its owner can read it, and one that is there already is left alone.
 */
export const writing = <A, E, R>(file: string, write: (sink: Sink) => Effect.Effect<A, E, R>) =>
  file === standard ? write(toStdout) : writingFile(file, write)

const writingFile = Effect.fnUntraced(function* <A, E, R>(
  file: string,
  write: (sink: Sink) => Effect.Effect<A, E, R>
): Effect.fn.Return<A, E | FileUnusable | SettingInvalid, R> {
  if (
    yield* Effect.promise(() =>
      stat(file).then(
        () => true,
        () => false
      )
    )
  ) {
    const message = `${file}: is there already; name a file that is not, or move it away`
    return yield* new SettingInvalid({ setting: "FILE", message })
  }
  const partial = `${file}.partial-${process.pid}`
  const opened = attempt(file, "cannot be written", () => open(partial, "w", ownerOnly))
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const handle = yield* Effect.acquireRelease(opened, (handle) =>
        Effect.promise(() => handle.close().then(() => rm(partial, { force: true })))
      )
      const written = yield* write((text) =>
        Effect.tryPromise({
          try: () => handle.writeFile(text),
          catch: (cause) => new ExportFailed({ message: `${file}: cannot be written: ${String(cause)}` })
        })
      )
      yield* attempt(file, "cannot be written", async () => {
        await handle.sync()
        await rename(partial, file)
      })
      return written
    })
  )
})

const toStdout: Sink = (text) =>
  Effect.callback((resume) => {
    process.stdout.write(text, (error) =>
      resume(
        error === null || error === undefined
          ? Effect.void
          : Effect.fail(new ExportFailed({ message: `stdout: cannot be written: ${error.message}` }))
      )
    )
  })

/** The bytes of a file, or of stdin for `-`. */
export const chunksOf = (file: string): AsyncIterable<Uint8Array> =>
  file === standard ? process.stdin : createReadStream(file, { highWaterMark: 256 * 1024 })

/** Says so before anything is done when a file cannot be read. */
export const requireReadable = (file: string) =>
  file === standard
    ? Effect.void
    : attempt(file, "cannot be read", async () => {
        const handle = await open(file, "r")
        const isFolder = (await handle.stat()).isDirectory()
        await handle.close()
        if (isFolder) throw new Error("it is a folder")
      })

/** The signer of a PEM file with an Ed25519 private key; `setting` names it in a fault. */
export const signerIn = (setting: string, file: string): Effect.Effect<Signer, SettingInvalid> =>
  keyIn(setting, file, signerOf, "an Ed25519 private key in PEM, as openssl genpkey -algorithm ed25519 makes it")

/** The verifier of a PEM file with an Ed25519 key. */
export const verifierFrom = (setting: string, file: string): Effect.Effect<Verifier, SettingInvalid> =>
  keyIn(setting, file, verifierOf, "an Ed25519 public key in PEM, as openssl pkey -pubout makes it")

const keyIn = Effect.fnUntraced(function* <A>(
  setting: string,
  file: string,
  read: (pem: Buffer) => A | null,
  right: string
): Effect.fn.Return<A, SettingInvalid> {
  const invalid = (why: string) => new SettingInvalid({ setting, message: `${setting}: ${file} ${why}` })
  const pem = yield* Effect.tryPromise({
    try: () => readFile(file),
    catch: (cause) => invalid(`cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`)
  })
  const key = read(pem)
  return key ?? (yield* invalid(`must hold ${right}`))
})

const attempt = <A>(file: string, what: string, run: () => Promise<A>): Effect.Effect<A, FileUnusable> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) =>
      new FileUnusable({
        message: `${file}: ${what}: ${cause instanceof Error ? cause.message : String(cause)}`,
        cause
      })
  })
