import { Result, type Schema } from "effect"

/** One fault of an input: where (`steps[0].retryPolicy.foo`, "" for the whole) and what is wrong there. */
export interface Problem {
  readonly path: string
  readonly message: string
}

/** Problems that one answer lists. */
export const problemsMax = 1_000

/** At most `problemsMax` of them, and a last line that counts the rest. */
export const listedProblems = (problems: ReadonlyArray<Problem>): ReadonlyArray<Problem> =>
  problems.length <= problemsMax
    ? problems
    : [
        ...problems.slice(0, problemsMax),
        {
          path: "",
          message: `has ${problems.length - problemsMax} more problems than the ${problemsMax} that are listed`
        }
      ]

export type JsonObject = { readonly [key: string]: Schema.Json }

/** Whether a JSON value is an object, and no list. */
export const isObject = (value: Schema.Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** How deep objects and arrays may be nested: more is a mistake or an attack on whatever walks them. */
export const depthMax = 64

/** Names that mean something to JavaScript itself and so are never accepted as a key nor resolved in a path. */
export const reservedKeys: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"])

/** The readable form of a path: `steps[0].retryPolicy.foo`. Keys that are no plain words are quoted. */
export const pathText = (path: ReadonlyArray<PropertyKey>): string => {
  let text = ""
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`
    else if (/^[A-Za-z_$][\w$-]*$/.test(String(part))) text += text === "" ? String(part) : `.${String(part)}`
    else text += `[${JSON.stringify(String(part))}]`
  }
  return text
}

/**
 * A plain copy of `input` that is JSON, and every reason why it could not be one: functions and other values that JSON
 * has no word for, numbers that are not finite, NUL characters (Postgres refuses them), reserved keys, nesting deeper
 * than `depthMax`. Keys whose value is `undefined` are left out, as `JSON.stringify` does.
 */
export const jsonCopy = (
  input: unknown
): { readonly value: Schema.Json; readonly problems: ReadonlyArray<Problem> } => {
  const problems: Array<Problem> = []
  const value = copy(input, [], problems)
  return { value, problems }
}

const copy = (input: unknown, path: ReadonlyArray<PropertyKey>, problems: Array<Problem>): Schema.Json => {
  const refuse = (message: string): null => {
    problems.push({ path: pathText(path), message })
    return null
  }
  switch (typeof input) {
    case "string":
      return input.includes("\u0000") ? refuse("must not contain the NUL character") : input
    case "number":
      return Number.isFinite(input) ? input : refuse(`must be a finite number, not ${input}`)
    case "boolean":
      return input
    case "object":
      break
    default:
      return refuse(`must be JSON, not ${typeof input === "undefined" ? "undefined" : `a ${typeof input}`}`)
  }
  if (input === null) return null
  if (path.length >= depthMax) return refuse(`is nested deeper than ${depthMax} levels`)
  if (Array.isArray(input)) return input.map((item, index) => copy(item, [...path, index], problems))
  const prototype = Object.getPrototypeOf(input)
  // A prototype of another realm (a module loaded in a worker or a test) is still a plain object's.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    return refuse(`must be JSON, not an instance of ${input.constructor?.name ?? "a class"}`)
  }
  const out: { [key: string]: Schema.Json } = {}
  for (const [key, item] of Object.entries(input)) {
    if (item === undefined) continue
    const at = [...path, key]
    if (reservedKeys.has(key)) problems.push({ path: pathText(at), message: "is a reserved name" })
    else if (key.includes("\u0000"))
      problems.push({ path: pathText(at), message: "must not contain the NUL character" })
    else out[key] = copy(item, at, problems)
  }
  return out
}

/**
 * The JSON text of a value, as `JSON.stringify` writes it, or why it has none that can be stored and where: a bigint, a
 * value that contains itself, a NUL character, nesting deeper than `depthMax`, a `toJSON` or getter that throws.
 */
export const jsonText = (input: unknown): Result.Result<string, Problem> => {
  /** The objects from the root to the one that is being written, each with its key in the one before. */
  const open: Array<{ readonly value: unknown; readonly key: PropertyKey }> = []
  let at: ReadonlyArray<PropertyKey> = []
  const refuse = (message: string): never => {
    throw new Unwritable(message)
  }
  const write = function (this: unknown, key: string, value: unknown): unknown {
    while (open.length > 0 && open[open.length - 1]!.value !== this) open.pop()
    const name = Array.isArray(this) ? Number(key) : key
    at = open.length === 0 ? [] : [...open.slice(1).map((entry) => entry.key), name]
    if (key.includes("\u0000")) refuse("must not contain the NUL character")
    if (typeof value === "bigint") refuse("must be JSON, not a bigint")
    if (typeof value === "string" && value.includes("\u0000")) refuse("must not contain the NUL character")
    if (typeof value !== "object" || value === null) return value
    const same = open.findIndex((entry) => entry.value === value)
    if (same >= 0) {
      const where = pathText(open.slice(1, same + 1).map((entry) => entry.key))
      refuse(`must not contain itself: it is ${where === "" ? "the whole" : where}`)
    }
    if (open.length >= depthMax) refuse(`is nested deeper than ${depthMax} levels`)
    open.push({ value, key: name })
    return value
  }
  try {
    const text: string | undefined = JSON.stringify(input, write)
    return text === undefined
      ? Result.fail({
          path: "",
          message: `must be JSON, not ${typeof input === "undefined" ? "undefined" : `a ${typeof input}`}`
        })
      : Result.succeed(text)
  } catch (cause) {
    const message = cause instanceof Unwritable ? cause.message : `cannot be written as JSON: ${textOf(cause)}`
    return Result.fail({ path: pathText(at), message })
  }
}

class Unwritable extends Error {}

const textOf = (cause: unknown): string => {
  try {
    return cause instanceof Error ? cause.message : String(cause)
  } catch {
    return "what it threw cannot be read"
  }
}

/** JSON text with sorted keys: equal for equal content, whatever the order in which it was written. */
export const canonicalJson = (value: Schema.Json): string =>
  JSON.stringify(value, (_, item: Schema.Json) =>
    typeof item === "object" && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([left], [right]) => (left < right ? -1 : 1)))
      : item
  )
