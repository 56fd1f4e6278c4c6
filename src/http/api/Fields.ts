import { DateTime, Effect, Option, Schema, SchemaGetter, SchemaIssue } from "effect"
import { Position } from "../../eventstore/EventStore.ts"

/** How many entries a page has when the request does not say, and at most. */
export const pageSize = 50
export const pageSizeMax = 500

/** A decimal count in a query, `minimum` to `maximum`; no sign, no exponent, no leading zeros. */
export const Count = (minimum: number, maximum: number) => {
  const message = `must be a whole number from ${minimum} to ${maximum}`
  return Schema.String.check(Schema.isPattern(/^(0|[1-9]\d{0,9})$/, { message })).pipe(
    Schema.decodeTo(Schema.Int.check(Schema.isBetween({ minimum, maximum }, { message })), {
      decode: SchemaGetter.transform(Number),
      encode: SchemaGetter.transform(String)
    })
  )
}

/** A position as it was given by an answer or an event. */
export const PositionText = Position.annotate({
  message: "must be a position, as an answer or an event gave it",
  expected: "a position"
})

const isoDate = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/

const parseIso = (text: string): Option.Option<number> =>
  isoDate.test(text) ? Option.map(DateTime.make(text), DateTime.toEpochMillis) : Option.none()

const epochOf = (message: string) =>
  SchemaGetter.transformEffect((text: string) =>
    Option.match(parseIso(text), {
      onNone: () => Effect.fail(new SchemaIssue.InvalidValue({ message })),
      onSome: (epochMs) => Effect.succeed(epochMs)
    })
  )

const isoText = SchemaGetter.transform((epochMs: number) => DateTime.formatIso(DateTime.makeUnsafe(epochMs)))

/** An ISO 8601 date, or date and time with its offset; decodes to epoch ms. */
export const IsoTime = Schema.String.pipe(
  Schema.decodeTo(Schema.Int, {
    decode: epochOf("must be an ISO 8601 date, or date and time with Z or an offset"),
    encode: isoText
  })
)

const positionOrTime = "must be a position, or an ISO 8601 time with Z or an offset"

/** `at=`: a position, or a time (epoch ms after decoding). */
export const At = Schema.String.pipe(
  Schema.decodeTo(Schema.Union([Position, Schema.Int]), {
    decode: SchemaGetter.transformEffect((text: string) =>
      Schema.is(Position)(text)
        ? Effect.succeed<string | number>(text)
        : Option.match(parseIso(text), {
            onNone: () => Effect.fail(new SchemaIssue.InvalidValue({ message: positionOrTime })),
            onSome: (epochMs) => Effect.succeed<string | number>(epochMs)
          })
    ),
    encode: SchemaGetter.transform((at: string | number) =>
      typeof at === "number" ? DateTime.formatIso(DateTime.makeUnsafe(at)) : at
    )
  })
)

/** A short text: not empty, no control characters, at most `maxChars`. */
export const Text = (maxChars: number) =>
  Schema.String.check(
    Schema.isPattern(new RegExp(`^[^\\u0000-\\u001f\\u007f]{1,${maxChars}}$`), {
      message: `must have 1 to ${maxChars} characters and no control characters`
    })
  )

/** A partition key in a query. */
export const PartitionKey = Text(200)

export const AssetId = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,199}$/, {
    message: "must be an asset id: 1 to 200 letters, digits and ._:- that begin with a letter or digit"
  })
)

/** A reason that a person gives for a command; line breaks are welcome. */
export const Reason = Schema.String.check(
  Schema.isMaxLength(2000, { message: "must have at most 2000 characters" }),
  // In a body it is refused before; in a query only here.
  Schema.makeFilter((text: string) => !text.includes("\0") || "must not contain the NUL character")
)

/** A reason that has to be given. */
export const WrittenReason = Reason.check(Schema.isPattern(/\S/, { message: "must say why, in words" }))

/** `?limit=&cursor=`, and `minPosition` for a list that shall show a command's own effect. */
export const page = {
  limit: Schema.optionalKey(Count(1, pageSizeMax)),
  cursor: Schema.optionalKey(Text(500))
}
export const minPosition = { minPosition: Schema.optionalKey(PositionText) }

/** Every command from outside: the key that makes its repetition safe, and the trace that it belongs to. */
export const commandHeaders = {
  "idempotency-key": Schema.optionalKey(
    Schema.String.check(
      Schema.isPattern(/^[\u0021-\u007e]{1,200}$/, { message: "must have 1 to 200 visible ASCII characters" })
    )
  ),
  traceparent: Schema.optionalKey(Schema.String)
}

/** A body that may be left out. */
export const optionalBody = <S extends Schema.Top>(schema: S) => [schema, Schema.Null] as const

/** The body of a command that takes no input: left out, or an empty object. */
export const noInput = optionalBody(
  Schema.Record(Schema.String, Schema.Never.annotate({ message: "is not known here" }))
)

/** The body of a command for which a person may say why: kept with the events that it causes. */
export const mayReason = optionalBody(Schema.Struct({ reason: Schema.optionalKey(Reason) }))

/** `{ data: [...], nextCursor }`; `nextCursor` is null at the end. */
export const list = <S extends Schema.Top>(item: S) =>
  Schema.Struct({ data: Schema.Array(item), nextCursor: Schema.NullOr(Schema.String) })

/** `{ data: {...} }`. */
export const one = <S extends Schema.Top>(item: S) => Schema.Struct({ data: item })

/** `{ data, position }`: what a command answers; `position` is that of its last event. */
export const done = <S extends Schema.Top>(item: S) => Schema.Struct({ data: item, position: Schema.String })

/** A thing in an answer: what is documented, and whatever more the engine has to say of it. */
export const open = <const Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.StructWithRest(Schema.Struct(fields), [Schema.Record(Schema.String, Schema.Unknown)])

export const Nullable = Schema.NullOr(Schema.String)
