import { Result, Schema } from "effect"
import { parseAllowed } from "../capabilities/HttpAccess.ts"
import { type StoreConfigs, StoreConfigs as StoreConfigsSchema } from "../capabilities/StoreConfig.ts"
import { disagreements } from "../domain/AssetAgreement.ts"
import { type Definition, faultText, problemsOf, QuietHours, Slug } from "../domain/Definition.ts"
import * as DefinitionCheck from "../domain/DefinitionCheck.ts"
import { faults as notificationFaults, NotificationConfig } from "../domain/NotificationConfig.ts"
import type { Problem } from "../domain/JsonBounds.ts"
import type { DefinedApp } from "./App.ts"
import type { Source } from "../domain/Source.ts"
import type { Job } from "./Job.ts"
import { sourceProblems, Sources } from "./SourceCheck.ts"

/** An app whose parts are known to fit together, with the defaults filled in. */
export interface CheckedApp {
  readonly stores: StoreConfigs
  /** By slug, in the order of the app. */
  readonly jobs: ReadonlyMap<string, Job>
  readonly workflows: ReadonlyArray<Definition>
  /** `store` is undefined when the app has several stores and names none: the timestore then cannot be used. */
  readonly timestore: { readonly store: string | undefined; readonly cacheBytes: number }
  readonly http: { readonly allow: ReadonlyArray<string> }
  readonly sources: ReadonlyArray<Source>
  readonly notifications: NotificationConfig | null
  /** What the app says of how its assets are checked. */
  readonly integrity: typeof Integrity.Type
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

/**
 * Checks everything of an app: fields, slugs, stores, workflows, and that what is named by one part exists in another.
 * Every fault is listed: one part of the wrong shape does not hide what is wrong with another.
 */
export const checkApp = (app: DefinedApp): Result.Result<CheckedApp, AppInvalid> => {
  const input: { readonly [field: string]: unknown } = Object.fromEntries(Object.entries(app))
  const decoded = decodeShape(input)
  const parsed = parseWorkflows(listOf(input.workflows), knownJobs(input.jobs))
  const problems = [
    ...(Result.isFailure(decoded) ? problemsOf(decoded.failure.issue).map(plainer) : []),
    ...parsed.problems,
    ...duplicates("jobs", listOf(input.jobs)),
    ...duplicates("workflows", listOf(input.workflows)),
    ...unknownTimestore(field(input.timestore, "store"), input.stores),
    ...sourceProblems(
      listOf(input.sources),
      new Set(listOf(input.workflows).map((workflow) => field(workflow, "slug"))),
      parsed.workflows
    ),
    ...(Result.isSuccess(decoded) && decoded.success.notifications !== undefined
      ? notificationFaults(decoded.success.notifications)
      : [])
  ]
  if (Result.isFailure(decoded) || problems.length > 0) return Result.fail(new AppInvalid({ problems }))
  const { http = {}, integrity = {}, jobs = [], notifications = null } = decoded.success
  const { sources = [], stores = {}, timestore = {} } = decoded.success
  return Result.succeed({
    stores,
    jobs: new Map(jobs.map((job) => [job.slug, job])),
    workflows: parsed.workflows,
    timestore: {
      store: timestore.store ?? timestoreOf(Object.keys(stores)),
      cacheBytes: timestore.cacheBytes ?? cacheBytesDefault
    },
    http: { allow: http.allow ?? [] },
    sources,
    notifications,
    integrity
  })
}

// -------------------------------------------------------------------- shape

const Run = Schema.declare((value: unknown): value is Job["run"] => typeof value === "function").annotate({
  expected: "a function"
})

const AllowedHost = Schema.String.check(
  Schema.makeFilter((text: string) =>
    parseAllowed(text) === undefined
      ? "must be a host such as localhost, localhost:8080, *.internal.example or [::1]:8080"
      : true
  )
)

const dayMs = 86_400_000

const whole = (minimum: number, maximum: number, unit = "") =>
  Schema.Int.check(
    Schema.isBetween({ minimum, maximum }, { message: `must be a whole number${unit} from ${minimum} to ${maximum}` })
  )

const Integrity = Schema.Struct({
  intervalMs: Schema.optional(whole(0, 2_147_483_647, " of milliseconds")),
  assetsPerSecond: Schema.optional(whole(1, 1_000_000)),
  deep: Schema.optional(Schema.Boolean),
  window: Schema.optional(QuietHours),
  toleranceMs: Schema.optional(whole(0, dayMs, " of milliseconds")),
  escalateAfter: Schema.optional(whole(1, 1_000))
})

const Shape = Schema.Struct({
  integrity: Schema.optional(Integrity),
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
  ),
  sources: Schema.optional(Sources),
  http: Schema.optional(Schema.Struct({ allow: Schema.optional(Schema.Array(AllowedHost)) })),
  notifications: Schema.optional(NotificationConfig)
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

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined

// ---------------------------------------------------------------- workflows

/** Which jobs the app has. When that cannot be read, which is a fault of its own, none counts as unknown. */
const knownJobs = (jobs: unknown): ((jobSlug: string) => boolean) => {
  if (jobs !== undefined && !Array.isArray(jobs)) return () => true
  const slugs = new Set(listOf(jobs).map((job) => field(job, "slug")))
  return (jobSlug) => slugs.has(jobSlug)
}

const parseWorkflows = (
  inputs: ReadonlyArray<unknown>,
  isKnownJob: (jobSlug: string) => boolean
): { readonly workflows: ReadonlyArray<Definition>; readonly problems: ReadonlyArray<Problem> } => {
  const workflows: Array<Definition> = []
  const problems: Array<Problem> = []
  for (const [index, input] of inputs.entries()) {
    const parsed = DefinitionCheck.parse(input, isKnownJob)
    const found = Result.isSuccess(parsed)
      ? disagreements(parsed.success, undefined, workflows)
      : parsed.failure.problems
    if (Result.isSuccess(parsed)) workflows.push(parsed.success)
    problems.push(...found.map((problem) => within(`workflows[${index}]`, problem)))
  }
  return { workflows, problems }
}

const within = (path: string, problem: Problem): Problem => ({
  path: problem.path === "" ? path : `${path}.${problem.path}`,
  message: problem.message
})

// --------------------------------------------------------------- references

const duplicates = (list: string, items: ReadonlyArray<unknown>): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  const seen = new Map<unknown, number>()
  for (const [index, item] of items.entries()) {
    const slug = field(item, "slug")
    const first = seen.get(slug)
    if (typeof slug === "string" && first !== undefined) {
      problems.push({ path: `${list}[${index}].slug`, message: `"${slug}" is already the slug of ${list}[${first}]` })
    } else seen.set(slug, index)
  }
  return problems
}

const unknownTimestore = (store: unknown, stores: unknown): ReadonlyArray<Problem> => {
  if (typeof store !== "string") return []
  const names = typeof stores === "object" && stores !== null ? Object.keys(stores) : []
  if (names.includes(store)) return []
  const message = `no store is named ${JSON.stringify(store)}; there are: ${names.join(", ") || "none"}`
  return [{ path: "timestore.store", message }]
}

const timestoreOf = (names: ReadonlyArray<string>): string | undefined =>
  names.includes("timestore") ? "timestore" : names.length === 1 ? names[0] : undefined
