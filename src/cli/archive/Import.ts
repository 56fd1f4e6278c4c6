import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import type { Position } from "../../eventstore/EventStore.ts"
import type { Verifier } from "../../eventstore/Signature.ts"
import * as ArchiveCheck from "./ArchiveCheck.ts"
import type { EventLine, HeadLine, Header } from "./ArchiveFormat.ts"
import * as ImportRows from "./ImportRows.ts"
import type { Fault, Line } from "./Lines.ts"

/** The file is not what an export wrote; nothing of it was kept. */
export class ArchiveBroken extends Schema.TaggedError<ArchiveBroken>()("ArchiveBroken", {
  file: Schema.String,
  line: Schema.Int,
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.file}: line ${this.line}: ${this.reason}`
  }
}

/** The file does not go with the log that is there; nothing was written. */
export class ImportRefused extends Schema.TaggedError<ImportRefused>()("ImportRefused", { message: Schema.String }) {}

export interface ImportOptions {
  /** What the file is called in messages. */
  readonly file: string
  /** The log holds what came before, by an earlier import. */
  readonly isContinued: boolean
  readonly verifier: Verifier | null
}

export interface Imported {
  readonly events: number
  readonly streams: number
  readonly head: Position | null
  /** New events come after those of the file. */
  readonly epoch: number
  readonly signed: ArchiveCheck.Signed
}

const pageEvents = 2_000
const pageChars = 4 * 1024 * 1024

/** The error of a fault that was thrown while a file was read; anything else is passed on. */
export const brokenBy = (file: string, thrown: unknown): Effect.Effect<never, ArchiveBroken> =>
  isFault(thrown) ? Effect.fail(new ArchiveBroken({ file, ...thrown })) : Effect.die(thrown)

const isFault = (thrown: unknown): thrown is Fault =>
  typeof thrown === "object" && thrown !== null && "line" in thrown && "reason" in thrown && !(thrown instanceof Error)

/**
 * Writes an exported file into the log, all of it or nothing, in one transaction. Events keep their positions, so that
 * whoever wrote one down still finds it; the epoch rises, so that what is appended now comes after them.
 */
export const read = Effect.fn("Import.read")(function* (
  lines: AsyncGenerator<Line>,
  options: ImportOptions
): Effect.fn.Return<Imported, ArchiveBroken | ImportRefused | SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  return yield* sql.withTransaction(
    Effect.gen(function* () {
      // The file may come slowly, from another machine.
      yield* sql`SELECT set_config('idle_in_transaction_session_timeout', '0', true)`
      const found = yield* copy(lines, options)
      const epoch = yield* ImportRows.raise
      return { ...found, epoch }
    })
  )
})

const copy = Effect.fnUntraced(function* (lines: AsyncGenerator<Line>, { file, isContinued, verifier }: ImportOptions) {
  const heads = new Map<string, { readonly version: number; readonly hash: string }>()
  const check = ArchiveCheck.make(heads, verifier, true)
  const attempt = <A>(run: () => A) =>
    Effect.catch(Effect.try({ try: run, catch: (thrown) => thrown }), (thrown) => brokenBy(file, thrown))
  let lineCount = 0

  while (true) {
    const page = yield* Effect.catch(
      Effect.tryPromise({ try: () => nextPage(lines), catch: (thrown) => thrown }),
      (thrown) => brokenBy(file, thrown)
    )
    if (page.length === 0) break
    // Where the streams of this page stand is asked for at once, and kept no longer than the page.
    heads.clear()
    const names = new Set(page.flatMap(({ text }) => namesIn(text)))
    for (const [name, head] of yield* ImportRows.headsOf([...names])) heads.set(name, head)
    const events: Array<ImportRows.Event> = []
    const ends: Array<HeadLine> = []
    for (const line of page) {
      lineCount = line.number
      const checked = yield* attempt(() => check.visit(line))
      switch (checked._tag) {
        case "Header":
          yield* fits(checked.header, { file, isContinued })
          break
        case "Event":
          events.push({ ...checked.event, commandId: checked.metadata.commandId ?? null })
          break
        case "Head":
          ends.push(checked.head)
          break
        case "Trailer":
          break
      }
    }
    if (events.length > 0) yield* ImportRows.writeEvents(events)
    if (ends.length > 0) yield* ImportRows.writeEnds(ends)
  }
  const { header, signed, trailer } = yield* attempt(() => check.finish(lineCount))
  return { events: trailer.events, streams: trailer.streams, head: header.head, signed }
})

/** The next lines, as many as are good to be written together. */
const nextPage = async (lines: AsyncGenerator<Line>): Promise<ReadonlyArray<Line>> => {
  const page: Array<Line> = []
  let chars = 0
  while (page.length < pageEvents && chars < pageChars) {
    const { done, value } = await lines.next()
    if (done === true) break
    page.push(value)
    chars += value.text.length
  }
  return page
}

/** The stream that a line is about; the check tells what else is wrong with it. */
const namesIn = (text: string): ReadonlyArray<string> => {
  try {
    const { head, stream } = JSON.parse(text) as Partial<EventLine & HeadLine>
    const name = stream ?? head
    return typeof name === "string" && !name.includes("\0") ? [name] : []
  } catch {
    return []
  }
}

const fits = Effect.fnUntraced(function* (
  { after, afterHash }: Header,
  { file, isContinued }: Pick<ImportOptions, "file" | "isContinued">
): Effect.fn.Return<void, ImportRefused | SqlError, SqlClient.SqlClient> {
  const last = yield* ImportRows.last
  const refuse = (why: string) => new ImportRefused({ message: `${file}: ${why}` })
  if (!isContinued) {
    if (last !== null) {
      return yield* refuse(
        `import writes into an empty log, and this one ends at ${last.position}; --continue takes the next part of the same export`
      )
    }
    if (after !== null) {
      return yield* refuse(`it continues an export at ${after}: import that first, and then this with --continue`)
    }
    return
  }
  if (last === null) return yield* refuse("--continue: the log is empty, begin with the file that has its first events")
  if (after === null) return yield* refuse("--continue: it begins with the log's first event, and continues nothing")
  if (last.position !== after || last.hash !== afterHash) {
    return yield* refuse(
      `--continue: it continues a log that ends at ${after}, and this one ends at ${last.position}${last.position === after ? " with another event" : ""}`
    )
  }
})
