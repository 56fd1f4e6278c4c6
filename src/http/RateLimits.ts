/** How often somebody may ask. 0 in `perSecond` or `failuresPerMinute`: without a limit. */
export interface RateLimits {
  /** Requests of one principal, in the long run. */
  readonly perSecond: number
  /** Requests that it may send at once after a pause. */
  readonly burst: number
  /** Wrong credentials from one address. */
  readonly failuresPerMinute: number
}

/** High enough for scripts and pages that are in order; a loop that has gone wild is slowed down. */
export const rateLimitsDefault: RateLimits = { perSecond: 2_000, burst: 4_000, failuresPerMinute: 600 }
