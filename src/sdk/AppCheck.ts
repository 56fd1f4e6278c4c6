import { Result, Schema } from "effect"
import { type StoreConfigs, StoreConfigs as StoreConfigsSchema } from "../capabilities/StoreConfig.ts"
import { type Definition, faultText, parseDefinition, problemsOf, Slug } from "../domain/Definition.ts"
import * as DefinitionCheck from "../domain/DefinitionCheck.ts"
import type { Problem } from "../domain/JsonBounds.ts"
import type { DefinedApp } from "./App.ts"
import type { Job } from "./Job.ts"

/** An app whose parts are known to fit together, with the defaults filled in. */
export interface CheckedApp {
  readonly stores: StoreConfigs
  /** By slug, in the order of the app. */
  readonly jobs: ReadonlyMap<string, Job>
  readonly workflows: ReadonlyArray<Definition>
  /** `store` is undefined when the app has several stores and names none: the timestore then cannot be used. */
  readonly timestore: { readonly store: string | undefined; readonly cacheBytes: number }
}

/** The app is not as it should be. `problems` lists every fault that was found. */
export class AppInvalid extends Schema.TaggedError<AppInvalid>()("AppInvalid", {
  problems: Schema.Array(Schema.Struct({ path: Schema.String, message: Schema.String }))
}) {
  override get message(): string {
    return this.problems.map((problem) => faultText(problem)).join("; ")
  }
}

/** Bytes of local copies that DuckDB reads, when the app does not say: 1 GiB. */
export const cacheBytesDefault = 1024 ** 3
const cacheBytesMin = 1024 ** 2
const cacheBytesMax = 1024 ** 4

/** Checks everything of an app: fields, slugs, stores, workflows, and that what is named by one part exists in another. */
export const checkApp = (app: DefinedApp): Result.Result<CheckedApp, AppInvalid> => {
  const decoded = decodeShape(Object.fromEntries(Object.entries(app)))
  if (Result.isFailure(decoded)) {
    // The workflows have a parser of their own; its faults belong into the same list.
    const problems = [
      ...problemsOf(decoded.failure.issue).map(plainer),
      ...parseWorkflows(listOf(app.workflows)).problems
    ]
    return Result.fail(new AppInvalid({ problems }))
  }
  const { jobs = [], stores = {}, timestore = {}, workflows = [] } = decoded.success
  const parsed = parseWorkflows(workflows)
  const problems = [
    ...parsed.problems,
    ...duplicates("jobs", jobs),
    ...unsound(parsed.workflows, new Set(jobs.map(({ slug }) => slug))),
    ...unknownTimestore(timestore.store, Object.keys(stores))
  ]
  if (problems.length > 0) return Result.fail(new AppInvalid({ problems }))
  return Result.succeed({
    stores,
    jobs: new Map(jobs.map((job) => [job.slug, job])),
    workflows: parsed.workflows.map(({ definition }) => definition),
    timestore: {
      store: timestore.store ?? timestoreOf(Object.keys(stores)),
      cacheBytes: timestore.cacheBytes ?? cacheBytesDefault
    }
  })
}

// -------------------------------------------------------------------- shape

const Run = Schema.declare((value: unknown): value is Job["run"] => typeof value === "function").annotate({
  expected: "a function"
})

const Shape = Schema.Struct({
  stores: Schema.optional(StoreConfigsSchema),
  jobs: Schema.optional(
    Schema.Array(Schema.Struct({ slug: Slug, description: Schema.optional(Schema.String), run: Run }))
  ),
  workflows: Schema.optional(Schema.Array(Schema.Unknown)),
  timestore: Schema.optional(
    Schema.Struct({
      store: Schema.optional(Schema.String),
      cacheBytes: Schema.optional(
        Schema.Int.check(
          Schema.isBetween(
            { minimum: cacheBytesMin, maximum: cacheBytesMax },
            { message: `must be a whole number of bytes from ${cacheBytesMin} to ${cacheBytesMax}` }
          )
        )
      )
    })
  )
})

const decodeShape = Schema.decodeUnknownResult(Shape, { errors: "all", onExcessProperty: "error" })

/** The schema's own words about a whole store are those of a key that is not allowed, or of a union of types. */
const plainer = (problem: Problem): Problem => {
  if (!/^stores(\.[^.[]+|\[".*"\])$/.test(problem.path)) return problem
  const message =
    problem.message === "is not a known field"
      ? "a store's name must be 1 to 63 letters, digits, ., _ and -, starting with a letter or digit"
      : 'must be a store: { type: "folder", path } or { type: "s3", bucket }'
  return { path: problem.path, message }
}

const listOf = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

// ---------------------------------------------------------------- workflows

interface ParsedWorkflow {
  readonly definition: Definition
  readonly path: string
}

const parseWorkflows = (
  inputs: ReadonlyArray<unknown>
): { readonly workflows: ReadonlyArray<ParsedWorkflow>; readonly problems: ReadonlyArray<Problem> } => {
  const workflows: Array<ParsedWorkflow> = []
  const problems: Array<Problem> = []
  for (const [index, input] of inputs.entries()) {
    const path = `workflows[${index}]`
    const parsed = parseDefinition(input)
    if (Result.isSuccess(parsed)) workflows.push({ definition: parsed.success, path })
    else problems.push(...parsed.failure.problems.map((problem) => within(path, problem)))
  }
  const named = inputs.map((input) => ({ slug: slugOf(input) }))
  return { workflows, problems: [...problems, ...duplicates("workflows", named)] }
}

/** What is wrong with each workflow as a whole: cycles, missing dependencies, unknown jobs. */
const unsound = (workflows: ReadonlyArray<ParsedWorkflow>, jobs: ReadonlySet<string>): ReadonlyArray<Problem> =>
  workflows.flatMap(({ definition, path }) =>
    DefinitionCheck.check(definition, (jobSlug) => jobs.has(jobSlug)).map((problem) => within(path, problem))
  )

const within = (path: string, problem: Problem): Problem => ({
  path: problem.path === "" ? path : `${path}.${problem.path}`,
  message: problem.message
})

const slugOf = (input: unknown): unknown =>
  typeof input === "object" && input !== null && "slug" in input ? input.slug : undefined

// --------------------------------------------------------------- references

const duplicates = (list: string, items: ReadonlyArray<{ readonly slug: unknown }>): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  const seen = new Map<unknown, number>()
  for (const [index, { slug }] of items.entries()) {
    const first = seen.get(slug)
    if (typeof slug === "string" && first !== undefined) {
      problems.push({ path: `${list}[${index}].slug`, message: `"${slug}" is already the slug of ${list}[${first}]` })
    } else seen.set(slug, index)
  }
  return problems
}

const unknownTimestore = (store: string | undefined, names: ReadonlyArray<string>): ReadonlyArray<Problem> =>
  store === undefined || names.includes(store)
    ? []
    : [
        {
          path: "timestore.store",
          message: `no store is named ${JSON.stringify(store)}; there are: ${names.join(", ") || "none"}`
        }
      ]

const timestoreOf = (names: ReadonlyArray<string>): string | undefined =>
  names.includes("timestore") ? "timestore" : names.length === 1 ? names[0] : undefined
