import { JsonSchema, Result, Schema, SchemaRepresentation } from "effect"
import { problemsOf } from "./Definition.ts"
import { type JsonObject, pathText, type Problem } from "./JsonBounds.ts"

/**
 * The keywords of JSON Schema (draft 2020-12, and `definitions` of draft 7) and the shape of each. A schema is code
 * written by people: a misspelt keyword would be ignored by every validator, so it is refused here (F87).
 */
const Keywords: Schema.Codec<unknown> = Schema.suspend(() => {
  const one = Schema.optionalKey(Node)
  const list = Schema.optionalKey(Schema.Array(Node).check(Schema.isMinLength(1)))
  const map = Schema.optionalKey(Schema.Record(Schema.String, Node))
  const text = Schema.optionalKey(Schema.String)
  const flag = Schema.optionalKey(Schema.Boolean)
  const number = Schema.optionalKey(Schema.Finite)
  const count = Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)))
  const any = Schema.optionalKey(Schema.Json)
  const TypeName = Schema.Literals(["null", "boolean", "object", "array", "number", "integer", "string"])
  const described = { title: text, description: text, default: any, examples: any, deprecated: flag, readOnly: flag }
  const core = { $schema: text, $id: text, $ref: text, $comment: text, $defs: map, definitions: map, writeOnly: flag }
  const values = { type: Schema.optionalKey(Schema.Union([TypeName, Schema.NonEmptyArray(TypeName)])), const: any }
  const numbers = { minimum: number, maximum: number, exclusiveMinimum: number, exclusiveMaximum: number }
  const strings = { minLength: count, maxLength: count, pattern: text, format: text, contentEncoding: text }
  const arrays = { items: any, prefixItems: list, minItems: count, maxItems: count, uniqueItems: flag }
  const objects = {
    properties: map,
    required: Schema.optionalKey(Schema.Array(Schema.String)),
    additionalProperties: one,
    patternProperties: map,
    propertyNames: one,
    minProperties: count,
    maxProperties: count
  }
  const combined = { allOf: list, anyOf: list, oneOf: list, not: one }
  // Known to JSON Schema; whether they can be applied is for the import to say.
  const conditional = {
    if: one,
    then: one,
    else: one,
    dependentRequired: any,
    dependentSchemas: map,
    dependencies: any
  }
  const rare = { contains: one, minContains: count, maxContains: count, unevaluatedItems: one, contentMediaType: text }
  const other = {
    unevaluatedProperties: one,
    $anchor: text,
    $dynamicRef: text,
    $dynamicAnchor: text,
    additionalItems: any
  }
  return Schema.StructWithRest(
    Schema.Struct({
      ...described,
      ...core,
      ...values,
      enum: Schema.optionalKey(Schema.NonEmptyArray(Schema.Json)),
      multipleOf: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThan(0))),
      ...numbers,
      ...strings,
      ...arrays,
      ...objects,
      ...combined,
      ...conditional,
      ...rare,
      ...other
    }),
    [Schema.Record(Schema.TemplateLiteral(["x-", Schema.String]), Schema.Json)]
  )
})
const Node: Schema.Codec<unknown> = Schema.Union([Schema.Boolean, Keywords])

const decodeKeywords = Schema.decodeUnknownResult(Keywords, { errors: "all", onExcessProperty: "error" })

type Check = (value: unknown) => ReadonlyArray<Problem>

/** Compiled once a schema: definitions are parsed once and live as long as the process. */
const compiled = new WeakMap<JsonObject, Result.Result<Check, Problem>>()

/** Every reason why this JSON Schema cannot be applied; `path` is where it stands. */
export const schemaProblems = (schema: JsonObject, path: ReadonlyArray<PropertyKey>): ReadonlyArray<Problem> => {
  const prefix = pathText(path)
  const keywords = decodeKeywords(schema)
  const found = Result.isFailure(keywords)
    ? problemsOf(keywords.failure.issue)
    : Result.match(compile(schema), { onSuccess: () => [], onFailure: (problem) => [problem] })
  return found.map((problem) => ({ path: below(prefix, problem.path), message: problem.message }))
}

/** Every fault of `value` under the schema; `name` is what the value is called in paths, such as `parameters`. */
export const checkAgainst = (schema: JsonObject, value: unknown, name: string): ReadonlyArray<Problem> => {
  const check = compile(schema)
  if (Result.isFailure(check)) return [{ path: `${name}Schema`, message: check.failure.message }]
  return check.success(value).map(({ message, path }) => ({ path: below(name, path), message }))
}

const below = (prefix: string, path: string) =>
  path === "" || path.startsWith("[") ? `${prefix}${path}` : `${prefix}.${path}`

const compile = (schema: JsonObject): Result.Result<Check, Problem> => {
  const known = compiled.get(schema)
  if (known !== undefined) return known
  const made = Result.try({ try: () => importSchema(schema), catch: importProblem })
  compiled.set(schema, made)
  return made
}

const importSchema = (schema: JsonObject): Check => {
  const isDraft7 = String(schema.$schema ?? "").includes("draft-07") || Object.hasOwn(schema, "definitions")
  const document = isDraft7 ? JsonSchema.fromSchemaDraft07(schema) : JsonSchema.fromSchemaDraft2020_12(schema)
  // Patterns are applied: who may define a workflow may run code here anyway.
  const imported = SchemaRepresentation.fromJsonSchemaDocument(document, { patterns: "apply" })
  const decode = Schema.decodeUnknownResult(imported as Schema.Codec<unknown>, {
    errors: "all",
    onExcessProperty: "error"
  })
  return (value) => Result.match(decode(value), { onSuccess: () => [], onFailure: (error) => problemsOf(error.issue) })
}

/** The import says where in its message's second line: `  at ["schema"]["properties"]["a"]["if"]`. */
const importProblem = (cause: unknown): Problem => {
  const [message = "cannot be applied", where = ""] = (cause instanceof Error ? cause.message : String(cause)).split(
    "\n"
  )
  const segments = [...where.matchAll(/\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]/g)].map(([, key, index]) =>
    index === undefined ? String(key) : Number(index)
  )
  return { path: pathText(segments[0] === "schema" ? segments.slice(1) : segments), message }
}
