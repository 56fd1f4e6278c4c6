import type { Schema } from "effect"
import { isObject, pathText, type Problem } from "./JsonBounds.ts"

/**
 * The settings of a definition that nothing would act on yet: each is refused by name, whatever else is wrong with it
 * or beside it (F87). Their shape is judged by the definition's schema, so that the right values are learnt now.
 */
export const laterProblems = (source: Schema.Json): ReadonlyArray<Problem> => {
  const found: Array<Problem> = []
  const later = (path: ReadonlyArray<PropertyKey>, setting: string, release: string) =>
    found.push({
      path: pathText(path),
      message: `"${setting}" is not supported yet: it comes with the ${release} release; remove it`
    })
  if (!isObject(source)) return found
  if (source.schedule !== undefined) later(["schedule"], "schedule", "scheduling")
  for (const [stepPath, step] of items(source.steps, ["steps"])) {
    for (const [path, asset] of items(step.produces, [...stepPath, "produces"])) {
      if (asset.freshness !== undefined) later([...path, "freshness"], "freshness", "asset-freshness")
      if (asset.autoMaterialize !== undefined) {
        later([...path, "autoMaterialize"], "autoMaterialize", "auto-materialization")
      }
      const type = isObject(asset.partitioning) ? asset.partitioning.type : undefined
      if (type === "timeWindow") later([...path, "partitioning"], type, "time-window partitions")
      if (type === "dynamic") later([...path, "partitioning"], type, "dynamic partitions")
    }
    for (const [path, input] of items(step.consumes, [...stepPath, "consumes"])) {
      if (isObject(input.partitions)) later([...path, "partitions"], "partitions.last", "time-window partitions")
      if (input.maxAgeMs !== undefined) later([...path, "maxAgeMs"], "maxAgeMs", "asset-freshness")
    }
  }
  return found
}

/** The objects of a list, each with its path. */
const items = (value: Schema.Json | undefined, path: ReadonlyArray<PropertyKey>) =>
  Array.isArray(value)
    ? value.flatMap((item, index) => (isObject(item) ? [[[...path, index], item] as const] : []))
    : []
