import fc from "fast-check"
import { type JsonSchema, resolved } from "./document.ts"
import type { World } from "./world.ts"

/** Texts that have broken servers: they end strings, paths, numbers, encodings and prototypes. */
const hostileTexts: ReadonlyArray<string> = [
  ...[
    "",
    " ",
    "\u0000",
    "a\u0000b",
    "\ud800",
    "\udfff\ud800",
    "\u202egnirts",
    "مرحبا",
    "👩‍👩‍👧‍👦",
    "a\u0301",
    "\ufeff",
    "\u007f"
  ],
  ...["../", "../../etc/passwd", "..%2f..%2f", "%00", "%zz", "%", "//", ".", "..", "?", "#", "\\", "a/b", "\r\nX: y"],
  ...["__proto__", "constructor", "toString", "hasOwnProperty", "prototype", "null", "undefined", "NaN", "true"],
  ...["0", "-0", "-1", "1e309", "1e2", "9007199254740993", "9223372036854775808", "0x10", "2147483648", "١٢"],
  ...["'", '"', "'; drop table events; --", "{{ run.partitionKey }}", "{{ steps.__proto__ }}", "%s%n"],
  ...["<script>alert(1)</script>", "[]", "{}", "*", "Infinity", "0000-00-00", "+275760-09-13T00:00:00.000Z"],
  ...["9999-12-31T23:59:59.999Z", "-000001-01-01T00:00:00Z", "2024-02-30", "1970-01-01", "1900-01-01T00:00:00Z"]
]

export const hostileText: fc.Arbitrary<string> = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...hostileTexts) },
  { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 40 }) },
  { weight: 1, arbitrary: fc.constantFrom(200, 201, 255, 256, 501, 2_001, 9_000).map((length) => "x".repeat(length)) }
)

const nested = (depth: number): unknown => {
  let value: unknown = 1
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { a: value }
  return value
}

const ofJsonText = (text: string): unknown => JSON.parse(text)

/** JSON of any kind in any place. */
export const hostileJson: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: hostileText as fc.Arbitrary<unknown> },
  {
    weight: 4,
    arbitrary: fc.constantFrom<unknown>(
      ...[null, true, false, 0, -1, -0.5, 1e308, 2 ** 53, -(2 ** 63), 5e-324, [], {}, [[]], [null], { "": "" }],
      ...[ofJsonText('{"__proto__":{"polluted":true}}'), { constructor: { prototype: { polluted: true } } }],
      ...[{ length: 1e9 }, { toString: 1, toJSON: 1, valueOf: 1 }]
    )
  },
  { weight: 1, arbitrary: fc.constantFrom(20, 70, 300).map(nested) },
  { weight: 2, arbitrary: fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<unknown> }
)

/** What a parameter or field of this name holds, as a kind of the world; `id` depends on the path. */
const kindOfName: Readonly<Record<string, string>> = {
  slug: "workflow",
  workflow: "workflow",
  runId: "run",
  with: "run",
  stepId: "step",
  fromStep: "step",
  assetId: "asset",
  assetIds: "asset",
  key: "partition",
  keys: "partition",
  partitionKey: "partition",
  from: "partition",
  to: "partition",
  cursor: "cursor",
  minPosition: "position",
  after: "position",
  position: "position",
  at: "position",
  "last-event-id": "position",
  name: "projection",
  generation: "generation",
  checkpoint: "generation",
  prefix: "object",
  store: "store",
  producedAt: "time",
  until: "soon",
  expiresAt: "soon"
}

