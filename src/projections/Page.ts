import { Effect, Result, Schema } from "effect"

/** The cursor was not given out by this list. */
export class InvalidCursor extends Schema.TaggedError<InvalidCursor>()("InvalidCursor", { cursor: Schema.String }) {}

/** One page of a list. `nextCursor`: opaque, asks for the page behind this one; null: this is the last. */
export interface Page<A> {
  readonly data: ReadonlyArray<A>
  readonly nextCursor: string | null
}

export interface PageRequest {
  /** 1 to 500, default 50; what lies outside is brought to the nearest bound. */
  readonly limit?: number | undefined
  readonly cursor?: string | undefined
}

const limitDefault = 50
const limitMax = 500

export const limitOf = ({ limit }: PageRequest): number =>
  Math.min(limitMax, Math.max(1, Math.trunc(limit ?? limitDefault)))

/** The last entry of a page in a list by time, newest first: what follows is older, or as old with a smaller id. */
export interface Mark {
  /** Epoch ms. */
  readonly at: number
  readonly id: string
}

/** Text within a cursor. The database has no NUL character: one that it gave out holds none. */
export const CursorText = Schema.String.check(Schema.makeFilter((text: string) => !text.includes("\0")))
/** The last time that JavaScript can tell, epoch ms; the database can tell it too. */
const timeMax = 8_640_000_000_000_000
const CursorTime = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: timeMax }))
const Cursor = Schema.fromJsonString(Schema.Tuple([CursorTime, CursorText]))
const decode = Schema.decodeUnknownResult(Cursor)

const cursorOf = ({ at, id }: Mark): string => Buffer.from(JSON.stringify([at, id])).toString("base64url")

/** Where the page begins; null: at the newest. */
export const markOf = ({ cursor }: PageRequest): Effect.Effect<Mark | null, InvalidCursor> => {
  if (cursor === undefined) return Effect.succeed(null)
  const read = decode(Buffer.from(cursor, "base64url").toString("utf8"))
  if (Result.isFailure(read)) return Effect.fail(new InvalidCursor({ cursor }))
  const [at, id] = read.success
  return Effect.succeed({ at, id })
}

/** Makes a page of rows that were read with one more than the limit, to see whether another page follows. */
export const pageOf = <Row extends Mark, A>(
  rows: ReadonlyArray<Row>,
  limit: number,
  shown: (row: Row) => A
): Page<A> => {
  const data = rows.slice(0, limit)
  const last = data[data.length - 1]
  return { data: data.map(shown), nextCursor: rows.length > limit && last !== undefined ? cursorOf(last) : null }
}
