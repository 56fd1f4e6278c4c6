import { Result, type Schema } from "effect"
import { type Definition, DefinitionInvalid, shapeOf } from "./Definition.ts"
import { type Outline, type OutlineStep, outlineOf } from "./DefinitionOutline.ts"
import { parameterProblems } from "./GivenParameters.ts"
import * as Id from "./Id.ts"
import { listedProblems, pathText, type Problem } from "./JsonBounds.ts"
import { schemaProblems } from "./JsonSchemaCheck.ts"
import { partitionProblems } from "./PartitionCheck.ts"
import * as Template from "./Template.ts"

/**
 * Reads a workflow definition and judges it as a whole; `slug` is the one of its address. Fails with every fault there
 * is: those of the shape do not hide those of the whole, which is judged as far as it can be read.
 */
export const parse = (
  input: unknown,
  isKnownJob: (jobSlug: string) => boolean,
  slug?: string
): Result.Result<Definition, DefinitionInvalid> => {
  const { definition, problems: ofShape, source } = shapeOf(input, slug)
  const problems = [...ofShape, ...check(outlineOf(source), isKnownJob)]
  return definition === undefined || problems.length > 0
    ? Result.fail(new DefinitionInvalid({ problems: listedProblems(problems) }))
    : Result.succeed(definition)
}

/**
 * Every fault of a definition as a whole, that no single field shows: duplicate step ids, missing and circular
 * dependencies, jobs that `isKnownJob` does not know, assets made twice or consumed by their own step, templates that
 * cannot be read or name a step that need not have run, a schema that cannot be applied, defaults that break it,
 * partitions and a schedule that cannot be (`partitionProblems`).
 */
export const check = (outline: Outline, isKnownJob: (jobSlug: string) => boolean): ReadonlyArray<Problem> => [
  ...parameterProblems(outline),
  ...outline.steps.flatMap(({ path, produces }) =>
    produces.flatMap(({ schema }, position) =>
      schema === undefined ? [] : schemaProblems(schema, [...path, "produces", position, "schema"])
    )
  ),
  ...duplicateIds(outline.steps),
  ...unknownJobs(outline.steps, isKnownJob),
  ...dependencies(outline.steps),
  ...cycles(outline.steps),
  ...assets(outline.steps),
  ...templates(outline.steps),
  ...headers(outline.steps),
  ...partitionProblems(outline)
]

/** What no header can carry, whatever its templates become: each request would be refused before it is sent. */
const headers = (steps: ReadonlyArray<OutlineStep>): ReadonlyArray<Problem> =>
  steps.flatMap(({ headers }) =>
    headers.flatMap(({ path, text }) => {
      const [found] = /[^\t\x20-\x7e\x80-\xff]/u.exec(text.replace(/\{\{.*?\}\}/gs, "")) ?? []
      return found === undefined
        ? []
        : [problem(path, `must not hold ${JSON.stringify(found)}: a header is one line of Latin 1 characters`)]
    })
  )

const problem = (path: ReadonlyArray<PropertyKey>, message: string): Problem => ({ path: pathText(path), message })

const duplicateIds = (steps: ReadonlyArray<OutlineStep>): ReadonlyArray<Problem> => {
  const first = new Map<string, number>()
  return steps.flatMap(({ id }, index) => {
    const earlier = id === undefined ? undefined : first.get(id)
    if (id !== undefined && earlier === undefined) first.set(id, index)
    return earlier === undefined ? [] : [problem(["steps", index, "id"], `"${id}" is also the id of steps[${earlier}]`)]
  })
}

const unknownJobs = (steps: ReadonlyArray<OutlineStep>, isKnownJob: (jobSlug: string) => boolean) =>
  steps.flatMap(({ jobSlug, path }) =>
    jobSlug === undefined || isKnownJob(jobSlug)
      ? []
      : [problem([...path, "jobSlug"], `job "${jobSlug}" is not defined by the app`)]
  )

const dependencies = (steps: ReadonlyArray<OutlineStep>): ReadonlyArray<Problem> => {
  const ids = new Set(steps.map(({ id }) => id))
  return steps.flatMap(({ dependsOn, id }, index) =>
    dependsOn.flatMap((dependency, position) => {
      const path = ["steps", index, "dependsOn", position]
      if (dependency === undefined) return []
      if (dependency === id) return [problem(path, `step "${id}" depends on itself`)]
      return ids.has(dependency) ? [] : [problem(path, `step "${dependency}" does not exist`)]
    })
  )
}

