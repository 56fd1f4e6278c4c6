import { createHash } from "node:crypto"
import { Cron, DateTime, Effect, Option, Result, Schema, SchemaIssue } from "effect"
import * as Lists from "./DefinitionLists.ts"
import { Expectation, HttpAsset, HttpRequest } from "./HttpStep.ts"
import * as Id from "./Id.ts"
import {
  canonicalJson,
  isObject,
  type JsonObject,
  jsonCopy,
  listedProblems,
  pathText,
  type Problem
} from "./JsonBounds.ts"
import { partitionKeyFault } from "./Partitioning.ts"
import { quietHoursFault } from "./QuietHours.ts"
import { windowMsMax as runKeyWindowMsMax } from "./RunKey.ts"
import * as StepKind from "./StepKind.ts"

/** Longest time in ms that a timer takes (2^31 - 1, about 24.8 days): the bound of every time-out and delay. */
export const timerMsMax = 2_147_483_647

/** The template of `consumes[].partitionKey` when none is given: the partition key of the run (F65). */
export const runPartitionKeyTemplate = "{{ run.partitionKey }}"

/** A field's value when it is left out. Decoding fills it, so that nothing behind it knows about defaults. */
const orElse = <S extends Schema.Constraint>(schema: S, value: S["Encoded"]): Schema.withDecodingDefaultKey<S> =>
  Schema.withDecodingDefaultKey<S>(Effect.succeed(value))(schema)

const text = (pattern: RegExp, message: string) => Schema.String.check(Schema.isPattern(pattern, { message }))
const textUpTo = (lengthMax: number) => Schema.String.check(Schema.isMaxLength(lengthMax))
const int = (minimum: number, maximum: number) =>
  Schema.Int.check(
    Schema.isBetween({ minimum, maximum }, { message: `must be a whole number from ${minimum} to ${maximum}` })
  )
const timerMs = int(1, timerMsMax)
/** Up to ten years in ms: ages and periods are compared with a clock, no timer runs for so long. */
const ageMs = int(1, 315_360_000_000)
const delayMs = int(0, timerMsMax)
const json = Schema.Record(Schema.String, Schema.Json)
const listUpTo = <S extends Schema.Constraint>(item: S, lengthMax: number) =>
  Schema.Array(item).check(Schema.isMaxLength(lengthMax))

/** Names a workflow or a job: `[a-z0-9][a-z0-9_-]*`, at most 120 characters. */
export const Slug = text(
  /^[a-z0-9][a-z0-9_-]{0,119}$/,
  "must be 1 to 120 lower-case letters, digits, - and _, starting with a letter or digit"
)

/** Names an asset: at most 200 characters; compared without case (`Id.assetKey`). */
export const AssetId = text(
  /^[A-Za-z0-9][A-Za-z0-9._:-]{0,199}$/,
  "must be 1 to 200 letters, digits, . _ : and -, starting with a letter or digit"
)

/** Names a step within its workflow. No dot, so that `{{ steps.<id>.result }}` has one reading. */
export const StepId = text(
  /^[A-Za-z0-9][A-Za-z0-9_-]{0,119}$/,
  "must be 1 to 120 letters, digits, - and _, starting with a letter or digit"
)

const TimeZone = Schema.String.check(
  Schema.makeFilter((zone: string) =>
    // Numeric offsets are no zones: they know no daylight saving.
    Option.isSome(DateTime.zoneMakeNamed(zone)) && !/^[+-]/.test(zone)
      ? true
      : `"${zone}" is not an IANA time zone such as Europe/London`
  )
)

const CronExpression = Schema.String.check(
  Schema.makeFilter((cron: string) =>
    Result.match(Cron.parse(cron), {
      onSuccess: () => true,
      onFailure: (error) => `is not a cron expression: ${error.message}`
    })
  )
)

/**
 * When the workflow runs by the clock. `catchUp`: occurrences that were missed while nothing ran are made up for, oldest
 * first; otherwise only the newest. `window`: of time-window partitions, the one that the occurrence lies in, or the one
 * before it, which is complete.
 */
export const Schedule = Schema.Struct({
  cron: CronExpression,
  timezone: orElse(TimeZone, "UTC"),
  catchUp: orElse(Schema.Boolean, false),
  window: orElse(Schema.Literals(["current", "previous"]), "current")
})
export type Schedule = typeof Schedule.Type

