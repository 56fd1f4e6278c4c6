import { createHash } from "node:crypto"
import { Cron, DateTime, Effect, Option, Result, Schema, SchemaIssue } from "effect"
import { canonicalJson, type JsonObject, jsonCopy, pathText, type Problem } from "./JsonBounds.ts"
import { PartitionKey } from "./Partitioning.ts"

/** Longest time in ms that a timer takes (2^31 - 1, about 24.8 days): the bound of every time-out and delay. */
export const timerMsMax = 2_147_483_647

/** The template of `consumes[].partitionKey` when none is given: the partition key of the run (F65). */
export const runPartitionKeyTemplate = "{{ run.partitionKey }}"

/** A field's value when it is left out. Decoding fills it, so that nothing behind it knows about defaults. */
const orElse = <S extends Schema.Constraint>(schema: S, value: S["Encoded"]): Schema.withDecodingDefaultKey<S> =>
  Schema.withDecodingDefaultKey<S>(Effect.succeed(value))(schema)

/** A setting whose shape is checked and which is then refused, because nothing would act on it yet (F87). */
const later = (setting: string, release: string) =>
  Schema.makeFilter(
    (_: unknown) => `"${setting}" is not supported yet: it comes with the ${release} release; remove it`
  )

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
    Option.isSome(DateTime.zoneMakeNamed(zone)) ? true : `"${zone}" is not an IANA time zone such as Europe/London`
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

const Schedule = Schema.Struct({
  cron: CronExpression,
  timezone: orElse(TimeZone, "UTC"),
  catchUp: orElse(Schema.Boolean, false)
}).check(later("schedule", "scheduling"))

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

const Freshness = Schema.Struct({
  ttlMs: Schema.optionalKey(ageMs),
  cadenceMs: Schema.optionalKey(ageMs),
  maxAgeMs: Schema.optionalKey(ageMs)
}).check(later("freshness", "asset-freshness"))

const AutoMaterialize = Schema.Struct({
  enabled: orElse(Schema.Boolean, true),
  onUpstreamUpdate: orElse(Schema.Boolean, false),
  priority: orElse(int(0, 1_000_000), 100),
  parameterDefaults: orElse(json, {}),
  allowCycle: orElse(Schema.Boolean, false)
}).check(later("autoMaterialize", "auto-materialization"))

