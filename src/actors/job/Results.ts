import { Clock, Effect, Result, Schema } from "effect"
import { StoreError } from "../../capabilities/ObjectStore.ts"
import type { Stores } from "../../capabilities/Stores.ts"
import { faultText, Freshness, type ProducedAsset, type StepDefinition } from "../../domain/Definition.ts"
import { assetName, type Failure } from "../../domain/Failure.ts"
import * as Id from "../../domain/Id.ts"
import { checkAgainst, schemaProblems } from "../../domain/JsonSchemaCheck.ts"
import type { Location } from "../../domain/Location.ts"
import {
  isObject as isJsonObject,
  jsonCopy,
  type JsonObject,
  jsonText,
  pathText,
  type Problem
} from "../../domain/JsonBounds.ts"
import { partitionKeyFault } from "../../domain/Partitioning.ts"
import { partitionFault } from "../../domain/RunPartition.ts"
import type { Part, Produced } from "../../domain/Production.ts"
import type { Outcome } from "../../domain/run/RunCommands.ts"
import type { State } from "../../domain/run/RunState.ts"
import type { PartitionKeys } from "../PartitionKeys.ts"
import type { StoreHealth } from "../StoreHealth.ts"
import { type Attempt, locationKey } from "./Attempt.ts"

/** Largest step result and largest asset payload, in bytes of UTF-8 JSON (CONTRACT, section 2). */
export const resultBytesMax = 256 * 1024
export const payloadBytesMax = 64 * 1024
const partitionKeyMax = 200
const probesAtOnce = 8

/** What a job answers, after its shape has been checked. */
export interface Declared {
  readonly assetId: string
  readonly partitionKey?: string | undefined
  readonly payload?: unknown
  readonly producedAt?: number | undefined
  readonly schema?: JsonObject | undefined
  readonly freshness: Freshness | undefined
  readonly locations: ReadonlyArray<Location>
}

const permanent = (code: string, message: string): Failure => ({ class: "permanent", code, message })

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** What is wrong with a part of an answer, as one line: where it is, and what it must be. */
const faultAt = (part: string, { message, path }: Problem): string => {
  const where = path === "" || path.startsWith("[") ? path : `.${path}`
  return `${part}${where} ${message}`
}

/** A key as the end of a path. */
const faultPath = (key: string): string => {
  const text = pathText([key])
  return text.startsWith("[") ? text : `.${text}`
}

/** The first key that nothing knows: what would be lost in silence. */
const unknownKey = (value: Readonly<Record<string, unknown>>, known: ReadonlyArray<string>): string | undefined =>
  Object.keys(value).find((key) => value[key] !== undefined && !known.includes(key))

const answerKeys = ["status", "result", "error"]
/** `schema` is for this payload alone, beside the declared one; `freshness` takes the place of the declared one. */
const assetKeys = ["assetId", "partitionKey", "payload", "producedAt", "schema", "freshness", "locations"]

const decodeFreshness = Schema.decodeUnknownResult(Freshness, { onExcessProperty: "error" })

const readLocation = (value: unknown): Location | null => {
  if (!isObject(value)) return null
  const { bytes, etag, key, sha256, store } = value
  if (typeof store !== "string" || typeof key !== "string" || typeof sha256 !== "string") return null
  if (typeof bytes !== "number" || typeof etag !== "string") return null
  return { store, key, bytes, etag, sha256 }
}

const readTime = (value: unknown): number | null | undefined => {
  if (value === undefined) return undefined
  const at = value instanceof Date ? value.getTime() : typeof value === "string" ? Date.parse(value) : value
  return typeof at === "number" && Number.isSafeInteger(Math.trunc(at)) ? Math.trunc(at) : null
}

