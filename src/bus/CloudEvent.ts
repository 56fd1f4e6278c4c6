import { Result, Schema } from "effect"
import { faultText, problemsOf } from "../domain/Definition.ts"
import * as Id from "../domain/Id.ts"
import { type JsonObject, jsonCopy, type Problem } from "../domain/JsonBounds.ts"

/** How fresh an asset must be, as its workflow declares it; all in ms. */
export const Freshness = Schema.Struct({
  ttlMs: Schema.optionalKey(Schema.Int),
  cadenceMs: Schema.optionalKey(Schema.Int),
  maxAgeMs: Schema.optionalKey(Schema.Int)
})
export type Freshness = typeof Freshness.Type

/** An instant in ISO 8601 with its offset, as RFC 3339 wants it: `2024-01-05T06:00:00.000Z`. */
export const Timestamp = Schema.String.check(
  Schema.makeFilter((text: string) =>
    /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(Date.parse(text))
      ? true
      : "must be a time with its offset, such as 2024-01-05T06:00:00Z"
  )
)

/**
 * One generation of an asset partition (F53). `partitionKey` is "" for an asset without partitions; `workflowId` is the
 * id of the workflow's stream; `runKey`, `payload` and `freshness` are null where there is none. `source` is null for
 * what a run of ours made; it names who announced the others, for which workflow, run and step are null.
 */
export const AssetProducedData = Schema.Struct({
  assetId: Schema.String,
  partitionKey: Schema.String,
  generation: Schema.Int,
  workflowSlug: Schema.NullOr(Schema.String),
  workflowId: Schema.NullOr(Schema.String),
  workflowVersion: Schema.NullOr(Schema.Int),
  runId: Schema.NullOr(Schema.String),
  runKey: Schema.NullOr(Schema.String),
  stepId: Schema.NullOr(Schema.String),
  source: Schema.NullOr(Schema.String),
  producedAt: Timestamp,
  payload: Schema.Json,
  parameters: Schema.Record(Schema.String, Schema.Json),
  freshness: Schema.NullOr(Freshness)
})
export type AssetProducedData = typeof AssetProducedData.Type

/** The generation that is not fresh any more, since when, and by which rule of `freshness`. */
export const AssetExpiredData = Schema.Struct({
  ...AssetProducedData.fields,
  expiresAt: Timestamp,
  reason: Schema.Literals(["ttl", "cadence"])
})
export type AssetExpiredData = typeof AssetExpiredData.Type

/** A new version of a workflow; `definition` is what its author wrote. */
export const WorkflowUpdatedData = Schema.Struct({
  workflowSlug: Schema.String,
  workflowId: Schema.String,
  workflowVersion: Schema.Int,
  contentHash: Schema.String,
  origin: Schema.Literals(["app", "http"]),
  definition: Schema.Record(Schema.String, Schema.Json)
})
export type WorkflowUpdatedData = typeof WorkflowUpdatedData.Type

const identifier = Schema.String.check(
  Schema.isNonEmpty({ message: "must not be empty" }),
  Schema.isMaxLength(1_000, { message: "must be at most 1000 characters long" })
)

/** The attributes that every CloudEvent has. `source` and `id` together name the event: what dedupe goes by. */
export const attributes = {
  specversion: Schema.Literal("1.0"),
  id: identifier,
  source: identifier,
  datacontenttype: Schema.optionalKey(Schema.Literal("application/json")),
  dataschema: Schema.optionalKey(identifier)
} as const

/** What Kintsugi adds: `position` is an extension attribute, the event's place in the log, which sorts as text. */
const own = {
  ...attributes,
  subject: identifier,
  time: Timestamp,
  position: identifier
} as const

export const AssetProduced = Schema.Struct({
  ...own,
  type: Schema.Literal("asset.produced"),
  data: AssetProducedData
})
export const AssetExpired = Schema.Struct({ ...own, type: Schema.Literal("asset.expired"), data: AssetExpiredData })
export const WorkflowUpdated = Schema.Struct({
  ...own,
  type: Schema.Literal("workflow.definition.updated"),
  data: WorkflowUpdatedData
})

