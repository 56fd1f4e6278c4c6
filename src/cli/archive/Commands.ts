import { Console, Effect, Layer, Schema } from "effect"
import { Position } from "../../eventstore/EventStore.ts"
import * as Migrations from "../../postgres/Migrations.ts"
import * as ProcessLock from "../../postgres/ProcessLock.ts"
import * as DataDir from "../DataDir.ts"
import * as LogAccess from "../LogAccess.ts"
import type { DatabaseSettings } from "../Settings.ts"
import { invalid } from "../SettingText.ts"
import * as ArchiveCheck from "./ArchiveCheck.ts"
import * as Export from "./Export.ts"
import * as Files from "./Files.ts"
import * as Import from "./Import.ts"
import { linesOf } from "./Lines.ts"

/** Writes the log into a file, and says on stderr what is in it when the file is stdout. */
export const exportTo = Effect.fn("Commands.exportTo")(function* (
  settings: DatabaseSettings,
  options: {
    readonly file: string
    readonly sign: string | null
    readonly after: string | null
    readonly json: boolean
  }
) {
  const { after, file, json } = options
  if (after !== null && !Schema.is(Position)(after)) {
    return yield* invalid("--after", "a position, as an export printed it", after)
  }
  const signer = options.sign === null ? null : yield* Files.signerIn("--sign", options.sign)
  const exported = yield* Files.writing(file, (sink) => Export.write(sink, { after, signer })).pipe(
    Effect.provide(LogAccess.existing(settings))
  )
  const { events, head, keyId, root, streams } = exported
  const print = file === Files.standard ? Console.error : Console.log
  if (json) return yield* print(JSON.stringify({ file, after, ...exported }))
  const signed = keyId === null ? "" : `, signed with key ${keyId}`
  yield* print(`exported ${events} events of ${streams} streams, root ${root}${signed}`)
  yield* print(head === null ? "nothing is new" : `the next part: kintsugi export --after ${head} FILE`)
})

/** Brings a file into an empty log, or the next part of the same export into one that holds the parts before. */
export const importFrom = Effect.fn("Commands.importFrom")(function* (
  settings: DatabaseSettings,
  options: {
    readonly file: string
    readonly key: string | null
    readonly isContinued: boolean
    readonly json: boolean
  }
) {
  const { file, isContinued, json } = options
  const verifier = options.key === null ? null : yield* Files.verifierFrom("--key", options.key)
  yield* Files.requireReadable(file)
  if (settings.databaseUrl === null) yield* DataDir.ensure(settings.dataDir)
  const imported = yield* Effect.andThen(
    Migrations.run(),
    Import.read(linesOf(Files.chunksOf(file)), { file: nameOf(file), isContinued, verifier })
    // No server may append meanwhile.
  ).pipe(Effect.provide(ProcessLock.layer.pipe(Layer.provideMerge(LogAccess.database(settings)))))
  if (json) return yield* Console.log(JSON.stringify({ ok: true, ...imported }))
  const { epoch, events, head, signed, streams } = imported
  yield* Console.log(`imported ${events} events of ${streams} streams${signedWords(signed)}`)
  yield* Console.log(`the log ends at ${head ?? "its start"}; what is appended now is of epoch ${epoch}`)
})

/** Checks a file without any database: every chain, head, count and digest, and who signed it. */
export const verifyFile = Effect.fn("Commands.verifyFile")(function* (options: {
  readonly file: string
  readonly key: string | null
  readonly json: boolean
}) {
  const { file, json } = options
  const verifier = options.key === null ? null : yield* Files.verifierFrom("--key", options.key)
  yield* Files.requireReadable(file)
  const checked = yield* Effect.exit(checkFile(file, verifier))
  if (checked._tag === "Failure" && json) {
    const error = checked.cause.reasons.flatMap((reason) => (reason._tag === "Fail" ? [reason.error] : []))[0]
    if (error !== undefined) yield* Console.log(JSON.stringify({ ok: false, line: error.line, reason: error.reason }))
  }
  const { header, signed, trailer } = yield* checked
  const { events, root, streams } = trailer
  const { after, head } = header
  if (json) return yield* Console.log(JSON.stringify({ ok: true, events, streams, after, head, root, signed }))
  yield* Console.log(`the export is whole: ${events} events of ${streams} streams, root ${root}${signedWords(signed)}`)
})

const checkFile = (file: string, verifier: Parameters<typeof ArchiveCheck.make>[1]) =>
  Effect.tryPromise({
    try: async () => {
      const check = ArchiveCheck.make(new Map(), verifier, false)
      let lines = 0
      for await (const line of linesOf(Files.chunksOf(file))) {
        check.visit(line)
        lines = line.number
      }
      return check.finish(lines)
    },
    catch: (thrown) => thrown
  }).pipe(Effect.catch((thrown) => Import.brokenBy(nameOf(file), thrown)))

const nameOf = (file: string): string => (file === Files.standard ? "stdin" : file)

const signedWords = (signed: ArchiveCheck.Signed): string => {
  switch (signed.by) {
    case "nobody":
      return ", signed by nobody"
    case "key":
      return `, signed with the given key ${signed.keyId}`
    case "unchecked":
      return `, signed with key ${signed.keyId}, which says who only with --key`
  }
}