const readAsset = (value: unknown, position: number): Declared | Failure => {
  const path = `result.assets[${position}]`
  const invalid = (what: string) => permanent("invalid_result", `${path}${what}`)
  if (!isObject(value)) return invalid(" must be an object with assetId")
  const unknown = unknownKey(value, assetKeys)
  if (unknown !== undefined) {
    return invalid(`${faultPath(unknown)} is not a known field: an asset has ${assetKeys.join(", ")}`)
  }
  const { assetId, freshness, locations = [], partitionKey, payload, producedAt, schema } = value
  if (typeof assetId !== "string") return invalid(".assetId must be a string")
  if (partitionKey !== undefined && (typeof partitionKey !== "string" || partitionKey.length > partitionKeyMax)) {
    return invalid(`.partitionKey must be a string of at most ${partitionKeyMax} characters`)
  }
  const fault = partitionKey === undefined || partitionKey === "" ? undefined : partitionKeyFault(partitionKey)
  if (fault !== undefined) return invalid(`.partitionKey ${fault}`)
  const at = readTime(producedAt)
  if (at === null) return invalid(".producedAt must be a time: epoch ms, an ISO string or a Date")
  if (!Array.isArray(locations)) return invalid(".locations must be a list of what ctx.files or ctx.timestore answered")
  const read = locations.map(readLocation)
  if (read.includes(null)) return invalid(".locations must hold what ctx.files or ctx.timestore answered")
  const written = payload === undefined ? Result.succeed("null") : jsonText(payload)
  if (Result.isFailure(written)) return permanent("invalid_result", faultAt(`${path}.payload`, written.failure))
  const text = written.success
  if (Buffer.byteLength(text) > payloadBytesMax) {
    return permanent("result_too_large", `${path}.payload is larger than ${payloadBytesMax} bytes of JSON`)
  }
  const own = schema === undefined ? undefined : jsonCopy(schema)
  if (own !== undefined && !isJsonObject(own.value)) return invalid(".schema must be a JSON Schema: an object")
  const [broken] = own === undefined ? [] : [...own.problems, ...schemaProblems(own.value as JsonObject, [])]
  if (broken !== undefined) return permanent("invalid_result", faultAt(`${path}.schema`, broken))
  const fresh = freshness === undefined ? Result.succeed(undefined) : decodeFreshness(freshness)
  if (Result.isFailure(fresh)) return invalid(`.freshness ${fresh.failure.message}`)
  return {
    assetId,
    partitionKey,
    schema: own?.value as JsonObject | undefined,
    payload: payload === undefined ? undefined : JSON.parse(text),
    producedAt: at,
    freshness: fresh.success,
    locations: read as ReadonlyArray<Location>
  }
}

/** Which produced asset of the step this is; asset ids are compared without case. */
const declaredBy = (step: StepDefinition, assetId: string) =>
  step.produces.find((produces: ProducedAsset) => Id.assetKey(produces.assetId) === Id.assetKey(assetId))

const partitionFaultOf = (step: StepDefinition, assetId: string, partitionKey: string, now: number): string | null => {
  const partitioning = declaredBy(step, assetId)?.partitioning
  if (partitioning === undefined) return null
  const fault = partitionFault(partitioning, partitionKey, now)
  return fault === undefined ? null : `partition "${partitionKey}" of asset ${assetId} ${fault}`
}

/**
 * Turns what a job answered into the outcome of its attempt: the result's bounds, the declared assets, the parts of
 * each (listed, or written and not listed when the step produces exactly one asset), and a probe of every part.
 */
