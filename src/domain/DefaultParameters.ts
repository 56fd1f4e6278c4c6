import type { Schema } from "effect"
import { isObject, type JsonObject, type Problem } from "./JsonBounds.ts"
import { checkAgainst } from "./JsonSchemaCheck.ts"

/**
 * What is wrong with defaults (`name`: their path) whatever a run gives besides: a default of a wrong value, or of a name that the
 * schema does not know. A property that is missing is none, since the run may give it. The schema must be sound.
 */
export const problems = (schema: JsonObject, defaults: JsonObject, name: string): ReadonlyArray<Problem> =>
  checkAgainst(relaxed(schema, { root: schema, left: schemasMax }, new Set()), defaults, name)

/** References are written out here, and each may be followed by several: beyond this the rest is left to the run. */
const schemasMax = 1_000

interface Writing {
  readonly root: JsonObject
  /** How many more schemas may be written. */
  left: number
}

/** Keywords whose verdict on the whole object can turn when a run adds a property. */
const undecided: ReadonlySet<string> = new Set([
  ...["required", "minProperties", "dependentRequired", "dependentSchemas", "dependencies", "unevaluatedProperties"],
  ...["not", "if", "then", "else", "const", "enum"]
])

/** The schema without what properties to come may decide. `oneOf` becomes `anyOf`: less is known, so more branches fit. */
const relaxed = (schema: JsonObject, writing: Writing, within: ReadonlySet<JsonObject>): JsonObject => {
  const inside = new Set(within).add(schema)
  const branch = (value: Schema.Json): Schema.Json =>
    isObject(value) ? (inside.has(value) || writing.left-- <= 0 ? {} : relaxed(value, writing, inside)) : value
  const allOf: Array<Schema.Json> = []
  const kept: { [keyword: string]: Schema.Json } = {}
  for (const [keyword, value] of Object.entries(schema)) {
    if (undecided.has(keyword)) continue
    if (keyword === "$ref") allOf.push(branch(resolved(writing.root, String(value))))
    else if (keyword === "allOf" && Array.isArray(value)) allOf.push(...value.map(branch))
    else if ((keyword === "anyOf" || keyword === "oneOf") && Array.isArray(value)) {
      allOf.push({ anyOf: value.map(branch) })
    } else kept[keyword] = value
  }
  return allOf.length === 0 ? kept : { ...kept, allOf }
}

/** The schema that a local reference names; what lies elsewhere (`$anchor`, `$id`) is left to the run. */
const resolved = (root: JsonObject, reference: string): Schema.Json => {
  if (!/^#(\/|$)/.test(reference)) return {}
  let found: Schema.Json | undefined = root
  for (const part of reference.split("/").slice(1)) {
    const key = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~")
    found =
      typeof found === "object" && found !== null && Object.hasOwn(found, key)
        ? (found as { readonly [key: string]: Schema.Json })[key]
        : undefined
  }
  return found ?? {}
}
