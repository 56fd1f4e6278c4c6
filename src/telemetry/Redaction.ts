import { mark, withoutCredentials } from "../domain/SecretText.ts"

export { mark }

/** Fields whose value is a secret by their name, compared without case, dashes and underscores. */
const secretNames =
  /^(?:(?:proxy)?authorization|(?:set)?cookie|.*(?:password|passwd|secret|token|apikey|accesskey|privatekey|credential|credentials|signature))$/

export const isSecretName = (name: string): boolean => secretNames.test(name.replace(/[-_.]/g, "").toLowerCase())

/**
 * Texts that are secrets by their shape: credentials in a URL, bearer and basic credentials, and what follows the name
 * of a secret in a query or a list of settings. Bounded: no pattern looks back over what it has read.
 */
const shapes: ReadonlyArray<readonly [RegExp, string]> = [
  [
    /\b([a-z_-]{0,40}(?:password|passwd|secret|token|api[-_]?key|access[-_]?key|signature))(["']?\s{0,3}[=:]\s{0,3}["']?)[^\s"'&,;}]{1,2000}/gi,
    `$1$2${mark}`
  ]
]

/** The text without what looks like a secret. */
export const text = (value: string): string =>
  shapes.reduce((left, [shape, put]) => left.replace(shape, put), withoutCredentials(value))

const depthMax = 8

/** A value for a log: secrets are replaced by their name or their shape, at any depth. */
export const deep = (value: unknown, depth = 0): unknown => {
  if (typeof value === "string") return text(value)
  if (typeof value !== "object" || value === null || depth >= depthMax) return value
  if (Array.isArray(value)) return value.map((item) => deep(item, depth + 1))
  if (value instanceof Error) return text(value.stack ?? value.message)
  if (Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, isSecretName(name) ? mark : deep(item, depth + 1)])
  )
}
