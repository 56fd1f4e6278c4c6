import type { Schema } from "effect"
import { isObject, type JsonObject, pathText, type Problem } from "./JsonBounds.ts"

/** How many entries each list of a definition may have. */
export const stepsMax = 500
export const dependsOnMax = 500
export const producesMax = 100
export const consumesMax = 100
export const partitionKeysMax = 10_000

/** A definition without what its lists have beyond their maximum, and one problem for each list that was cut. */
export interface Shortened {
  readonly source: Schema.Json
  readonly problems: ReadonlyArray<Problem>
}

/** A list that is too long is told by its length alone: what lies beyond its maximum is not judged. */
export const shortened = (source: Schema.Json): Shortened => {
  const problems: Array<Problem> = []
  const listIn = (
    holder: JsonObject,
    name: string,
    maximum: number,
    path: ReadonlyArray<PropertyKey>,
    each: (item: Schema.Json, path: ReadonlyArray<PropertyKey>) => Schema.Json = (item) => item
  ): JsonObject => {
    const list = holder[name]
    if (!Array.isArray(list)) return holder
    if (list.length > maximum) {
      problems.push({
        path: pathText([...path, name]),
        message: `must list at most ${maximum} entries, not ${list.length}; those beyond are not judged`
      })
    }
    return { ...holder, [name]: list.slice(0, maximum).map((item, index) => each(item, [...path, name, index])) }
  }
  const asset = (value: Schema.Json, path: ReadonlyArray<PropertyKey>) =>
    isObject(value) && isObject(value.partitioning)
      ? { ...value, partitioning: listIn(value.partitioning, "keys", partitionKeysMax, [...path, "partitioning"]) }
      : value
  const step = (value: Schema.Json, path: ReadonlyArray<PropertyKey>) => {
    if (!isObject(value)) return value
    const named = listIn(value, "dependsOn", dependsOnMax, path)
    return listIn(listIn(named, "produces", producesMax, path, asset), "consumes", consumesMax, path)
  }
  const short = isObject(source) ? listIn(source, "steps", stepsMax, [], step) : source
  // Without a cut the very same value, so that what is known of its parts stays known.
  return problems.length === 0 ? { source, problems } : { source: short, problems }
}
