import { _, type Ajv, type ErrorObject, type KeywordCxt, Name, type Schema as AjvSchema } from "ajv"
import type { Schema } from "effect"
import { canonicalJson, isObject, type JsonObject } from "./JsonBounds.ts"

/**
 * How many steps one check may take: at worst half a second. A step is about one comparison; every schema counts its
 * own keywords, listed values and the names it looks for each time it is applied to a value. A pattern's search costs
 * its program size times the length of the text.
 */
export const stepsMax = 20_000_000
/** Faults that are collected of one value; the check ends there. */
export const faultsMax = 100

/** To apply a schema at all. */
const visitSteps = 5
/** Branches that refer to each other double the work with each level of the value. */
const referenceSteps = 50
/** What is applied inside of `anyOf` and the like makes faults that nobody asked for: dearer than a comparison. */
const branchFactor = 2
/** Faults that branches may leave behind before they take too much memory. */
const branchFaultsMax = 500_000
/** To write an item as text, or to put a plain one into a set. */
const writeSteps = 50
const plainSteps = 20
/** Characters that are counted in the time of one step. */
const charactersAStep = 4

/** The check was given up because it took too many steps; the message says of which kind. */
export class StepsExceeded extends Error {}

/** The value has so many faults that the rest was not looked for. */
export class FaultsEnough extends Error {
  readonly errors: ReadonlyArray<ErrorObject>
  constructor(errors: ReadonlyArray<ErrorObject>) {
    super("more faults than are told")
    this.errors = errors
  }
}

const tooLarge = `is too large to be checked against its schema: it takes more than ${stepsMax} comparisons`

/** Stand beside the keywords of a compiled schema, and are none that a user can write. */
const workKeyword = "kintsugi_work"
const referenceKeyword = "kintsugi_reference"

/** What the checks with one compiled schema have cost so far. */
export interface Work {
  /** A new check begins. */
  readonly begin: () => void
  /** Counts steps; throws `StepsExceeded` with `fault` when they are too many. */
  readonly spend: (steps: number, fault: string) => void
}

/** Adds to a validator the keywords that count its work; a schema has them once it is `counted`. */
export const install = (ajv: Ajv): Work => {
  let steps = 0
  const spend = (cost: number, fault: string): void => {
    steps += cost
    if (steps > stepsMax) throw new StepsExceeded(fault)
  }
  const visit = (
    ownSteps: number,
    byText: boolean,
    byEntries: number,
    data: unknown,
    isMain: boolean,
    errorCount: number,
    errors: ReadonlyArray<ErrorObject> | null
  ): void => {
    const cost = ownSteps + (byText || byEntries > 0 ? sizeSteps(byText, byEntries, data) : 0)
    spend(isMain ? cost : branchFactor * cost, tooLarge)
    if (errorCount < faultsMax) return
    if (isMain) throw new FaultsEnough(errors ?? [])
    if (errorCount > branchFaultsMax) throw new StepsExceeded(tooLarge)
  }
  ajv.addKeyword({
    keyword: workKeyword,
    // Counted before the first of the keywords that look at values of every type.
    before: ajv.RULES.rules.find(({ type }) => type === undefined)!.rules[0]!.keyword,
    schemaType: "object",
    code: (cxt: KeywordCxt) => {
      const { data, gen, it, schema } = cxt
      const call = gen.scopeValue("func", { ref: visit })
      // Written as numbers: the time to compile grows with the square of the values that the code refers to.
      const { byEntries, byText, steps } = schema as Own
      // Faults count for the whole unless they lie in a branch, or in a call of the schema by itself (not at its root).
      const certain = it.compositeRule !== true && it.schemaEnv.root === it.schemaEnv
      const isMain = certain ? _`${new Name("instancePath")} === ""` : _`false`
      gen.code(
        _`${call}(${steps}, ${byText}, ${byEntries}, ${data}, ${isMain}, ${new Name("errors")}, ${new Name("vErrors")})`
      )
    }
  })
  ajv.addKeyword({
    keyword: referenceKeyword,
    schemaType: "boolean",
    code: (cxt: KeywordCxt) => {
      const follow = cxt.gen.scopeValue("func", {
        // The faults of what is referred to are copied behind those that there are already.
        ref: (errorCount: number) =>
          spend(referenceSteps + errorCount, "takes too long to check: its schema refers to itself too often")
      })
      cxt.gen.code(_`${follow}(${new Name("errors")})`)
    }
  })
  // The library's own compares each item with each other.
  ajv.removeKeyword("uniqueItems")
  ajv.addKeyword({
    keyword: "uniqueItems",
    type: "array",
    schemaType: "boolean",
    error: { message: "must not have equal items" },
    validate: (wanted: boolean, items: ReadonlyArray<Schema.Json>) => {
      if (!wanted) return true
      spend(
        items.reduce((sum: number, item) => sum + writingSteps(item), 0),
        tooLarge
      )
      const written = (item: Schema.Json) => typeof item === "object" && item !== null
      const plain = items.filter((item) => !written(item))
      return (
        new Set(plain).size === plain.length &&
        new Set(items.filter(written).map(canonicalJson)).size === items.length - plain.length
      )
    }
  })
  return {
    begin: () => {
      steps = 0
    },
    spend
  }
}

