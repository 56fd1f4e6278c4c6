import type { Definition, StepDefinition } from "./Definition.ts"
import * as Id from "./Id.ts"
import { pathText, type Problem } from "./JsonBounds.ts"
import { schemaProblems } from "./JsonSchemaCheck.ts"
import * as Template from "./Template.ts"

/**
 * Every fault of a definition as a whole, that no single field shows: duplicate step ids, missing and circular
 * dependencies, jobs that `isKnownJob` does not know, assets made twice or consumed by their own step, templates that
 * cannot be read or name a step that need not have run, a parameters schema that cannot be applied.
 */
export const check = (
  definition: Pick<Definition, "steps" | "parametersSchema">,
  isKnownJob: (jobSlug: string) => boolean
): ReadonlyArray<Problem> => [
  ...(definition.parametersSchema === undefined
    ? []
    : schemaProblems(definition.parametersSchema, ["parametersSchema"])),
  ...definition.steps.flatMap(({ produces }, step) =>
    produces.flatMap(({ schema }, position) =>
      schema === undefined ? [] : schemaProblems(schema, ["steps", step, "produces", position, "schema"])
    )
  ),
  ...duplicateIds(definition.steps),
  ...unknownJobs(definition.steps, isKnownJob),
  ...dependencies(definition.steps),
  ...cycles(definition.steps),
  ...assets(definition.steps),
  ...templates(definition.steps)
]

const problem = (path: ReadonlyArray<PropertyKey>, message: string): Problem => ({ path: pathText(path), message })

const duplicateIds = (steps: ReadonlyArray<StepDefinition>): ReadonlyArray<Problem> => {
  const first = new Map<string, number>()
  return steps.flatMap(({ id }, index) => {
    const earlier = first.get(id)
    if (earlier === undefined) first.set(id, index)
    return earlier === undefined ? [] : [problem(["steps", index, "id"], `"${id}" is also the id of steps[${earlier}]`)]
  })
}

const unknownJobs = (steps: ReadonlyArray<StepDefinition>, isKnownJob: (jobSlug: string) => boolean) =>
  steps.flatMap(({ jobSlug }, index) =>
    isKnownJob(jobSlug) ? [] : [problem(["steps", index, "jobSlug"], `job "${jobSlug}" is not defined by the app`)]
  )

const dependencies = (steps: ReadonlyArray<StepDefinition>): ReadonlyArray<Problem> => {
  const ids = new Set(steps.map(({ id }) => id))
  return steps.flatMap(({ dependsOn, id }, index) =>
    dependsOn.flatMap((dependency, position) => {
      const path = ["steps", index, "dependsOn", position]
      if (dependency === id) return [problem(path, `step "${id}" depends on itself`)]
      return ids.has(dependency) ? [] : [problem(path, `step "${dependency}" does not exist`)]
    })
  )
}

/** One problem a cycle, named by its steps in order: `a → b → a`. Self-dependencies are told by `dependencies`. */
const cycles = (steps: ReadonlyArray<StepDefinition>): ReadonlyArray<Problem> => {
  const byId = new Map(steps.map((step) => [step.id, step]))
  const done = new Set<string>()
  const found: Array<Problem> = []
  for (const { id: start } of steps) {
    // Depth first without recursion; each entry of the path keeps how many of its dependencies were followed.
    const path: Array<{ readonly id: string; next: number }> = done.has(start) ? [] : [{ id: start, next: 0 }]
    while (path.length > 0) {
      const current = path[path.length - 1]!
      const dependency = byId.get(current.id)?.dependsOn[current.next++]
      if (dependency === undefined) {
        done.add(current.id)
        path.pop()
      } else if (dependency !== current.id && byId.has(dependency) && !done.has(dependency)) {
        const from = path.findIndex(({ id }) => id === dependency)
        if (from < 0) path.push({ id: dependency, next: 0 })
        else {
          const names = [...path.slice(from).map(({ id }) => id), dependency]
          found.push(problem(["steps"], `steps depend on each other in a cycle: ${names.join(" → ")}`))
        }
      }
    }
  }
  return found
}

const assets = (steps: ReadonlyArray<StepDefinition>): ReadonlyArray<Problem> => {
  const producers = new Map<string, string>()
  const found: Array<Problem> = []
  for (const [index, step] of steps.entries()) {
    for (const [position, { assetId }] of step.produces.entries()) {
      const path = ["steps", index, "produces", position, "assetId"]
      const earlier = producers.get(Id.assetKey(assetId))
      if (earlier === undefined) producers.set(Id.assetKey(assetId), step.id)
      else found.push(problem(path, `asset "${assetId}" is already produced by step "${earlier}"`))
    }
    const own = new Set(step.produces.map(({ assetId }) => Id.assetKey(assetId)))
    for (const [position, { assetId }] of step.consumes.entries()) {
      if (own.has(Id.assetKey(assetId))) {
        found.push(
          problem(
            ["steps", index, "consumes", position, "assetId"],
            `step "${step.id}" consumes "${assetId}" and produces it`
          )
        )
      }
    }
  }
  return found
}

/** What a template names must have run before its step, on every path: only what the step depends on has. */
const templates = (steps: ReadonlyArray<StepDefinition>): ReadonlyArray<Problem> => {
  const byId = new Map(steps.map((step) => [step.id, step]))
  return steps.flatMap((step, index) => {
    let before: ReadonlySet<string> | undefined
    const stepFault = (stepId: string) => {
      if (!byId.has(stepId)) return `names step "${stepId}", which does not exist`
      before ??= ancestors(step, byId)
      return before.has(stepId) ? undefined : `names step "${stepId}", on which step "${step.id}" does not depend`
    }
    return [
      ...Template.problems(step.parameters, ["steps", index, "parameters"], stepFault),
      ...step.consumes.flatMap(({ partitionKey }, position) =>
        Template.problems(partitionKey, ["steps", index, "consumes", position, "partitionKey"], stepFault)
      )
    ]
  })
}

const ancestors = (step: StepDefinition, byId: ReadonlyMap<string, StepDefinition>): ReadonlySet<string> => {
  const found = new Set<string>()
  const open = [...step.dependsOn]
  while (open.length > 0) {
    const id = open.pop()!
    if (found.has(id)) continue
    found.add(id)
    open.push(...(byId.get(id)?.dependsOn ?? []))
  }
  return found
}
