import { Result, Schema } from "effect"
import { ConsumedAsset, Partitioning, runPartitionKeyTemplate, Schedule } from "./Definition.ts"
import { isObject, type JsonObject } from "./JsonBounds.ts"
import { itemNames } from "./StepKind.ts"

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
  /** Where it is said what is executed: of a fan-out, within its `step`. */
  readonly path: ReadonlyArray<PropertyKey>
  /** Further texts with templates, and the names that they may use besides those of every template. */
  readonly templates: ReadonlyArray<{
    readonly path: ReadonlyArray<PropertyKey>
    readonly value: Schema.Json
    readonly names: ReadonlyArray<string>
  }>
  /** Texts of an http step's headers, with their templates, and prefixes of its secrets. */
  readonly headers: ReadonlyArray<{ readonly path: ReadonlyArray<PropertyKey>; readonly text: string }>
  /** Names that templates of what is executed may use besides. */
  readonly names: ReadonlyArray<string>
  readonly jobSlug: string | undefined
  readonly dependsOn: ReadonlyArray<string | undefined>
  readonly parameters: Schema.Json
  readonly produces: ReadonlyArray<{
    readonly assetId: string | undefined
    readonly schema: JsonObject | undefined
    readonly partitioning: Partitioning | undefined
    /** `parameterDefaults` of an `autoMaterialize` that is enabled. */
    readonly policy: JsonObject | undefined
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
    steps: listOf(steps).map((value, index): OutlineStep => {
      const whole = objectOr(value)
      const isFanOut = whole.type === "fanOut"
      const step = isFanOut ? objectOr(whole.step) : whole
      const path = isFanOut ? ["steps", index, "step"] : ["steps", index]
      const names = isFanOut ? [...itemNames, ...(textOf(whole.as) === undefined ? [] : [textOf(whole.as)!])] : []
      const over = isFanOut && typeof whole.over === "string" ? [whole.over] : []
      return {
        id: textOf(whole.id),
        path,
        names,
        templates: [
          ...over.map((text) => ({ path: ["steps", index, "over"], value: text, names: [] })),
          ...requestTemplates(step, path, names)
        ],
        headers: Object.entries(objectOr(objectOr(step.request).headers)).flatMap(([name, value]) => {
          const at = [...path, "request", "headers", name]
          if (typeof value === "string") return [{ path: at, text: value }]
          const prefix = textOf(objectOr(value).prefix)
          return prefix === undefined ? [] : [{ path: [...at, "prefix"], text: prefix }]
        }),
        jobSlug: textOf(step.jobSlug),
        dependsOn: listOf(whole.dependsOn).map(textOf),
        parameters: step.parameters ?? {},
        produces: listOf(step.produces)
          .map(objectOr)
          .map(({ assetId, autoMaterialize, partitioning, schema }) => ({
            assetId: textOf(assetId),
            schema: objectOf(schema),
            partitioning: readable(decodePartitioning, partitioning),
            policy:
              objectOr(autoMaterialize).enabled === false
                ? undefined
                : objectOf(objectOr(autoMaterialize).parameterDefaults)
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

/** The templates of an http step; those of its assets may name the answer. */
const requestTemplates = (
  { assets, request }: JsonObject,
  path: ReadonlyArray<PropertyKey>,
  names: ReadonlyArray<string>
): OutlineStep["templates"] => {
  const { body, headers, url } = objectOr(request)
  const at = (value: Schema.Json | undefined, ...more: ReadonlyArray<PropertyKey>) =>
    value === undefined ? [] : [{ path: [...path, ...more], value, names }]
  const ofHeaders = Object.entries(objectOr(headers)).flatMap(([name, value]) =>
    typeof value === "string" ? at(value, "request", "headers", name) : []
  )
  const ofAssets = listOf(assets).flatMap((asset, index) => {
    const { partitionKey, payload } = objectOr(asset)
    return [...at(partitionKey, "assets", index, "partitionKey"), ...at(payload, "assets", index, "payload")].map(
      (template) => ({ ...template, names: [...names, "response"] })
    )
  })
  return [...at(url, "request", "url"), ...ofHeaders, ...at(body, "request", "body"), ...ofAssets]
}

const listOf = (value: Schema.Json | undefined): ReadonlyArray<Schema.Json> => (Array.isArray(value) ? value : [])
const textOf = (value: Schema.Json | undefined) => (typeof value === "string" ? value : undefined)
const objectOf = (value: Schema.Json | undefined) => (isObject(value) ? value : undefined)
const objectOr = (value: Schema.Json | undefined): JsonObject => objectOf(value) ?? {}
