import { Result, Schema } from "effect"
import { AssetId, Freshness } from "../domain/Definition.ts"
import * as Id from "../domain/Id.ts"
import { partitionKeyFault } from "../domain/Partitioning.ts"
import { source as provenance } from "../domain/Provenance.ts"
import { attributes, type CloudEventInvalid, parse, strict, Timestamp } from "./CloudEvent.ts"

/** The name of one partition: 1 to 200 characters without control characters. */
const PartitionKey = Schema.String.check(Schema.makeFilter((key: string) => partitionKeyFault(key) ?? true))

/** Largest payload of an asset and longest event, in bytes of UTF-8. */
export const payloadBytesMax = 64 * 1024
export const eventBytesMax = 1024 * 1024
/** Most objects of one announcement. */
export const locationsMax = 1_000

/** What this runtime says itself of assets that it found; nobody else may, or their updates would be taken for those. */
export const sourceFault = (source: string): string | undefined =>
  source === provenance ? `must name the system that announces; "${provenance}" is this runtime's own word` : undefined

const named = Schema.String.check(Schema.isNonEmpty({ message: "must not be empty" }))

/** An object of one of Kintsugi's stores. What is said of it must be so; what is not said is found out. */
export const AnnouncedLocation = Schema.Struct({
  store: named,
  key: named,
  bytes: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0, { message: "must not be negative" }))),
  etag: Schema.optionalKey(Schema.String),
  sha256: Schema.optionalKey(
    Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/, { message: "must be 64 lower-case hex digits" }))
  )
})
type AnnouncedLocation = typeof AnnouncedLocation.Type

const Payload = Schema.Json.check(
  Schema.makeFilter((payload) =>
    Buffer.byteLength(JSON.stringify(payload)) <= payloadBytesMax
      ? true
      : `must be at most ${payloadBytesMax} bytes of JSON`
  )
)

const Announced = Schema.Struct({
  ...attributes,
  source: attributes.source.check(Schema.makeFilter((source: string) => sourceFault(source) ?? true)),
  type: Schema.Literal("asset.produced"),
  subject: Schema.optionalKey(Schema.String),
  time: Schema.optionalKey(Timestamp),
  data: Schema.Struct({
    assetId: AssetId,
    partitionKey: Schema.optionalKey(PartitionKey),
    producedAt: Schema.optionalKey(Timestamp),
    payload: Schema.optionalKey(Payload),
    locations: Schema.optionalKey(Schema.Array(AnnouncedLocation).check(Schema.isMaxLength(locationsMax))),
    freshness: Schema.optionalKey(Freshness)
  })
})

/**
 * A production that another system made. `source` and `id` name the announcement: the receiver takes a second one with
 * the same two for the first. `partitionKey` is "" for an asset without partitions.
 */
export interface Announcement {
  readonly source: string
  readonly id: string
  readonly assetId: string
  readonly partitionKey: string
  /** Epoch ms; undefined: when it was received. */
  readonly producedAt: number | undefined
  readonly payload: Schema.Json | undefined
  readonly locations: ReadonlyArray<AnnouncedLocation>
  /** Undefined: as the asset's producer declares. */
  readonly freshness: Freshness | undefined
}

/** Reads an `asset.produced` CloudEvent of another system: structured JSON, `data` with at least `assetId`. */
export const decode = (text: string): Result.Result<Announcement, CloudEventInvalid> =>
  Result.flatMap(parse(text, [], eventBytesMax), (event) =>
    Result.map(decodeAnnounced(event), ({ data, id, source, time }) => {
      const producedAt = data.producedAt ?? time
      return {
        source,
        id,
        assetId: data.assetId,
        partitionKey: data.partitionKey ?? "",
        producedAt: producedAt === undefined ? undefined : Date.parse(producedAt),
        payload: data.payload,
        locations: data.locations ?? [],
        freshness: data.freshness
      }
    })
  )

/** Announcements with the same key are handled in order. */
export const orderKey = ({ assetId, partitionKey }: Announcement): string =>
  JSON.stringify([Id.assetKey(assetId), partitionKey])

const decodeAnnounced = strict(Announced)
