import type { Schema } from "effect"
import { isObject, pathText } from "./JsonBounds.ts"

/** One place where two JSON values differ. `path` is readable (`rows[0].id`, "" for the whole). */
export interface Difference {
  readonly path: string
  readonly op: "added" | "removed" | "changed"
  readonly before?: Schema.Json
  readonly after?: Schema.Json
}

export interface Diff {
  readonly differences: ReadonlyArray<Difference>
  /** There are more than are listed. */
  readonly truncated: boolean
}

/** Differences that one diff lists. */
const listedMax = 1_000

/**
 * What differs between two JSON values, object by object and item by item, in the order of the first one's keys; an
 * undefined value is one that is not there. Items of lists are compared by their place.
 */
export const diff = (before: Schema.Json | undefined, after: Schema.Json | undefined): Diff => {
  const differences: Array<Difference> = []
  walk(before, after, [], differences)
  return { differences: differences.slice(0, listedMax), truncated: differences.length > listedMax }
}

const walk = (
  before: Schema.Json | undefined,
  after: Schema.Json | undefined,
  path: ReadonlyArray<PropertyKey>,
  found: Array<Difference>
): void => {
  // One more than is listed says that there are more.
  if (found.length > listedMax || before === after) return
  if (before === undefined || after === undefined) {
    const at = { path: pathText(path) }
    if (after !== undefined) found.push({ ...at, op: "added", after })
    if (before !== undefined) found.push({ ...at, op: "removed", before })
    return
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    const length = Math.max(before.length, after.length)
    for (let index = 0; index < length; index++) walk(before[index], after[index], [...path, index], found)
    return
  }
  if (isObject(before) && isObject(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      walk(ownOf(before, key), ownOf(after, key), [...path, key], found)
    }
    return
  }
  found.push({ path: pathText(path), op: "changed", before, after })
}

const ownOf = (value: { readonly [key: string]: Schema.Json }, key: string): Schema.Json | undefined =>
  Object.hasOwn(value, key) ? value[key] : undefined