const clockTime = text(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time of day such as "22:00"')

/** Hours of every day in which no automatic run starts; `to` before `from` ends on the next day. */
/** A window of every day. */
export const QuietHours = Schema.Struct({
  from: clockTime,
  to: clockTime,
  timezone: orElse(TimeZone, "UTC")
}).check(
  Schema.makeFilter(({ from, to }) =>
    from === to ? "must not end when they begin: give two windows for a whole day" : true
  )
)

/**
 * When a step that ended as `transient` is tried again. `maxAttempts` counts the first execution too; `strategy: "none"`
 * means 1. The delays are in ms; `RetrySchedule.delayMs` computes them.
 */
export const RetryPolicy = Schema.Struct({
  maxAttempts: orElse(int(1, 1000), 4),
  strategy: orElse(Schema.Literals(["none", "fixed", "exponential"]), "exponential"),
  initialDelayMs: orElse(delayMs, 1000),
  maxDelayMs: orElse(delayMs, 60_000),
  jitter: orElse(Schema.Literals(["none", "full", "equal"]), "full")
})
export type RetryPolicy = typeof RetryPolicy.Type

/** How long this step waits for what is healed, and how many heals one run may cause (never reset). */
export const StepRecovery = Schema.Struct({
  enabled: orElse(Schema.Boolean, true),
  deadlineMs: orElse(timerMs, 600_000),
  ceilingPerRun: orElse(int(1, 1000), 10)
})
export type StepRecovery = typeof StepRecovery.Type

/** How healing one asset is tried. */
export const AssetRecovery = Schema.Struct({
  enabled: orElse(Schema.Boolean, true),
  maxAttempts: orElse(int(1, 1000), 3),
  attemptTimeoutMs: orElse(timerMs, 600_000),
  idempotent: orElse(Schema.Boolean, true)
})
export type AssetRecovery = typeof AssetRecovery.Type

/** How long an asset is fresh, ms: after a production, by the clock, and until a consumer refuses it. */
export const Freshness = Schema.Struct({
  ttlMs: Schema.optionalKey(ageMs),
  cadenceMs: Schema.optionalKey(ageMs),
  maxAgeMs: Schema.optionalKey(ageMs)
})
export type Freshness = typeof Freshness.Type

/** Whether and how the producing workflow runs by itself. A block means `enabled` unless it says otherwise. */
export const AutoMaterialize = Schema.Struct({
  enabled: orElse(Schema.Boolean, true),
  onUpstreamUpdate: orElse(Schema.Boolean, false),
  priority: orElse(int(0, 1_000_000), 100),
  parameterDefaults: orElse(json, {}),
  allowCycle: orElse(Schema.Boolean, false)
})
export type AutoMaterialize = typeof AutoMaterialize.Type

/** Every key that cannot be one, or is another's in different case. */
const partitionKeysFaults = (keys: ReadonlyArray<string>) => {
  const first = new Map<string, number>()
  return keys.flatMap((key, index) => {
    const earlier = first.get(Id.partitionKey(key))
    if (earlier === undefined) first.set(Id.partitionKey(key), index)
    const fault =
      partitionKeyFault(key) ??
      (earlier === undefined ? undefined : `must not be listed twice: it is keys[${earlier}], compared without case`)
    return fault === undefined ? [] : [{ path: [index], issue: fault }]
  })
}

const StaticPartitioning = Schema.Struct({
  type: Schema.Literal("static"),
  // One check for all keys: the checks of a list are not asked when one of its items is refused.
  keys: listUpTo(Schema.String, Lists.partitionKeysMax).check(
    Schema.isMinLength(1, { message: "must list at least one key" }),
    Schema.makeFilter(partitionKeysFaults)
  )
})

/** Which partitions an asset has. */
export const Partitioning = Schema.Union([
  StaticPartitioning,
  Schema.Struct({
    type: Schema.Literal("timeWindow"),
    granularity: Schema.Literals(["minute", "hour", "day", "week", "month"]),
    timezone: orElse(TimeZone, "UTC"),
    format: Schema.optionalKey(textUpTo(100).check(Schema.isNonEmpty())),
    lookbackWindows: Schema.optionalKey(int(1, 100_000))
  }),
  Schema.Struct({
    type: Schema.Literal("dynamic"),
    maxKeys: Schema.optionalKey(int(1, 1_000_000)),
    retentionDays: Schema.optionalKey(int(1, 36_500))
  })
]).annotate({ expected: 'an object whose type is "static", "timeWindow" or "dynamic"' })
export type Partitioning = typeof Partitioning.Type

/** An asset that a step makes. `schema`: a JSON Schema that its payload must keep, or the step fails. */
export const ProducedAsset = Schema.Struct({
  assetId: AssetId,
  schema: Schema.optionalKey(json),
  freshness: Schema.optionalKey(Freshness),
  recovery: orElse(AssetRecovery, {}),
  autoMaterialize: Schema.optionalKey(AutoMaterialize),
  partitioning: Schema.optionalKey(Partitioning)
})
export type ProducedAsset = typeof ProducedAsset.Type

/**
 * An asset that a step needs. `partitionKey` is a template; `partitions: "all"`: every recorded partition. `updateOn`:
 * what counts as an update where the workflow's `autoMaterialize` has `onUpstreamUpdate`.
 */
export const ConsumedAsset = Schema.Struct({
  assetId: AssetId,
  partitionKey: orElse(textUpTo(2000), runPartitionKeyTemplate),
  partitions: orElse(
    Schema.Union([Schema.Literal("same"), Schema.Literal("all"), Schema.Struct({ last: int(1, 100_000) })]).annotate({
      expected: '"same", "all" or {"last": n}'
    }),
    "same"
  ),
  optional: orElse(Schema.Boolean, false),
  maxAgeMs: Schema.optionalKey(ageMs),
  updateOn: orElse(Schema.Literals(["produced", "expired", "none"]), "produced")
})
export type ConsumedAsset = typeof ConsumedAsset.Type

/** What is executed, and how. Without `heartbeatTimeoutMs` heartbeats only report progress. */
const execution = {
  jobSlug: Schema.optionalKey(Slug),
  request: Schema.optionalKey(HttpRequest),
  expect: Schema.optionalKey(Expectation),
  assets: Schema.optionalKey(listUpTo(HttpAsset, 100)),
  parameters: orElse(json, {}),
  timeoutMs: orElse(timerMs, 600_000),
  heartbeatTimeoutMs: Schema.optionalKey(timerMs),
  retryPolicy: orElse(RetryPolicy, {}),
  recovery: orElse(StepRecovery, {}),
  produces: orElse(listUpTo(ProducedAsset, Lists.producesMax), []),
  consumes: orElse(listUpTo(ConsumedAsset, Lists.consumesMax), [])
}

/** What each child of a fan-out does. */
const FanOutChild = Schema.Struct({ type: orElse(Schema.Literals(["job", "http"]), "job"), ...execution })

/**
 * One step. Which fields belong to which `type` is said by `StepKind`; `optional` allows an operator to skip it. Of a
 * fan-out, what its `step` says of execution and assets stands on the decoded definition itself too (`plain`), so that
 * whoever asks what a workflow makes and needs finds it there.
 */
export const StepDefinition = Schema.Struct({
  id: StepId,
  type: orElse(Schema.Literals(["job", "http", "fanOut"]), "job"),
  dependsOn: orElse(listUpTo(StepId, Lists.dependsOnMax), []),
  optional: orElse(Schema.Boolean, false),
  over: Schema.optionalKey(
    textUpTo(2000).check(
      Schema.isPattern(/\{\{/, { message: "must be a template for a list, such as {{ steps.list.result.items }}" })
    )
  ),
  as: Schema.optionalKey(StepKind.ItemName),
  limit: Schema.optionalKey(int(1, 10_000)),
  concurrency: Schema.optionalKey(int(1, 1000)),
  step: Schema.optionalKey(FanOutChild),
  ...execution
})
export type StepDefinition = typeof StepDefinition.Type

/** A workflow as users write it (CONTRACT, section 3), decoded with every default filled. */
export const Workflow = Schema.Struct({
  slug: Slug,
  name: Schema.optionalKey(textUpTo(200)),
  description: Schema.optionalKey(textUpTo(10_000)),
  parametersSchema: Schema.optionalKey(json),
  defaultParameters: orElse(json, {}),
  concurrency: Schema.optionalKey(int(1, 10_000)),
  runKeyWindowMs: Schema.optionalKey(int(0, runKeyWindowMsMax)),
  recovery: orElse(Schema.Struct({ enabled: orElse(Schema.Boolean, true) }), {}),
  schedule: Schema.optionalKey(Schedule),
  quietHours: orElse(
    listUpTo(QuietHours, 20).check(Schema.makeFilter((windows) => quietHoursFault(windows) ?? true)),
    []
  ),
  steps: listUpTo(StepDefinition, Lists.stepsMax).check(
    Schema.isMinLength(1, { message: "must list at least one step" })
  )
})

/** A parsed workflow definition. `source` is what the user put, slug included: what is stored, hashed and shown. */
export type Definition = typeof Workflow.Type & { readonly source: JsonObject }

/** The input is no workflow definition. `problems` lists the faults, at most `problemsMax` and a line for the rest. */
export class DefinitionInvalid extends Schema.TaggedError<DefinitionInvalid>()("DefinitionInvalid", {
  problems: Schema.Array(Schema.Struct({ path: Schema.String, message: Schema.String }))
}) {
  override get message(): string {
    return this.problems.map((problem) => faultText(problem)).join("; ")
  }
}

/**
 * What was put, as JSON, and every fault of its shape; `definition` is undefined when there is one. Lists that are too
 * long are cut in `source`.
 */
export interface Shape {
  readonly source: Schema.Json
  readonly definition: Definition | undefined
  readonly problems: ReadonlyArray<Problem>
}

/**
 * Reads a workflow definition; `slug` is the one of the address it was put under, which the body may leave out but not
 * contradict. Only the shape is judged here: `DefinitionCheck` judges the whole.
 */
export const shapeOf = (input: unknown, slug?: string): Shape => {
  const copied = jsonCopy(input)
  const { problems: ofLength, source } = Lists.shortened(withSlug(copied.value, slug))
  const decoded = decode(source)
  // Where something is no JSON, its shape has nothing to add.
  const broken = new Set(copied.problems.map(({ path }) => path))
  const problems = [
    ...copied.problems,
    ...ofLength,
    ...Result.match(decoded, {
      onSuccess: () => [],
      onFailure: (faults) => faults.filter(({ path }) => !broken.has(path))
    }),
    ...StepKind.problems(source)
  ]
  // A slug that cannot be one is told once, also when the body has another.
  if (contradicts(copied.value, slug) && !problems.some(({ path }) => path === "slug")) {
    problems.push({ path: "slug", message: `must be "${slug}", as in the address` })
  }
  if (Result.isFailure(decoded) || problems.length > 0) return { source, definition: undefined, problems }
  const definition = {
    ...decoded.success,
    steps: decoded.success.steps.map(plain),
    source: source as JsonObject
  }
  return { source, definition, problems }
}

/** A definition of the right shape, or every fault of it. */
export const parseDefinition = (input: unknown, slug?: string): Result.Result<Definition, DefinitionInvalid> => {
  const { definition, problems } = shapeOf(input, slug)
  return definition === undefined
    ? Result.fail(new DefinitionInvalid({ problems: listedProblems(problems) }))
    : Result.succeed(definition)
}

/** What reads show: what the user put, with its version. */
export const toJson = (source: JsonObject, version: number): JsonObject => ({ ...source, version })

/** SHA-256 of the content, lower-case hex; the order in which keys were written makes no difference. */
export const contentHash = (source: JsonObject): string =>
  createHash("sha256").update(canonicalJson(source)).digest("hex")

/** One line of a fault for people: `steps[0].id: is required`. */
export const faultText = (problem: Problem): string =>
  problem.path === "" ? problem.message : `${problem.path}: ${problem.message}`

/** The address says which workflow it is: its slug is the one that is judged. */
const withSlug = (value: Schema.Json, slug: string | undefined): Schema.Json => {
  if (slug === undefined || !isObject(value)) return value
  return contradicts(value, slug) || value.slug === undefined ? { ...value, slug } : value
}

const contradicts = (value: Schema.Json, slug: string | undefined): boolean =>
  slug !== undefined && isObject(value) && value.slug !== undefined && value.slug !== slug

/** No retry is one attempt, whatever number stands beside it. A fan-out has the execution and assets of its children. */
const plain = (written: StepDefinition): StepDefinition => {
  const step = written.step === undefined ? written : { ...written, ...written.step, type: written.type }
  return step.retryPolicy.strategy === "none" ? { ...step, retryPolicy: { ...step.retryPolicy, maxAttempts: 1 } } : step
}

const decodeWorkflow = Schema.decodeUnknownResult(Workflow, { errors: "all", onExcessProperty: "error" })

const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    if (issue._tag === "MissingKey") return "is required"
    if (issue._tag === "UnexpectedKey") return "is not a known field"
    return SchemaIssue.defaultLeafHook(issue)
  }
})

/** The readable faults of a failed decode; also used for other inputs of users. */
export const problemsOf = (issue: SchemaIssue.Issue): ReadonlyArray<Problem> =>
  formatIssue(issue).issues.map(({ message, path }) => ({
    path: pathText((path ?? []).map((part) => (typeof part === "object" ? part.key : part))),
    message
  }))

const decode = (source: Schema.Json): Result.Result<typeof Workflow.Type, ReadonlyArray<Problem>> =>
  Result.mapError(decodeWorkflow(source), (error) => problemsOf(error.issue))