/** What one schema costs when it is applied, by itself and for each entry or character of the value. */
interface Own {
  readonly steps: number
  /** Whether the characters of a text are counted. */
  readonly byText: boolean
  /** How often the entries of an object or a list are looked at. */
  readonly byEntries: number
}

const sizeSteps = (byText: boolean, byEntries: number, data: unknown): number => {
  if (typeof data === "string") return byText ? Math.ceil(data.length / charactersAStep) : 0
  if (byEntries === 0 || typeof data !== "object" || data === null) return 0
  return byEntries * (Array.isArray(data) ? data.length : Object.keys(data).length)
}

const writingSteps = (value: Schema.Json): number => {
  if (typeof value === "string") return plainSteps + value.length / charactersAStep
  if (typeof value !== "object" || value === null) return plainSteps
  return Object.entries(value).reduce((sum, [key, item]) => sum + key.length + writingSteps(item), writeSteps)
}

/** Keywords that look at every entry of a list or an object. */
const entryKeywords = [
  ...["items", "additionalItems", "contains", "additionalProperties", "propertyNames", "patternProperties"],
  ...["minProperties", "maxProperties", "unevaluatedItems", "unevaluatedProperties"]
]

const ownOf = (schema: JsonObject): Own => {
  const values = [...(Array.isArray(schema.enum) ? schema.enum : []), ...("const" in schema ? [schema.const!] : [])]
  const names = (value: Schema.Json | undefined) => (typeof value === "object" && value !== null ? nodes(value) : 0)
  const lookups = isObject(schema.properties) ? Object.keys(schema.properties).length : 0
  return {
    steps:
      visitSteps +
      Object.keys(schema).length +
      values.reduce((sum: number, value) => sum + nodes(value), 0) +
      names(schema.required) +
      names(schema.dependentRequired) +
      lookups,
    byText: "minLength" in schema || "maxLength" in schema,
    byEntries:
      entryKeywords.filter((keyword) => keyword in schema).length +
      values.filter((value) => typeof value === "object" && value !== null).length
  }
}

/** How many values a JSON value consists of, itself included. */
const nodes = (value: Schema.Json): number =>
  typeof value === "object" && value !== null
    ? Object.values(value).reduce((sum: number, item) => sum + nodes(item), 1)
    : 1

/** Keywords of a schema that hold schemas: by name, alone, or in a list. */
export const maps = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"]
export const singles = [
  ...["items", "additionalProperties", "propertyNames", "not", "if", "then", "else", "contains"],
  ...["unevaluatedItems", "unevaluatedProperties", "additionalItems"]
]
export const lists = ["allOf", "anyOf", "oneOf", "prefixItems", "items"]

/** The schema with the work of every schema in it counted, and every reference when it is followed. */
export const counted = (schema: JsonObject): AjvSchema & JsonObject => {
  const child = (value: Schema.Json): Schema.Json => (isObject(value) ? counted(value) : value)
  // What refuses every entry is asked one by one, so that it can end after some faults.
  const each = (value: Schema.Json): Schema.Json => (value === false ? counted({ not: true }) : child(value))
  const entries = Object.entries(schema).map(([keyword, value]): readonly [string, Schema.Json] => {
    if (maps.includes(keyword) && isObject(value)) {
      return [keyword, Object.fromEntries(Object.entries(value).map(([key, below]) => [key, each(below)]))]
    }
    if (lists.includes(keyword) && Array.isArray(value)) return [keyword, value.map(child)]
    if (keyword === "propertyNames" || (keyword === "items" && !("prefixItems" in schema)))
      return [keyword, each(value)]
    return [keyword, singles.includes(keyword) ? child(value) : value]
  })
  const refers = Object.hasOwn(schema, "$ref") || Object.hasOwn(schema, "$dynamicRef")
  return {
    ...Object.fromEntries(entries),
    [workKeyword]: { ...ownOf(schema) },
    ...(refers ? { [referenceKeyword]: true } : {})
  }
}
