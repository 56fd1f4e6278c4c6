import { Ajv, type ErrorObject } from "ajv"
import { Ajv2020 } from "ajv/dist/2020.js"
import { Result, Schema } from "effect"
import { problemsOf } from "./Definition.ts"
import { isObject, type JsonObject, pathText, type Problem } from "./JsonBounds.ts"
import * as Work from "./JsonSchemaWork.ts"
import * as LinearPattern from "./LinearPattern.ts"

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

type Check = (value: unknown) => ReadonlyArray<Fault>

/** What is wrong, and at which path of the value or the schema. */
interface Fault {
  readonly path: ReadonlyArray<PropertyKey>
  readonly message: string
}

/** Compiled once a schema: definitions are parsed once and live as long as the process. */
const compiled = new WeakMap<JsonObject, Result.Result<Check, Fault>>()

/** Every reason why this JSON Schema cannot be applied; `path` is where it stands. */
export const schemaProblems = (schema: JsonObject, path: ReadonlyArray<PropertyKey>): ReadonlyArray<Problem> => {
  const prefix = pathText(path)
  const size = sizeFault(schema)
  if (size !== undefined) return [{ path: prefix, message: size }]
  const keywords = decodeKeywords(schema)
  if (Result.isFailure(keywords)) {
    const below = (problem: Problem) =>
      prefix === "" || problem.path === "" || problem.path.startsWith("[")
        ? `${prefix}${problem.path}`
        : `${prefix}.${problem.path}`
    return problemsOf(keywords.failure.issue).map((problem) => ({ path: below(problem), message: problem.message }))
  }
  const whole = faultsIn(schema, [], isDraft7(schema))
  const found =
    whole.length > 0 ? whole : Result.match(compile(schema), { onSuccess: () => [], onFailure: (fault) => [fault] })
  return found.map((fault) => ({ path: pathText([...path, ...fault.path]), message: fault.message }))
}

/** A schema of this many schemas is compiled in a fifth of a second. */
export const schemasMax = 1_000
/** Keywords of one schema; more can only be unknown ones. */
const keywordsMax = 200

/** What makes a schema too large to be looked at, if anything does. */
const sizeFault = (schema: JsonObject): string | undefined => {
  const open = [schema]
  for (let seen = 0; open.length > 0; ) {
    const next = open.pop()!
    const keywords = Object.keys(next).length
    if (keywords > keywordsMax) return `must not have more than ${keywordsMax} keywords in one schema, not ${keywords}`
    const children = below(next).map(([, child]) => child)
    if (++seen + open.length + children.length > schemasMax)
      return `must not consist of more than ${schemasMax} schemas`
    for (const child of children) open.push(child)
  }
  return undefined
}

/** Every fault of `value` under the schema; `name` is what the value is called in paths, such as `parameters`. */
export const checkAgainst = (schema: JsonObject, value: unknown, name: string): ReadonlyArray<Problem> => {
  const check = compile(schema)
  if (Result.isFailure(check)) return [{ path: `${name}Schema`, message: check.failure.message }]
  return check.success(value).map(({ message, path }) => ({ path: `${name}${belowText(path)}`, message }))
}

/** A path below a name: begins with a dot or a bracket. */
const belowText = (path: ReadonlyArray<PropertyKey>) => {
  const text = pathText(path)
  return text === "" || text.startsWith("[") ? text : `.${text}`
}

const compile = (schema: JsonObject): Result.Result<Check, Fault> => {
  const known = compiled.get(schema)
  if (known !== undefined) return known
  const made = Result.try({
    try: () => compileSchema(schema),
    catch: (cause) => ({ path: [], message: `cannot be applied: ${cause instanceof Error ? cause.message : cause}` })
  })
  compiled.set(schema, made)
  return made
}

const isDraft7 = (schema: JsonObject) =>
  String(schema.$schema ?? "").includes("draft-07") || Object.hasOwn(schema, "definitions")

const compileSchema = (schema: JsonObject): Check => {
  let work: Work.Work | undefined
  const regExp = (source: string) => {
    const pattern = Result.getOrThrowWith(LinearPattern.compile(source), (fault) => new Error(fault))
    const test = (text: string) => {
      work?.spend(pattern.steps(text), "is too long for the patterns of its schema")
      return pattern.test(text)
    }
    return { test, toString: () => source }
  }
  const options = {
    allErrors: true,
    verbose: true,
    // Strict mode is mostly taste, and it would run the patterns on the names of the properties by itself.
    strict: false,
    // The keywords have been checked by `Keywords`, which names the path; a format is a remark.
    ...({ meta: false, validateSchema: false, validateFormats: false, logger: false } as const),
    // Making the code shorter takes a time that grows with the square of its length.
    code: { regExp: Object.assign(regExp, { code: "" }), optimize: false }
  }
  const ajv = isDraft7(schema) ? new Ajv(options) : new Ajv2020(options)
  work = Work.install(ajv)
  const { begin } = work
  const validate = ajv.compile(Work.counted(schema))
  return (value) => {
    begin()
    try {
      return validate(value) ? [] : told(validate.errors ?? [], false)
    } catch (cause) {
      if (cause instanceof Work.FaultsEnough) return told(cause.errors, true)
      if (cause instanceof Work.StepsExceeded) return [{ path: [], message: cause.message }]
      // A schema that refers to itself without an end.
      if (cause instanceof RangeError) return [{ path: [], message: "cannot be checked: its schema recurs for ever" }]
      throw cause
    }
  }
}

