import type { Schema } from "effect"
import type { JsonObject } from "../domain/JsonBounds.ts"
import { bytesPerByteMax, formsOf, readings } from "./SecretForms.ts"

/** Values of one request that must not be seen again, and what is shown in their place. */
export interface Secrets {
  readonly hides: (text: string) => string
  /**
   * The first `length` UTF-16 units of a text, with what begins in them hidden to its end. The text has to go on for
   * `lengthMax` more, or to its own end; what is left of a secret where it begins or ends is hidden as well.
   */
  readonly excerpt: (text: string, length: number) => string
  /** A JSON value with every text in it, keys too, hidden. */
  readonly hidesDeep: (value: Schema.Json) => Schema.Json
  /** Longest text that a secret may have become, in bytes. */
  readonly lengthMax: number
}

/** Shortest beginning or end of a secret that is hidden where a text was cut, in bytes. */
const remainderMin = 4

interface Span {
  readonly from: number
  readonly to: number
  readonly name: string
}

/** `values`: each after the name that is shown in its place, as that of its variable. A service may send back what it was sent, also in another notation. */
export const make = (values: Iterable<readonly [name: string, value: string]>): Secrets => {
  const given = [...values]
  const secrets = given.flatMap(([name, value]) => formsOf(value).map((form) => ({ name, form })))
  const lengthMax = Math.max(0, ...given.map(([, value]) => Buffer.byteLength(value))) * bytesPerByteMax

  const spansOf = (text: string, isCut: boolean): ReadonlyArray<Span> => {
    const spans: Array<Span> = []
    for (const { bytes, starts } of readings(text)) {
      const add = (name: string, from: number, to: number) => {
        // An escape stands for one byte or several: it is hidden whole.
        const begin = starts[from]!
        let end = to
        while (end < bytes.length && starts[end] === starts[to - 1]) end++
        spans.push({ from: begin, to: starts[end]!, name })
      }
      for (const { form, name } of secrets) {
        for (let at = bytes.indexOf(form); at >= 0; at = bytes.indexOf(form, at + 1)) add(name, at, at + form.length)
        if (!isCut) continue
        const longest = Math.min(form.length - 1, bytes.length)
        for (let length = longest; length >= remainderMin; length--) {
          if (!bytes.endsWith(form.slice(0, length))) continue
          add(name, bytes.length - length, bytes.length)
          break
        }
        for (let length = longest; length >= remainderMin; length--) {
          if (!bytes.startsWith(form.slice(-length))) continue
          add(name, 0, length)
          break
        }
      }
    }
    return spans.sort((left, right) => left.from - right.from || right.to - left.to)
  }

  const shown = (text: string, length: number, isCut: boolean): string => {
    const parts: Array<string> = []
    let next = 0
    for (const { from, name, to } of spansOf(text, isCut)) {
      if (from >= length) break
      if (to <= next) continue
      // What overlaps the one before is hidden with it.
      if (from >= next) parts.push(text.slice(next, from), `[secret ${name}]`)
      next = to
    }
    return parts.join("") + text.slice(next, Math.max(next, length))
  }

  const shortest = Math.min(...secrets.map(({ form }) => form.length))
  const isNumeric = secrets.some(({ form }) => /^[\d.e+-]+$/.test(form))
  // No escape makes a text shorter than what it stands for.
  const hides = (text: string) => (Buffer.byteLength(text) < shortest ? text : shown(text, text.length, false))
  const hidesDeep = (value: Schema.Json): Schema.Json => {
    if (typeof value === "string") return hides(value)
    // A number is as good a place for a PIN as a text.
    if (typeof value === "number") {
      const text = isNumeric ? hides(String(value)) : String(value)
      return text === String(value) ? value : text
    }
    if (typeof value !== "object" || value === null) return value
    return Array.isArray(value)
      ? (value as ReadonlyArray<Schema.Json>).map(hidesDeep)
      : Object.fromEntries(Object.entries(value as JsonObject).map(([key, item]) => [hides(key), hidesDeep(item)]))
  }
  return secrets.length === 0
    ? {
        hides: (text) => text,
        excerpt: (text, length) => text.slice(0, length),
        hidesDeep: (value) => value,
        lengthMax
      }
    : { hides, excerpt: (text, length) => shown(text, length, true), hidesDeep, lengthMax }
}