const kindOfPath: ReadonlyArray<readonly [RegExp, string]> = [
  [/^\/api\/v1\/runs\//, "run"],
  [/^\/api\/v1\/recoveries\//, "recovery"],
  [/^\/api\/v1\/backfills\//, "backfill"],
  [/^\/api\/v1\/bulk\//, "bulk"],
  [/\/admin\/tokens\//, "token"],
  [/\/deliveries\//, "delivery"],
  [/^\/api\/v1\/notifications\//, "notification"],
  [/dead-letters\//, "deadLetter"],
  [/attention\//, "attention"]
]

const others = ["run", "recovery", "backfill", "token", "asset", "workflow", "cursor", "position", "notification"]

/** A text for the parameter or field `name` on `path`: mostly one that exists, else another thing's, else hostile. */
export const named = (world: World, name: string, path: string): fc.Arbitrary<string> => {
  const kind = name === "id" ? kindOfPath.find(([pattern]) => pattern.test(path))?.[1] : kindOfName[name]
  const live = (from: string) => fc.nat(1_000).map((index) => world.pick(from, index) ?? `no-${from}`)
  const times = fc.constantFrom("2026-01-01T00:00:00Z", "2024-01-01", "2099-01-01T00:00:00+02:00")
  const usual =
    kind === undefined
      ? fc.constantFrom("0", "1", "2", "50", "true", "false", "up", "down", "night", "because")
      : kind === "time" || kind === "soon" || name === "at" || name === "from" || name === "to"
        ? fc.oneof(live(kind), times)
        : live(kind)
  return fc.oneof(
    { weight: 30, arbitrary: usual },
    { weight: 2, arbitrary: fc.constantFrom(...others).chain(live) },
    { weight: 3, arbitrary: hostileText }
  )
}

/** A value for the schema; `name` says what its texts mean. Near-valid ones come from `mutated`. */
export const ofSchema = (world: World, given: JsonSchema, name: string, path: string): fc.Arbitrary<unknown> => {
  const schema = resolved(given)
  const inner = (part: unknown, of: string) => ofSchema(world, (part ?? {}) as JsonSchema, of, path)
  const choices = (schema.anyOf ?? schema.oneOf) as ReadonlyArray<unknown> | undefined
  if (choices !== undefined) return fc.oneof(...choices.map((choice) => inner(choice, name)))
  if (Array.isArray(schema.allOf)) return inner(schema.allOf[0], name)
  if (Array.isArray(schema.enum)) return fc.constantFrom<unknown>(...(schema.enum as ReadonlyArray<unknown>))
  switch (schema.type) {
    case "string":
      return named(world, name, path)
    case "integer":
    case "number": {
      const minimum = typeof schema.minimum === "number" ? schema.minimum : -1_000
      const maximum = typeof schema.maximum === "number" ? schema.maximum : 1_000
      return fc.oneof(fc.integer({ min: minimum, max: Math.min(maximum, minimum + 10) }), fc.constant(maximum))
    }
    case "boolean":
      return fc.boolean()
    case "null":
      return fc.constant(null)
    case "array": {
      const first = Array.isArray(schema.prefixItems) ? schema.prefixItems[0] : schema.items
      return fc.array(inner(first, name), { minLength: Number(schema.minItems ?? 0), maxLength: 3 })
    }
    case "object": {
      const properties = Object.entries((schema.properties ?? {}) as Readonly<Record<string, unknown>>)
      if (properties.length === 0 && schema.additionalProperties === false) return fc.constant({})
      if (properties.length === 0) return fc.constantFrom<unknown>({}, { a: 1 }, { ms: 5 }, { mode: "fail" })
      const required = (schema.required ?? []) as ReadonlyArray<string>
      const model = Object.fromEntries(properties.map(([key, part]) => [key, inner(part, key)]))
      return fc.record(model, { requiredKeys: [...required] })
    }
    default:
      return hostileJson
  }
}

/** The value with one fault: something missing, unknown, of another kind, or hostile. */
export const mutated = (value: unknown): fc.Arbitrary<unknown> => {
  const whole = fc.oneof(hostileJson, fc.constant([value]), fc.constant({ data: value }))
  if (typeof value !== "object" || value === null) return whole
  if (Array.isArray(value)) return fc.oneof(whole, fc.constant([...value, ...value]), fc.constant({ 0: value[0] }))
  const entries = Object.entries(value)
  const unknown = fc.tuple(hostileText, hostileJson).map(([key, added]) => withKey(value, key, added))
  if (entries.length === 0) return fc.oneof(whole, unknown)
  const at = fc.nat(entries.length - 1)
  return fc.oneof(
    { weight: 1, arbitrary: whole },
    { weight: 2, arbitrary: unknown },
    { weight: 2, arbitrary: at.map((index) => Object.fromEntries(entries.filter((_, other) => other !== index))) },
    {
      weight: 5,
      arbitrary: at.chain((index) => {
        const [key, old] = entries[index]!
        return fc.oneof(hostileJson, mutated(old)).map((fresh) => withKey(value, key, fresh))
      })
    }
  )
}

/** A copy with this own key, `__proto__` too. */
const withKey = (value: object, key: string, added: unknown): object =>
  Object.defineProperty({ ...value }, key, { value: added, enumerable: true, configurable: true, writable: true })