/** Characters of the faults of one value: names and texts of a request can be long, and each fault may repeat them. */
const faultCharactersMax = 100_000

/** The first faults, and a last line when there are more; `isCut`: nobody has looked for all. */
const told = (errors: ReadonlyArray<ErrorObject>, isCut: boolean): ReadonlyArray<Fault> => {
  const faults: Array<Fault> = []
  let characters = 0
  for (const error of errors.slice(0, Work.faultsMax)) {
    const fault = faultOf(error)
    characters += fault.message.length + error.instancePath.length
    if (faults.length > 0 && characters > faultCharactersMax) break
    faults.push(fault)
  }
  const left = errors.length - faults.length
  if (isCut) faults.push({ path: [], message: `has more faults than the ${faults.length} that are listed` })
  else if (left > 0)
    faults.push({ path: [], message: `has ${left} more faults than the ${faults.length} that are listed` })
  return faults
}

const faultOf = ({ instancePath, keyword, message = "is not valid", params, schema }: ErrorObject): Fault => {
  const path = pointerPath(instancePath)
  switch (keyword) {
    case "required":
      return { path: [...path, params.missingProperty], message: "is required" }
    case "additionalProperties":
      return { path: [...path, params.additionalProperty], message: "is not a known field" }
    case "unevaluatedProperties":
      return { path: [...path, params.unevaluatedProperty], message: "is not a known field" }
    case "false schema":
      return { path, message: "is not allowed" }
    case "not":
      return { path, message: schema === true ? "is not allowed" : message }
    case "enum":
      return { path, message: `must be one of ${listed(params.allowedValues)}` }
    case "const":
      return { path, message: `must be ${shown(schema)}` }
    default:
      return { path, message }
  }
}

const listedMax = 20
const shownMax = 200

/** A value of the schema, shortened where it is long. */
const shown = (value: unknown): string => {
  const text = JSON.stringify(value)
  return text.length <= shownMax ? text : `${text.slice(0, shownMax)}…`
}

const listed = (values: ReadonlyArray<unknown>) => {
  return `${values.slice(0, listedMax).map(shown).join(", ")}${values.length > listedMax ? ` and ${values.length - listedMax} more` : ""}`
}

/** The path of a JSON Pointer (RFC 6901). A number may be the key of an object, and then reads the same. */
const pointerPath = (pointer: string): ReadonlyArray<PropertyKey> =>
  pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .map((part) => (/^(0|[1-9]\d*)$/.test(part) ? Number(part) : part))

// ------------------------------------------------------------------ schemas

/** The schemas right below this one, with their paths; depth is bounded because the definition's is. */
const below = (schema: JsonObject): ReadonlyArray<readonly [ReadonlyArray<PropertyKey>, JsonObject]> => {
  const found: Array<readonly [ReadonlyArray<PropertyKey>, Schema.Json | undefined]> = [
    ...Work.singles.map((keyword) => [[keyword], schema[keyword]] as const),
    ...Work.maps.flatMap((keyword) => {
      const map = schema[keyword]
      return isObject(map) ? Object.entries(map).map(([key, value]) => [[keyword, key], value] as const) : []
    }),
    ...Work.lists.flatMap((keyword) => {
      const list = schema[keyword]
      return Array.isArray(list) ? list.map((value, index) => [[keyword, index], value] as const) : []
    })
  ]
  return found.filter((entry): entry is readonly [ReadonlyArray<PropertyKey>, JsonObject] => isObject(entry[1]))
}

/**
 * What the keywords' shapes do not show, each with its path: patterns that have no search in linear time (one could hold
 * up the whole process), and keywords that would be ignored without another one (F87).
 */
const faultsIn = (schema: JsonObject, path: ReadonlyArray<PropertyKey>, draft7: boolean): ReadonlyArray<Fault> => {
  const found: Array<Fault> = []
  const refuse = (at: ReadonlyArray<PropertyKey>, message: string) => found.push({ path: [...path, ...at], message })
  const checkPattern = (at: ReadonlyArray<PropertyKey>, pattern: string) =>
    Result.match(LinearPattern.compile(pattern), { onSuccess: () => 0, onFailure: (message) => refuse(at, message) })
  if (typeof schema.pattern === "string") checkPattern(["pattern"], schema.pattern)
  if (isObject(schema.patternProperties)) {
    for (const pattern of Object.keys(schema.patternProperties)) checkPattern(["patternProperties", pattern], pattern)
  }
  const { additionalItems, contains, else: otherwise, if: condition, maxContains, minContains, then } = schema
  if (condition !== undefined && then === undefined && otherwise === undefined) refuse(["if"], "needs then or else")
  for (const [keyword, value] of Object.entries({ then, else: otherwise })) {
    if (value !== undefined && condition === undefined) refuse([keyword], "needs if")
  }
  for (const [keyword, value] of Object.entries({ minContains, maxContains })) {
    if (value !== undefined && contains === undefined) refuse([keyword], "needs contains")
  }
  if (additionalItems !== undefined && !draft7) {
    refuse(["additionalItems"], 'is a keyword of draft 7: write "items", or name the draft in "$schema"')
  }
  return [...found, ...below(schema).flatMap(([at, child]) => faultsIn(child, [...path, ...at], draft7))]
}
