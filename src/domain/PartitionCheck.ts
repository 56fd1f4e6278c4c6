import { Result } from "effect"
import type { Partitioning } from "./Definition.ts"
import type { Outline } from "./DefinitionOutline.ts"
import * as Id from "./Id.ts"
import { pathText, type Problem } from "./JsonBounds.ts"
import { scheduleFault } from "./Occurrences.ts"
import { mappingFault } from "./PartitionMapping.ts"
import * as TimeWindow from "./TimeWindow.ts"

/**
 * What a definition says about partitions and time that cannot be: windows without a zone or with a format that does
 * not name them, a `partitionKey` that nothing would look at, a schedule that never comes or cannot know its partition,
 * partitioned assets that no run can make together.
 */
export const partitionProblems = (outline: Outline): ReadonlyArray<Problem> => [
  ...windows(outline),
  ...mappings(outline),
  ...schedules(outline),
  ...keysInCommon(outline)
]

const problem = (path: ReadonlyArray<PropertyKey>, message: string): Problem => ({ path: pathText(path), message })

interface Partitioned {
  readonly name: string
  readonly path: ReadonlyArray<PropertyKey>
  readonly partitioning: Partitioning
}

const partitioned = ({ steps }: Outline): ReadonlyArray<Partitioned> =>
  steps.flatMap(({ produces }, step) =>
    produces.flatMap(({ assetId, partitioning }, position) => {
      const path = ["steps", step, "produces", position, "partitioning"]
      return partitioning === undefined ? [] : [{ name: assetId ?? pathText(path), path, partitioning }]
    })
  )

const specProblems = (partitioning: Partitioning): ReadonlyArray<Problem> =>
  partitioning.type === "timeWindow" ? TimeWindow.specProblems(partitioning) : []

const windows = (outline: Outline): ReadonlyArray<Problem> =>
  partitioned(outline).flatMap(({ partitioning, path }) =>
    specProblems(partitioning).map((fault) => problem([...path, fault.path], fault.message))
  )

const mappings = ({ steps }: Outline): ReadonlyArray<Problem> =>
  steps.flatMap(({ consumes }, step) =>
    consumes.flatMap(({ partitionKey, partitions }, position) => {
      const fault = partitions === undefined ? undefined : mappingFault({ partitionKey, partitions })
      return fault === undefined ? [] : [problem(["steps", step, "consumes", position, "partitionKey"], fault)]
    })
  )

const schedules = (outline: Outline): ReadonlyArray<Problem> => {
  const { schedule } = outline
  if (schedule === undefined) return []
  const fault = scheduleFault(schedule)
  const problems = fault === undefined ? [] : [problem(["schedule"], fault)]
  const windowed = partitioned(outline).some(({ partitioning }) => partitioning.type === "timeWindow")
  if (schedule.window === "previous" && !windowed) {
    problems.push(
      problem(
        ["schedule", "window"],
        '"previous" is only for a workflow that produces an asset with "timeWindow" partitions'
      )
    )
  }
  const dynamic = partitioned(outline).find(({ partitioning }) => partitioning.type === "dynamic")
  if (dynamic !== undefined) {
    const why = `asset ${dynamic.name} (${pathText(dynamic.path)}) has "dynamic" partitions, whose keys no clock can know`
    problems.push(problem(["schedule"], `is not possible: ${why}; use "static" or "timeWindow" partitions`))
  }
  return problems
}

/** One run has one key: it has to be a partition of everything that the workflow makes. */
const keysInCommon = (outline: Outline): ReadonlyArray<Problem> => {
  const [first, ...others] = partitioned(outline)
  if (first === undefined) return []
  const fixed = new Map<string, Partitioned>([[first.partitioning.type, first]])
  const problems: Array<Problem> = []
  let common = keysOf(first.partitioning)
  for (const other of others) {
    const { name, partitioning, path } = other
    const refuse = (than: Partitioned, why: string) =>
      problems.push(problem(path, `of asset ${name} has no key in common with that of asset ${than.name}: ${why}`))
    const windowed = fixed.get("timeWindow")
    const listed = fixed.get("static")
    if (partitioning.type === "timeWindow" && windowed !== undefined) {
      const why = windowsDiffer(windowed.partitioning, partitioning)
      if (why !== undefined) refuse(windowed, why)
    }
    if (partitioning.type === "static" && listed !== undefined) {
      const left = common.filter((key) => keysOf(partitioning).includes(key))
      if (left.length === 0) refuse(listed, "both list keys, and no key is in both lists")
      else common = left
    }
    if (partitioning.type === "static" && windowed !== undefined && noneIsWindow(windowed.partitioning, partitioning)) {
      refuse(windowed, "none of its keys names one of those windows")
    }
    if (partitioning.type === "timeWindow" && listed !== undefined && noneIsWindow(partitioning, listed.partitioning)) {
      refuse(listed, "none of those keys names one of its windows")
    }
    if (!fixed.has(partitioning.type)) {
      fixed.set(partitioning.type, other)
      if (partitioning.type === "static" && listed === undefined) common = keysOf(partitioning)
    }
  }
  return problems
}

const keysOf = (partitioning: Partitioning): ReadonlyArray<string> =>
  partitioning.type === "static" ? partitioning.keys.map(Id.partitionKey) : []

const windowsDiffer = (one: Partitioning, other: Partitioning): string | undefined => {
  if (one.type !== "timeWindow" || other.type !== "timeWindow") return undefined
  if (specProblems(one).length + specProblems(other).length > 0) return undefined
  // The key of one instant's window, in either's words: what one calls a window the other has to know.
  const { key } = TimeWindow.windowAt(one, exampleMs)
  const known = TimeWindow.windowOf(other, key)
  return Result.isSuccess(known) ? undefined : `${JSON.stringify(key)} ${known.failure}`
}

const noneIsWindow = (spec: Partitioning, listed: Partitioning): boolean =>
  spec.type === "timeWindow" &&
  listed.type === "static" &&
  specProblems(spec).length === 0 &&
  !listed.keys.some((key) => Result.isSuccess(TimeWindow.windowOf(spec, key)))

/** 2026-03-30T00:00Z: the beginning of a minute, an hour, a day and a week, but of no month. */
const exampleMs = 1_774_828_800_000
