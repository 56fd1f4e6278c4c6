import { Console, Effect, Result, Schema } from "effect"
import { itemsMax, listLimitMax, locationsMax } from "../domain/Provenance.ts"
import * as Remote from "./Remote.ts"
import type { ClientSettings } from "./Settings.ts"
import { invalid, SettingInvalid } from "./SettingText.ts"

export interface Options {
  readonly store: string
  readonly prefix: string
  readonly asset: string
  readonly workflow: string | undefined
  /** A pattern of keys with a group `key`. */
  readonly partitionFrom: string | undefined
  readonly partition: string | undefined
  readonly batchSize: number | undefined
  readonly limit: number | undefined
  readonly dryRun: boolean
  readonly json: boolean
}

const Objects = Schema.Struct({
  data: Schema.Struct({ objects: Schema.Array(Schema.Struct({ key: Schema.String })), truncated: Schema.Boolean })
})
const Recorded = Schema.Struct({
  data: Schema.Struct({
    results: Schema.Array(
      Schema.Struct({
        partitionKey: Schema.NullOr(Schema.String),
        status: Schema.Literals(["recorded", "present", "skipped"]),
        reason: Schema.NullOr(Schema.String)
      })
    )
  })
})

const batchSizeDefault = 50
/** Reasons that are printed; the rest is counted. */
const shownMax = 20

interface Skipped {
  readonly partitionKey: string | null
  readonly reason: string
}

/** Records what lies in a store as the first generation of an asset's partitions; what is known already is left alone. */
export const run = Effect.fn("BackfillProvenance.run")(function* (settings: ClientSettings, options: Options) {
  const partitionOf = yield* Effect.fromResult(partitioner(options))
  const batchSize = yield* Effect.fromResult(bounded("--batch-size", options.batchSize ?? batchSizeDefault, itemsMax))
  const limit = yield* Effect.fromResult(
    bounded("--limit", options.limit ?? Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
  )
  const { asset, dryRun, json, prefix, store, workflow } = options
  const remote = yield* Remote.connect(settings)

  const query = new URLSearchParams({ limit: String(listLimitMax), ...(prefix === "" ? {} : { prefix }) })
  const listed = yield* remote.call(Objects, "GET", `/stores/${encodeURIComponent(store)}/objects?${query}`)
  const { objects, truncated } = listed.data
  const groups = new Map<string, Array<string>>()
  let matched = 0
  for (const { key } of objects) {
    const partition = partitionOf(key)
    if (partition === null) continue
    matched++
    const group = groups.get(partition)
    if (group === undefined) groups.set(partition, [key])
    else group.push(key)
  }

  const skipped: Array<Skipped> = []
  const items = [...groups].flatMap(([partitionKey, keys]) => {
    if (keys.length <= locationsMax) return [{ partitionKey, keys }]
    skipped.push({ partitionKey, reason: `has ${keys.length} objects, and ${locationsMax} is the most` })
    return []
  })
  let recorded = 0
  let present = 0
  for (let from = 0; from < items.length && recorded < limit; ) {
    const batch = items.slice(from, from + Math.min(batchSize, limit - recorded))
    from += batch.length
    const body = {
      dryRun,
      // A partition that a pattern found is the objects' fault, one that was given is the caller's.
      skipUnfit: options.partitionFrom !== undefined,
      items: batch.map(({ keys, partitionKey }) => ({
        ...(partitionKey === "" ? {} : { partitionKey }),
        ...(workflow === undefined ? {} : { workflow }),
        locations: keys.map((key) => ({ store, key }))
      }))
    }
    const path = `/assets/${encodeURIComponent(asset)}/provenance`
    const { data } = yield* remote.call(Recorded, "POST", path, body)
    for (const { partitionKey, reason, status } of data.results) {
      if (status === "recorded") recorded++
      else if (status === "present") present++
      else skipped.push({ partitionKey, reason: reason ?? "" })
    }
  }

  const counters = { scanned: objects.length, matched, partitions: groups.size, recorded, present }
  if (json) {
    return yield* Console.log(JSON.stringify({ ...counters, skipped, dryRun, truncated }))
  }
  const words = dryRun ? "would be recorded" : "recorded"
  yield* Console.log(`${objects.length} objects, ${matched} of them match: ${groups.size} partitions`)
  yield* Console.log(`${recorded} ${words}, ${present} already there, ${skipped.length} skipped`)
  for (const { partitionKey, reason } of skipped.slice(0, shownMax)) {
    yield* Console.log(`  ${partitionKey ?? asset}: ${reason}`)
  }
  if (skipped.length > shownMax) yield* Console.log(`  and ${skipped.length - shownMax} more`)
  if (truncated) yield* Console.log(`the store has more than ${listLimitMax} objects here: narrow it with --prefix`)
})

/** The partition of a key; "" for an asset without partitions, null for a key that is none of the asset's. */
const partitioner = ({
  partition,
  partitionFrom
}: Options): Result.Result<(key: string) => string | null, SettingInvalid> => {
  if (partition !== undefined && partitionFrom !== undefined) {
    const message = "--partition and --partition-from exclude each other"
    return Result.fail(new SettingInvalid({ setting: "--partition", message }))
  }
  if (partitionFrom === undefined) return Result.succeed(() => partition ?? "")
  return Result.mapError(
    Result.flatMap(
      Result.try(() => new RegExp(partitionFrom, "u")),
      (pattern) =>
        // An empty match tells which groups the pattern has.
        "key" in (new RegExp(`${partitionFrom}|`, "u").exec("")?.groups ?? {})
          ? Result.succeed((key: string) => pattern.exec(key)?.groups?.key ?? null)
          : Result.fail(new Error("it has no group (?<key>…)"))
    ),
    (cause) =>
      invalid("--partition-from", `a regular expression with a group (?<key>…) (${String(cause)})`, partitionFrom)
  )
}

const bounded = (name: string, value: number, maximum: number): Result.Result<number, SettingInvalid> =>
  value >= 1 && value <= maximum
    ? Result.succeed(value)
    : Result.fail(invalid(name, `a whole number from 1 to ${maximum}`, String(value)))