export const outcomeOf = Effect.fnUntraced(function* (options: {
  readonly run: State
  readonly step: StepDefinition
  readonly answer: unknown
  readonly attempt: Attempt
  readonly stores: Stores["Service"]
  readonly health: StoreHealth["Service"]
  readonly keys: PartitionKeys["Service"]
}): Effect.fn.Return<Outcome, Failure> {
  const { answer, attempt, health, keys, run, step, stores } = options
  if (answer !== undefined && !isObject(answer)) {
    return yield* Effect.fail(
      permanent("invalid_result", `job ${step.jobSlug} must answer { status?, result?, error? }, not ${typeof answer}`)
    )
  }
  const unknown = unknownKey(answer ?? {}, answerKeys)
  if (unknown !== undefined) {
    const message = `${pathText([unknown])} is not a known field: job ${step.jobSlug} may answer ${answerKeys.join(", ")}`
    return yield* Effect.fail(permanent("invalid_result", message))
  }
  const { error, result, status = "succeeded" } = answer ?? {}
  if (status === "failed") {
    const message =
      error instanceof Error
        ? error.message
        : typeof error === "string"
          ? error
          : Result.getOrElse(jsonText(error), () => "job failed")
    return yield* Effect.fail<Failure>({ class: "transient", code: "job_failed", message })
  }
  if (status !== "succeeded") {
    return yield* Effect.fail(
      permanent("invalid_result", `status must be "succeeded" or "failed", not ${String(status)}`)
    )
  }
  const written = result === undefined ? Result.succeed("null") : jsonText(result)
  if (Result.isFailure(written)) {
    return yield* Effect.fail(permanent("invalid_result", faultAt("result", written.failure)))
  }
  const text = written.success
  const { assets = [], ...kept } = isObject(result) ? result : {}
  const keptText = isObject(result) ? JSON.stringify(kept) : text
  if (Buffer.byteLength(keptText) > resultBytesMax) {
    return yield* Effect.fail(
      permanent(
        "result_too_large",
        `result is ${Buffer.byteLength(keptText)} bytes of JSON, more than ${resultBytesMax}`
      )
    )
  }
  if (!Array.isArray(assets)) return yield* Effect.fail(permanent("invalid_result", "result.assets must be a list"))

  const now = yield* Clock.currentTimeMillis
  const listed = new Set<string>()
  const produced: Array<Produced> = []
  const names = new Set<string>()
  for (const [position, value] of assets.entries()) {
    const declared = readAsset(value, position)
    if ("class" in declared) return yield* Effect.fail(declared)
    const known = declaredBy(step, declared.assetId)
    if (known === undefined) {
      const message = `step ${step.id} declares no asset ${declared.assetId} among its produces`
      return yield* Effect.fail(permanent("undeclared_asset", message))
    }
    for (const schema of [known.schema, declared.schema]) {
      if (schema === undefined) continue
      const broken = checkAgainst(schema, declared.payload ?? null, `result.assets[${position}].payload`)
      if (broken.length > 0) {
        const message = `asset ${known.assetId} breaks its schema: ${broken.map(faultText).join("; ")}`
        return yield* Effect.fail(permanent("schema_violation", message))
      }
    }
    const partitionKey = declared.partitionKey ?? run.partitionKey ?? ""
    const fault = partitionFaultOf(step, declared.assetId, partitionKey, now)
    if (fault !== null) return yield* Effect.fail(permanent("invalid_partition", fault))
    const ref = { assetId: known.assetId, partitionKey }
    const id = Id.asset(ref.assetId, ref.partitionKey)
    if (names.has(id)) {
      return yield* Effect.fail(permanent("invalid_result", `result.assets names ${assetName(ref)} twice`))
    }
    names.add(id)
    const parts = declared.locations.map((location): Part => {
      const name = locationKey(location.store, location.key)
      listed.add(name)
      const written = attempt.writes.get(name)
      return written === undefined ? { ...location, written: false } : { ...written, written: true }
    })
    produced.push({
      ...ref,
      ...(declared.payload === undefined ? {} : { payload: declared.payload }),
      ...(declared.producedAt === undefined ? {} : { producedAt: declared.producedAt }),
      ...(declared.freshness === undefined ? {} : { freshness: declared.freshness }),
      parts
    })
  }
  const unlisted = [...attempt.writes].filter(([name]) => !listed.has(name)).map(([, location]) => location)
  const only = step.produces.length === 1 && produced.length === 1 ? produced[0]! : null
  const complete =
    only === null
      ? produced
      : [{ ...only, parts: [...only.parts, ...unlisted.map((part) => ({ ...part, written: true }))] }]
  yield* probeParts(complete, stores, health)
  for (const { assetId, partitionKey } of complete) {
    const fault = yield* keys.admit([{ assetId, partitioning: declaredBy(step, assetId)?.partitioning }], partitionKey)
    if (fault === undefined) continue
    const message = `partition "${partitionKey}" of asset ${assetId} ${fault}`
    return yield* Effect.fail(permanent("invalid_partition", message))
  }
  return {
    ok: true,
    result: isObject(result) ? (JSON.parse(keptText) as unknown) : result === undefined ? undefined : JSON.parse(text),
    produced: complete,
    reads: [...attempt.reads.values()],
    unowned: only === null ? unlisted.map(({ key, store }) => locationKey(store, key)) : []
  }
})

/** Every part that the step says it made has to be there, or it is no success (T38). */
const probeParts = (
  produced: ReadonlyArray<Produced>,
  stores: Stores["Service"],
  health: StoreHealth["Service"]
): Effect.Effect<void, Failure> =>
  Effect.forEach(
    produced.flatMap(({ assetId, partitionKey, parts }) => parts.map((part) => ({ part, assetId, partitionKey }))),
    ({ assetId, part, partitionKey }) =>
      Effect.gen(function* () {
        const store = yield* stores.get(part.store)
        yield* store.stat(part.key)
      }).pipe(
        Effect.catch((error) => {
          if (!(error instanceof StoreError)) return Effect.fail(permanent("unknown_store", error.message))
          if (error.failure.class !== "asset_missing") {
            return Effect.andThen(health.observe(error.failure), Effect.fail(error.failure))
          }
          const message = `the step ended well, but ${part.store}/${part.key} of ${assetName({ assetId, partitionKey })} is not there`
          return Effect.fail(permanent("output_absent", message))
        })
      ),
    { concurrency: probesAtOnce, discard: true }
  )
