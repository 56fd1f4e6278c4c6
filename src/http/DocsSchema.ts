/** A JSON Schema, as far as the OpenAPI document uses it. */
export interface JsonSchema {
  readonly $ref?: string
  readonly type?: string | ReadonlyArray<string>
  readonly enum?: ReadonlyArray<unknown>
  readonly const?: unknown
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: ReadonlyArray<string>
  readonly items?: JsonSchema | false
  readonly anyOf?: ReadonlyArray<JsonSchema>
  readonly oneOf?: ReadonlyArray<JsonSchema>
  readonly allOf?: ReadonlyArray<JsonSchema>
  readonly additionalProperties?: JsonSchema | boolean
  readonly description?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly maxItems?: number
}

export const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)

/** The name under which a schema stands in the document, without what the encoder adds. */
export const nameOf = (ref: string): string => ref.replace(/^.*\//, "").replace(/Encoded$/, "")

/** A schema in a line or a block, as TypeScript writes types; named ones are links. HTML. */
export const typeOf = (schema: JsonSchema | undefined, depth = 0): string => {
  if (schema === undefined) return "unknown"
  if (schema.$ref !== undefined) {
    const name = escape(nameOf(schema.$ref))
    return `<a href="#schema-${name}">${name}</a>`
  }
  if (schema.const !== undefined) return escape(JSON.stringify(schema.const))
  if (schema.enum !== undefined) return schema.enum.map((value) => escape(JSON.stringify(value))).join(" | ")
  const choices = schema.anyOf ?? schema.oneOf
  if (choices !== undefined) return [...new Set(choices.map((choice) => typeOf(choice, depth)))].join(" | ")
  if (schema.properties !== undefined) return objectOf(schema, schema.properties, depth)
  if (schema.type === "array") return `Array&lt;${typeOf(schema.items === false ? undefined : schema.items, depth)}&gt;`
  if (schema.type === "object") {
    const { additionalProperties: values } = schema
    return `{ [key]: ${typeof values === "object" ? typeOf(values, depth) : "unknown"} }`
  }
  if (schema.allOf !== undefined && schema.type === undefined) {
    return schema.allOf.map((part) => typeOf(part, depth)).join(" &amp; ")
  }
  const type = typeof schema.type === "string" ? schema.type : (schema.type?.join(" | ") ?? "unknown")
  return `${escape(type)}${boundsOf(schema)}`
}

const objectOf = (schema: JsonSchema, properties: Readonly<Record<string, JsonSchema>>, depth: number): string => {
  const names = Object.keys(properties)
  if (names.length === 0) return "{}"
  const indent = "  ".repeat(depth + 1)
  const lines = names.map((name) => {
    const mark = schema.required?.includes(name) === true ? "" : "?"
    return `${indent}${escape(name)}${mark}: ${typeOf(properties[name], depth + 1)}`
  })
  return `{\n${lines.join("\n")}\n${"  ".repeat(depth)}}`
}

/** Bounds stand in the schema itself or in the parts that were added to it. */
const boundsOf = (schema: JsonSchema): string => {
  const all = [schema, ...(schema.allOf ?? [])]
  const find = (name: "minimum" | "maximum" | "minLength" | "maxLength") =>
    all.map((part) => part[name]).find((value) => value !== undefined)
  const [minimum, maximum, minLength, maxLength] = [
    ...[find("minimum"), find("maximum"), find("minLength"), find("maxLength")]
  ]
  if (minimum !== undefined || maximum !== undefined) return ` (${minimum ?? "…"} to ${maximum ?? "…"})`
  if (maxLength !== undefined) return ` (${minLength ?? 0} to ${maxLength} characters)`
  return ""
}
