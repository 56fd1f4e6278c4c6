import type { Schema } from "effect"
import type { JsonObject } from "../../domain/JsonBounds.ts"

/** Values of one request that must not be seen again, and what is shown in their place. */
export interface Secrets {
  readonly hides: (text: string) => string
  /** A JSON value with every text in it, keys too, hidden. */
  readonly hidesDeep: (value: Schema.Json) => Schema.Json
}

/** `values`: by the name of the variable. A service may send back what it was sent, also in another notation. */
export const make = (values: ReadonlyMap<string, string>): Secrets => {
  const forms = [...values]
    .flatMap(([name, value]) =>
      [
        value,
        encodeURIComponent(value),
        JSON.stringify(value).slice(1, -1),
        Buffer.from(value).toString("base64"),
        Buffer.from(value).toString("base64url"),
        Buffer.from(value).toString("hex")
      ].map((form) => [form, `[secret ${name}]`] as const)
    )
    // The longer first: one value may be a part of another.
    .sort(([left], [right]) => right.length - left.length)
  const hides = (text: string) => forms.reduce((shown, [form, name]) => shown.replaceAll(form, name), text)
  const hidesDeep = (value: Schema.Json): Schema.Json => {
    if (typeof value === "string") return hides(value)
    // A number is as good a place for a PIN as a text.
    if (typeof value === "number") return hides(String(value)) === String(value) ? value : hides(String(value))
    if (typeof value !== "object" || value === null) return value
    return Array.isArray(value)
      ? (value as ReadonlyArray<Schema.Json>).map(hidesDeep)
      : Object.fromEntries(Object.entries(value as JsonObject).map(([key, item]) => [hides(key), hidesDeep(item)]))
  }
  return forms.length === 0 ? { hides: (text) => text, hidesDeep: (value) => value } : { hides, hidesDeep }
}
