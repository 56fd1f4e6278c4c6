export interface BucketSettings {
  /** What a bucket that was not used for a while has; at least 1. */
  readonly capacity: number
  readonly perSecond: number
}

/** Buckets in memory, at most: beyond them the one that was used longest ago is forgotten, which fills it. */
export const bucketsMax = 10_000

/**
 * A token bucket for each key. A key may go on as long as its bucket has a token, and then as fast as it fills. Times
 * are epoch ms; a clock that is set back only fills nothing for a while.
 */
export const make = ({ capacity, perSecond }: BucketSettings) => {
  const buckets = new Map<string, { readonly level: number; readonly at: number }>()
  const levelOf = (key: string, now: number): number => {
    const bucket = buckets.get(key)
    if (bucket === undefined) return capacity
    return Math.min(capacity, bucket.level + (Math.max(0, now - bucket.at) / 1000) * perSecond)
  }
  /** How long until the key may go on, ms; 0: now. */
  const waitMs = (key: string, now: number): number => {
    const level = levelOf(key, now)
    // Less than a nanosecond is what computing with fractions adds.
    return level >= 1 ? 0 : Math.ceil(((1 - level) / perSecond) * 1000 - 1e-6)
  }
  return {
    waitMs,
    /** As `waitMs`; a token is taken when it answers 0. */
    take: (key: string, now: number): number => {
      const wait = waitMs(key, now)
      if (wait > 0) return wait
      const level = levelOf(key, now) - 1
      // Last in the map is who was here last.
      buckets.delete(key)
      buckets.set(key, { level, at: now })
      if (buckets.size > bucketsMax) buckets.delete(buckets.keys().next().value ?? "")
      return 0
    },
    size: () => buckets.size
  }
}
export type TokenBuckets = ReturnType<typeof make>
