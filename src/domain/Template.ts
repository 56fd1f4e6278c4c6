import { Result, Schema } from "effect"
import { pathText, type JsonObject, type Problem, reservedKeys } from "./JsonBounds.ts"

/** What every template may name; everything else is a fault of the definition, unless its place gives it more names. */
export const roots: ReadonlySet<string> = new Set(["run", "parameters", "steps", "trigger"])

/** Bounds of one template text, in characters, placeholders and path segments. */
const bounds = { textLengthMax: 100_000, placeholdersMax: 100, segmentsMax: 32 }

/** Bound of what one text may become, in characters: results of steps are large, and a text may repeat them. */
const renderedLengthMax = 1_048_576

/** Values by name: `run`, `parameters`, `steps`, `trigger`, and others where there are. Everything in it is JSON. */
export type Context = { readonly [root: string]: unknown }

/** A template that cannot be read, or names what is not there. `path` says where it stands, `expression` what it is. */
export class TemplateUnresolved extends Schema.TaggedError<TemplateUnresolved>()("TemplateUnresolved", {
  path: Schema.String,
  expression: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.path}: {{ ${this.expression} }} ${this.reason}`
  }
}

/** A placeholder: a path of own properties, or a literal text (`{{ "{{" }}` writes two braces). */
type Expression =
  | { readonly _tag: "Path"; readonly source: string; readonly segments: ReadonlyArray<string | number> }
  | { readonly _tag: "Literal"; readonly value: string }

export type Part = string | Expression

/**
 * Reads a text with placeholders such as `{{ run.partitionKey }}`, `{{ parameters.a.b }}`, `{{ steps.load.result[0] }}`
 * and `{{ trigger["type"] }}`. Fails with what is wrong and the expression in question; `}}` alone is plain text.
 * `names`: what may be named.
 */
export const parse = (
  text: string,
  names: ReadonlySet<string> = roots
): Result.Result<ReadonlyArray<Part>, { readonly expression: string; readonly reason: string }> => {
  const fault = (expression: string, reason: string) => Result.fail({ expression: expression.slice(0, 200), reason })
  if (text.length > bounds.textLengthMax && text.includes("{{")) {
    return fault("", `is in a text longer than ${bounds.textLengthMax} characters`)
  }
  const parts: Array<Part> = []
  let at = 0
  while (true) {
    const open = text.indexOf("{{", at)
    if (open < 0) break
    const literal = /^\s*("(?:[^"\\]|\\.)*")\s*\}\}/.exec(text.slice(open + 2, open + 2 + 1000))
    const close = literal === null ? text.indexOf("}}", open + 2) : open + 2 + literal[0].length - 2
    if (close < 0) return fault(text.slice(open + 2).trim(), "is not closed by }}")
    if (open > at) parts.push(text.slice(at, open))
    const source = text.slice(open + 2, close).trim()
    const expression = literal === null ? parsePath(source, names) : parseLiteral(literal[1]!)
    if (typeof expression === "string") return fault(source, expression)
    parts.push(expression)
    if (parts.length > bounds.placeholdersMax * 2)
      return fault(source, `is beyond ${bounds.placeholdersMax} placeholders`)
    at = close + 2
  }
  if (at < text.length || parts.length === 0) parts.push(text.slice(at))
  return Result.succeed(parts)
}

/** The text with its values; a text that is one placeholder alone keeps the value's type. `path` names it in errors. */
export const render = (
  text: string,
  context: Context,
  path: string
): Result.Result<Schema.Json, TemplateUnresolved> => {
  if (!text.includes("{{")) return Result.succeed(text)
  const parsed = parse(text, namesOf(context))
  if (Result.isFailure(parsed)) return Result.fail(new TemplateUnresolved({ path, ...parsed.failure }))
  const parts = parsed.success
  let rendered = ""
  for (const part of parts) {
    if (typeof part === "string") {
      rendered += part
      continue
    }
    const value = part._tag === "Literal" ? Result.succeed(part.value) : resolve(part, context, path)
    if (Result.isFailure(value)) return Result.fail(value.failure)
    if (parts.length === 1) return Result.succeed(value.success)
    rendered += typeof value.success === "string" ? value.success : JSON.stringify(value.success)
    if (rendered.length > renderedLengthMax) {
      const expression = part._tag === "Path" ? part.source : JSON.stringify(part.value)
      const reason = `makes the text longer than ${renderedLengthMax} characters`
      return Result.fail(new TemplateUnresolved({ path, expression, reason }))
    }
  }
  return Result.succeed(rendered)
}

/** A JSON value with every text in it rendered; keys are taken as they are. `path` is the value's own, for errors. */
export const renderDeep = (
  value: Schema.Json,
  context: Context,
  path: string
): Result.Result<Schema.Json, TemplateUnresolved> => {
  if (typeof value === "string") return render(value, context, path)
  if (typeof value !== "object" || value === null) return Result.succeed(value)
  if (Array.isArray(value)) {
    const items: Array<Schema.Json> = []
    for (const [index, item] of (value as ReadonlyArray<Schema.Json>).entries()) {
      const rendered = renderDeep(item, context, `${path}[${index}]`)
      if (Result.isFailure(rendered)) return rendered
      items.push(rendered.success)
    }
    return Result.succeed(items)
  }
  const entries: Array<readonly [string, Schema.Json]> = []
  for (const [key, item] of Object.entries(value as JsonObject)) {
    const rendered = renderDeep(item, context, `${path}.${key}`)
    if (Result.isFailure(rendered)) return rendered
    entries.push([key, rendered.success])
  }
  return Result.succeed(Object.fromEntries(entries))
}

/** What is there to be named besides `roots`, which are known even where they have no value. */
const namesOf = (context: Context): ReadonlySet<string> => {
  const more = Object.keys(context).filter((name) => !roots.has(name))
  return more.length === 0 ? roots : new Set([...roots, ...more])
}

/**
 * Every fault of the templates in `value` that can be seen without a run. `stepFault` judges a named step's id; `names`:
 * what may be named.
 */
export const problems = (
  value: Schema.Json,
  path: ReadonlyArray<PropertyKey>,
  stepFault: (stepId: string) => string | undefined,
  names: ReadonlySet<string> = roots
): ReadonlyArray<Problem> => {
  if (typeof value === "string") {
    const fault = (expression: string, reason: string) => [
      { path: pathText(path), message: `{{ ${expression} }} ${reason}` }
    ]
    const parsed = parse(value, names)
    if (Result.isFailure(parsed)) return fault(parsed.failure.expression, parsed.failure.reason)
    return parsed.success.flatMap((part) => {
      if (typeof part === "string" || part._tag === "Literal" || part.segments[0] !== "steps") return []
      const reason = part.segments.length < 2 ? "names no step" : stepFault(String(part.segments[1]))
      return reason === undefined ? [] : fault(part.source, reason)
    })
  }
  if (typeof value !== "object" || value === null) return []
  return Array.isArray(value)
    ? value.flatMap((item, index) => problems(item, [...path, index], stepFault, names))
    : Object.entries(value).flatMap(([key, item]) => problems(item, [...path, key], stepFault, names))
}

const parseLiteral = (source: string): Expression | string => {
  try {
    return { _tag: "Literal", value: String(JSON.parse(source)) }
  } catch (cause) {
    return `is not a JSON text: ${String(cause)}`
  }
}

const segmentPattern = /\.([A-Za-z0-9_$-]+)|\[(\d{1,9})\]|\["((?:[^"\\]|\\.)*)"\]/y

/** The path, or what is wrong with it. */
const parsePath = (source: string, names: ReadonlySet<string>): Expression | string => {
  if (source === "") return "is empty"
  const root = /^[A-Za-z][A-Za-z0-9_]*/.exec(source)?.[0] ?? ""
  if (!names.has(root)) return `must start with one of ${[...names].join(", ")}`
  const segments: Array<string | number> = [root]
  segmentPattern.lastIndex = root.length
  while (segmentPattern.lastIndex < source.length) {
    const at = segmentPattern.lastIndex
    const match = segmentPattern.exec(source)
    if (match === null) return `cannot be read at "${source.slice(at, at + 20)}"`
    const segment = match[1] ?? match[3] ?? Number(match[2])
    if (typeof segment === "string" && reservedKeys.has(segment)) return `names the reserved property "${segment}"`
    segments.push(segment)
    if (segments.length > bounds.segmentsMax) return `has more than ${bounds.segmentsMax} parts`
  }
  return { _tag: "Path", source, segments }
}

const resolve = (
  expression: Extract<Expression, { readonly _tag: "Path" }>,
  context: Context,
  path: string
): Result.Result<Schema.Json, TemplateUnresolved> => {
  let value: unknown = context
  for (const [index, segment] of expression.segments.entries()) {
    const found =
      typeof value === "object" && value !== null && Object.hasOwn(value, segment) && !isLength(value, segment)
    const next: unknown = found ? (value as { readonly [key: PropertyKey]: unknown })[segment] : undefined
    if (next === undefined) {
      const reason = `cannot be resolved: there is no ${pathText(expression.segments.slice(0, index + 1))}`
      return Result.fail(new TemplateUnresolved({ path, expression: expression.source, reason }))
    }
    value = next
  }
  return Result.succeed(value as Schema.Json)
}

/** `length` is an own property of arrays, but no part of their JSON. */
const isLength = (value: object, segment: string | number) => Array.isArray(value) && segment === "length"
