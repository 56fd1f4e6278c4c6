import { Result, Schema } from "effect"
import { ConsumedAsset, Partitioning, runPartitionKeyTemplate, Schedule } from "./Definition.ts"
import { isObject, type JsonObject } from "./JsonBounds.ts"

/**
 * What a definition says about how its parts hang together, as far as it can be read: what has the wrong shape is
 * undefined or null here, and a fault of the shape elsewhere. Lists keep their places, so that paths are true.
 */
export interface Outline {
  readonly parametersSchema: JsonObject | undefined
  readonly defaultParameters: JsonObject | undefined
  readonly schedule: Schedule | undefined
  readonly steps: ReadonlyArray<OutlineStep>
}

export interface OutlineStep {
  readonly id: string | undefined
  readonly jobSlug: string | undefined
  readonly dependsOn: ReadonlyArray<string | undefined>
  readonly parameters: Schema.Json
  readonly produces: ReadonlyArray<{
    readonly assetId: string | undefined
    readonly schema: JsonObject | undefined
    readonly partitioning: Partitioning | undefined
  }>
  readonly consumes: ReadonlyArray<{
    readonly assetId: string | undefined
    readonly partitionKey: string
    readonly partitions: ConsumedAsset["partitions"] | undefined
  }>
}

const decodePartitioning = Schema.decodeUnknownResult(Partitioning)
const decodeSchedule = Schema.decodeUnknownResult(Schedule)
const decodePartitions = Schema.decodeUnknownResult(ConsumedAsset.fields.partitions)

const readable = <A>(
  decode: (value: unknown) => Result.Result<A, unknown>,
  value: Schema.Json | undefined
): A | undefined => (value === undefined ? undefined : Result.getOrUndefined(decode(value)))

/** The outline of any JSON; of what is no object it is empty. */
export const outlineOf = (source: Schema.Json): Outline => {
  const { defaultParameters, parametersSchema, schedule, steps } = objectOr(source)
  return {
    parametersSchema: objectOf(parametersSchema),
    defaultParameters: objectOf(defaultParameters),
    schedule: readable(decodeSchedule, schedule),
    steps: listOf(steps).map((value): OutlineStep => {
      const step = objectOr(value)
      return {
        id: textOf(step.id),
        jobSlug: textOf(step.jobSlug),
        dependsOn: listOf(step.dependsOn).map(textOf),
        parameters: step.parameters ?? {},
        produces: listOf(step.produces)
          .map(objectOr)
          .map(({ assetId, partitioning, schema }) => ({
            assetId: textOf(assetId),
            schema: objectOf(schema),
            partitioning: readable(decodePartitioning, partitioning)
          })),
        consumes: listOf(step.consumes)
          .map(objectOr)
          .map(({ assetId, partitionKey, partitions }) => ({
            assetId: textOf(assetId),
            partitionKey: textOf(partitionKey) ?? runPartitionKeyTemplate,
            partitions: partitions === undefined ? "same" : readable(decodePartitions, partitions)
          }))
      }
    })
  }
}

const listOf = (value: Schema.Json | undefined): ReadonlyArray<Schema.Json> => (Array.isArray(value) ? value : [])
const textOf = (value: Schema.Json | undefined) => (typeof value === "string" ? value : undefined)
const objectOf = (value: Schema.Json | undefined) => (isObject(value) ? value : undefined)
const objectOr = (value: Schema.Json | undefined): JsonObject => objectOf(value) ?? {}
