import { Schema } from "effect"

/** How long a generation is fresh, in ms. Absent: for ever. */
export const Freshness = Schema.Struct({
  /** After its production. */
  ttlMs: Schema.optionalKey(Schema.Int),
  /** By the clock: until the next whole multiple since 1970-01-01T00:00Z. */
  cadenceMs: Schema.optionalKey(Schema.Int),
  /** The age at which a consumer refuses it. */
  maxAgeMs: Schema.optionalKey(Schema.Int)
})
export type Freshness = typeof Freshness.Type

/** When a generation stops being fresh, epoch ms, and by which rule. */
export interface Expiry {
  readonly at: number
  readonly reason: "ttl" | "cadence"
}

/** The earlier of the two rules; null: it never expires. */
export const expiryOf = ({
  freshness,
  producedAt
}: {
  readonly freshness?: Freshness | undefined
  readonly producedAt: number
}): Expiry | null => {
  if (freshness === undefined) return null
  const { cadenceMs, ttlMs } = freshness
  const ttl: Expiry | null = ttlMs === undefined ? null : { at: producedAt + ttlMs, reason: "ttl" }
  const cadence: Expiry | null =
    cadenceMs === undefined ? null : { at: (Math.floor(producedAt / cadenceMs) + 1) * cadenceMs, reason: "cadence" }
  if (ttl === null || cadence === null) return ttl ?? cadence
  return ttl.at <= cadence.at ? ttl : cadence
}

/** The least of the ages at which a consumer refuses the generation, ms; null: it takes any. */
export const maxAgeOf = (consumerMs: number | undefined, freshness: Freshness | undefined): number | null => {
  const ages = [consumerMs, freshness?.maxAgeMs].filter((age) => age !== undefined)
  return ages.length === 0 ? null : Math.min(...ages)
}