const StaticPartitioning = Schema.Struct({
  type: Schema.Literal("static"),
  keys: listUpTo(PartitionKey, 10_000).check(
    Schema.isMinLength(1, { message: "must list at least one key" }),
    Schema.isUnique({ message: "must not list a key twice" })
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
  }).check(later("timeWindow", "time-window partitions")),
  Schema.Struct({
    type: Schema.Literal("dynamic"),
    maxKeys: Schema.optionalKey(int(1, 1_000_000)),
    retentionDays: Schema.optionalKey(int(1, 36_500))
  }).check(later("dynamic", "dynamic partitions"))
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

/** An asset that a step needs. `partitionKey` is a template; `partitions: "all"`: every recorded partition. */
export const ConsumedAsset = Schema.Struct({
  assetId: AssetId,
  partitionKey: orElse(textUpTo(2000), runPartitionKeyTemplate),
  partitions: orElse(
    Schema.Union([
      Schema.Literal("same"),
      Schema.Literal("all"),
      Schema.Struct({ last: int(1, 100_000) }).check(later("partitions.last", "time-window partitions"))
    ]).annotate({ expected: '"same", "all" or {"last": n}' }),
    "same"
  ),
  optional: orElse(Schema.Boolean, false),
  maxAgeMs: Schema.optionalKey(ageMs.check(later("maxAgeMs", "asset-freshness")))
})
export type ConsumedAsset = typeof ConsumedAsset.Type

/** One step. `optional` allows an operator to skip it; without `heartbeatTimeoutMs` heartbeats only report progress. */
export const StepDefinition = Schema.Struct({
  id: StepId,
  jobSlug: Slug,
  dependsOn: orElse(listUpTo(StepId, 500), []),
  parameters: orElse(json, {}),
  optional: orElse(Schema.Boolean, false),
  timeoutMs: orElse(timerMs, 600_000),
  heartbeatTimeoutMs: Schema.optionalKey(timerMs),
  retryPolicy: orElse(RetryPolicy, {}),
  recovery: orElse(StepRecovery, {}),
  produces: orElse(listUpTo(ProducedAsset, 100), []),
  consumes: orElse(listUpTo(ConsumedAsset, 100), [])
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
  recovery: orElse(Schema.Struct({ enabled: orElse(Schema.Boolean, true) }), {}),
  schedule: Schema.optionalKey(Schedule),
  steps: listUpTo(StepDefinition, 500).check(Schema.isMinLength(1, { message: "must list at least one step" }))
})

/** A parsed workflow definition. `source` is what the user put, slug included: what is stored, hashed and shown. */
export type Definition = typeof Workflow.Type & { readonly source: JsonObject }

/** The input is no workflow definition. `problems` lists every fault that was found, in the order of the fields. */
export class DefinitionInvalid extends Schema.TaggedError<DefinitionInvalid>()("DefinitionInvalid", {
  problems: Schema.Array(Schema.Struct({ path: Schema.String, message: Schema.String }))
}) {
  override get message(): string {
    return this.problems.map((problem) => faultText(problem)).join("; ")
  }
}

/**
 * Reads a workflow definition; `slug` is the one of the address it was put under, which the body may leave out but not
 * contradict. Only the shape is judged here: `DefinitionCheck.check` judges the whole.
 */
export const parseDefinition = (input: unknown, slug?: string): Result.Result<Definition, DefinitionInvalid> => {
  const copied = jsonCopy(input)
  if (copied.problems.length > 0) return Result.fail(new DefinitionInvalid({ problems: copied.problems }))
  const source = withSlug(copied.value, slug)
  const problems: Array<Problem> = []
  if (slug !== undefined && isObject(source) && source.slug !== slug) {
    problems.push({ path: "slug", message: `must be "${slug}", as in the address` })
  }
  const decoded = decode(source)
  if (Result.isFailure(decoded)) problems.push(...decoded.failure)
  if (Result.isFailure(decoded) || problems.length > 0) return Result.fail(new DefinitionInvalid({ problems }))
  return Result.succeed({ ...decoded.success, steps: decoded.success.steps.map(plain), source: source as JsonObject })
}

/**
 * The definition without regard to fields that it should not have: for listing the faults of the whole beside those.
 * Undefined when something else is wrong with its shape.
 */
export const withoutUnknownFields = (input: unknown, slug: string): Definition | undefined => {
  const source = withSlug(jsonCopy(input).value, slug)
  const decoded = decodeKnownFields(source)
  if (Result.isFailure(decoded)) return undefined
  return { ...decoded.success, steps: decoded.success.steps.map(plain), source: source as JsonObject }
}

/** What reads show: what the user put, with its version. */
export const toJson = (source: JsonObject, version: number): JsonObject => ({ ...source, version })

/** SHA-256 of the content, lower-case hex; the order in which keys were written makes no difference. */
export const contentHash = (source: JsonObject): string =>
  createHash("sha256").update(canonicalJson(source)).digest("hex")

/** One line of a fault for people: `steps[0].id: is required`. */
export const faultText = (problem: Problem): string =>
  problem.path === "" ? problem.message : `${problem.path}: ${problem.message}`

const isObject = (value: Schema.Json): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const withSlug = (value: Schema.Json, slug: string | undefined): Schema.Json =>
  slug !== undefined && isObject(value) && value.slug === undefined ? { slug, ...value } : value

/** No retry is one attempt, whatever number stands beside it. */
const plain = (step: StepDefinition): StepDefinition =>
  step.retryPolicy.strategy === "none" ? { ...step, retryPolicy: { ...step.retryPolicy, maxAttempts: 1 } } : step

const decodeKnownFields = Schema.decodeUnknownResult(Workflow, { onExcessProperty: "ignore" })
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