/** The first of each id: a duplicate is a fault of its own. */
const stepsById = (steps: ReadonlyArray<OutlineStep>): ReadonlyMap<string, OutlineStep> => {
  const found = new Map<string, OutlineStep>()
  for (const step of steps) if (step.id !== undefined && !found.has(step.id)) found.set(step.id, step)
  return found
}

/** One problem a cycle, named by its steps in order: `a → b → a`. Self-dependencies are told by `dependencies`. */
const cycles = (steps: ReadonlyArray<OutlineStep>): ReadonlyArray<Problem> => {
  const byId = stepsById(steps)
  const done = new Set<string>()
  const found: Array<Problem> = []
  for (const start of byId.keys()) {
    // Depth first without recursion; each entry of the path keeps how many of its dependencies were followed.
    const path: Array<{ readonly id: string; next: number }> = done.has(start) ? [] : [{ id: start, next: 0 }]
    while (path.length > 0) {
      const current = path[path.length - 1]!
      const followed = byId.get(current.id)?.dependsOn ?? []
      const dependency = followed[current.next++]
      if (current.next > followed.length) {
        done.add(current.id)
        path.pop()
      } else if (
        dependency !== undefined &&
        dependency !== current.id &&
        byId.has(dependency) &&
        !done.has(dependency)
      ) {
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

const assets = (steps: ReadonlyArray<OutlineStep>): ReadonlyArray<Problem> => {
  const producers = new Map<string, string>()
  const nameOf = ({ id }: OutlineStep, index: number) => (id === undefined ? `steps[${index}]` : `step "${id}"`)
  const found: Array<Problem> = []
  for (const [index, step] of steps.entries()) {
    for (const [position, { assetId }] of step.produces.entries()) {
      if (assetId === undefined) continue
      const path = [...step.path, "produces", position, "assetId"]
      const earlier = producers.get(Id.assetKey(assetId))
      if (earlier === undefined) producers.set(Id.assetKey(assetId), nameOf(step, index))
      else found.push(problem(path, `asset "${assetId}" is already produced by ${earlier}`))
    }
    const own = new Set(step.produces.map(({ assetId = "" }) => Id.assetKey(assetId)))
    for (const [position, { assetId }] of step.consumes.entries()) {
      if (assetId !== undefined && own.has(Id.assetKey(assetId))) {
        found.push(
          problem(
            [...step.path, "consumes", position, "assetId"],
            `${nameOf(step, index)} consumes "${assetId}" and produces it`
          )
        )
      }
    }
  }
  return found
}

/** What a template names must have run before its step, on every path: only what the step depends on has. */
const templates = (steps: ReadonlyArray<OutlineStep>): ReadonlyArray<Problem> => {
  const byId = stepsById(steps)
  return steps.flatMap((step, index) => {
    let before: ReadonlySet<string> | undefined
    const stepFault = (stepId: string) => {
      if (!byId.has(stepId)) return `names step "${stepId}", which does not exist`
      before ??= ancestors(step, byId)
      return before.has(stepId)
        ? undefined
        : `names step "${stepId}", on which ${step.id === undefined ? `steps[${index}]` : `step "${step.id}"`} does not depend`
    }
    const found = (value: Schema.Json, path: ReadonlyArray<PropertyKey>, names: ReadonlyArray<string>) =>
      Template.problems(value, path, stepFault, new Set([...Template.roots, ...names]))
    return [
      ...found(step.parameters, [...step.path, "parameters"], step.names),
      ...step.templates.flatMap(({ names, path, value }) => found(value, path, names)),
      ...step.consumes.flatMap(({ partitionKey }, position) =>
        found(partitionKey, [...step.path, "consumes", position, "partitionKey"], step.names)
      )
    ]
  })
}

const ancestors = (step: OutlineStep, byId: ReadonlyMap<string, OutlineStep>): ReadonlySet<string> => {
  const found = new Set<string>()
  const open = [...step.dependsOn]
  while (open.length > 0) {
    const id = open.pop()!
    if (id === undefined || found.has(id)) continue
    found.add(id)
    open.push(...(byId.get(id)?.dependsOn ?? []))
  }
  return found
}