/**
 * What is on the bus: CloudEvents 1.0 in structured JSON (F53). `id` is `<stream>/<version>` of the log's event, the same
 * however often it is published; `subject` is the asset as messages name it (`orders.raw[2024-01]`), or the slug.
 */
export type CloudEvent = typeof AssetProduced.Type | typeof AssetExpired.Type | typeof WorkflowUpdated.Type

const decoders = {
  "asset.produced": strict<CloudEvent>(AssetProduced),
  "asset.expired": strict<CloudEvent>(AssetExpired),
  "workflow.definition.updated": strict<CloudEvent>(WorkflowUpdated)
}

/** The types of events that Kintsugi publishes. */
export const types = Object.keys(decoders) as ReadonlyArray<CloudEvent["type"]>

/** The text is no CloudEvent that is wanted here. `problems` lists every fault that was found, with its path. */
export class CloudEventInvalid extends Schema.TaggedError<CloudEventInvalid>()("CloudEventInvalid", {
  problems: Schema.Array(Schema.Struct({ path: Schema.String, message: Schema.String }))
}) {
  override get message(): string {
    return this.problems.map(faultText).join("; ")
  }
}

/** The structured JSON of an event. */
export const encode = (event: CloudEvent): string => JSON.stringify(event)

/** Reads what `encode` wrote; fields that the type does not have are refused, extension attributes are passed over. */
export const decode = (text: string): Result.Result<CloudEvent, CloudEventInvalid> =>
  Result.flatMap(parse(text, ["position"]), (event) => {
    const decoder = isPublished(event.type) ? decoders[event.type] : undefined
    return decoder === undefined
      ? invalid([{ path: "type", message: `must be one of ${types.join(", ")}` }])
      : decoder(event)
  })

/** Events with the same key are handled in order: one asset partition, or one workflow. */
export const orderKey = (event: CloudEvent): string =>
  event.type === "workflow.definition.updated"
    ? `workflow:${event.data.workflowSlug}`
    : `asset:${JSON.stringify([Id.assetKey(event.data.assetId), event.data.partitionKey])}`

/** A decoder of parsed events (`parse`) that refuses unknown fields and lists every fault. */
export function strict<A>(schema: Schema.Decoder<A>): (event: JsonObject) => Result.Result<A, CloudEventInvalid> {
  const decoded = Schema.decodeUnknownResult(schema, { errors: "all", onExcessProperty: "error" })
  return (event) =>
    Result.mapError(decoded(event), (error) => new CloudEventInvalid({ problems: problemsOf(error.issue) }))
}

const known = new Set([
  "specversion",
  "id",
  "source",
  "type",
  "subject",
  "time",
  "datacontenttype",
  "dataschema",
  "data"
])

/**
 * The JSON object of a structured CloudEvent without the extension attributes that are not listed: any producer may
 * add its own, lower-case letters and digits with a plain value (CloudEvents 1.0, section 3.1).
 */
export const parse = (
  text: string,
  extensions: ReadonlyArray<string> = [],
  bytesMax = Number.POSITIVE_INFINITY
): Result.Result<JsonObject, CloudEventInvalid> => {
  if (Buffer.byteLength(text) > bytesMax) return invalid([{ path: "", message: `must be at most ${bytesMax} bytes` }])
  const parsed = Result.try(() => JSON.parse(text) as unknown)
  if (Result.isFailure(parsed)) {
    return invalid([{ path: "", message: `must be a CloudEvent in structured JSON: ${String(parsed.failure)}` }])
  }
  const { problems, value } = jsonCopy(parsed.success)
  if (problems.length > 0) return invalid(problems)
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return invalid([{ path: "", message: "must be a CloudEvent in structured JSON, an object" }])
  }
  return Result.succeed(
    Object.fromEntries(
      Object.entries(value as JsonObject).filter(
        ([name, item]) =>
          known.has(name) ||
          extensions.includes(name) ||
          !/^[a-z0-9]+$/.test(name) ||
          (item !== null && typeof item === "object")
      )
    )
  )
}

const invalid = (problems: ReadonlyArray<Problem>) => Result.fail(new CloudEventInvalid({ problems }))

const isPublished = (type: unknown): type is CloudEvent["type"] =>
  typeof type === "string" && Object.hasOwn(decoders, type)
