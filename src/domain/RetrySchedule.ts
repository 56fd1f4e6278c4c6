import type { RetryPolicy } from "./Definition.ts"

/**
 * The delay in ms before retry `retryNumber` (from 1: the first execution is no retry), a whole number (F42, T11).
 *
 * `fixed` is always `initialDelayMs`; `exponential` is `initialDelayMs` × 2^(n-1), at most `maxDelayMs`. Jitter draws by
 * `random01` (0 ≤ r < 1, from the caller): `full` anywhere in [0, delay], `equal` in [delay/2, delay], `none` the delay
 * itself (Brooker, "Exponential Backoff And Jitter"). Strategy `none` has no retry: its delay is 0.
 */
export const delayMs = (policy: RetryPolicy, retryNumber: number, random01: number): number => {
  const full = unjitteredMs(policy, retryNumber)
  switch (policy.jitter) {
    case "none":
      return full
    case "full":
      return Math.round(full * random01)
    case "equal":
      return Math.round(full / 2 + (full / 2) * random01)
  }
}

/** Executions that may end as `transient`, the first one included: 1 means no retry (T10). */
export const attemptsMax = (policy: RetryPolicy): number => (policy.strategy === "none" ? 1 : policy.maxAttempts)

const unjitteredMs = (policy: RetryPolicy, retryNumber: number): number => {
  switch (policy.strategy) {
    case "none":
      return 0
    case "fixed":
      return policy.initialDelayMs
    case "exponential":
      // Beyond 2^31 every cap is reached; the bound keeps 0 × Infinity out of it.
      return Math.min(policy.initialDelayMs * 2 ** Math.min(retryNumber - 1, 31), policy.maxDelayMs)
  }
}
