import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { RetryPolicy } from "../../src/domain/Definition.ts"
import { attemptsMax, delayMs } from "../../src/domain/RetrySchedule.ts"

const policy = (more: Partial<RetryPolicy>): RetryPolicy => ({
  maxAttempts: 4,
  strategy: "exponential",
  initialDelayMs: 1000,
  maxDelayMs: 60_000,
  jitter: "none",
  ...more
})

/** The delays before the retries 1 to `count`. */
const delays = (given: RetryPolicy, count: number, random01: number) =>
  Array.from({ length: count }, (_, index) => delayMs(given, index + 1, random01))

const anyPolicy = fc.record({
  maxAttempts: fc.integer({ min: 1, max: 1000 }),
  strategy: fc.constantFrom("none" as const, "fixed" as const, "exponential" as const),
  initialDelayMs: fc.integer({ min: 0, max: 2_147_483_647 }),
  maxDelayMs: fc.integer({ min: 0, max: 2_147_483_647 }),
  jitter: fc.constantFrom("none" as const, "full" as const, "equal" as const)
})
const random01 = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const retryNumber = fc.integer({ min: 1, max: 1000 })

describe("RetrySchedule", () => {
  it("doubles from the first delay up to the cap (F42, T11)", () => {
    const expected = [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]
    assert.deepStrictEqual(delays(policy({}), 8, 0.5), expected)
  })

  it("keeps a fixed delay fixed, also above the cap of the exponential one (F42)", () => {
    assert.deepStrictEqual(
      delays(policy({ strategy: "fixed", initialDelayMs: 90_000 }), 3, 0.5),
      [90_000, 90_000, 90_000]
    )
  })

  it("has no retry under strategy none (T10)", () => {
    assert.strictEqual(attemptsMax(policy({ strategy: "none" })), 1)
    assert.strictEqual(attemptsMax(policy({ maxAttempts: 4 })), 4)
    assert.strictEqual(delayMs(policy({ strategy: "none" }), 1, 0.5), 0)
  })

  it("spreads full jitter over the whole delay and equal jitter over its upper half (F42, T11)", () => {
    const full = policy({ jitter: "full" })
    assert.deepStrictEqual(
      [0, 0.25, 0.5].map((random) => delayMs(full, 3, random)),
      [0, 1000, 2000]
    )
    const equal = policy({ jitter: "equal" })
    assert.deepStrictEqual(
      [0, 0.25, 0.5].map((random) => delayMs(equal, 3, random)),
      [2000, 2500, 3000]
    )
  })

  it("always gives a whole number within the bounds of its jitter", () => {
    fc.assert(
      fc.property(anyPolicy, retryNumber, random01, (given, retry, random) => {
        const plain = delayMs({ ...given, jitter: "none" }, retry, random)
        const delay = delayMs(given, retry, random)
        const least = given.jitter === "full" ? 0 : given.jitter === "equal" ? Math.floor(plain / 2) : plain
        assert(Number.isSafeInteger(delay) && delay >= least && delay <= plain, `${delay} of ${plain}`)
      })
    )
  })

  it("never lets an exponential delay shrink from retry to retry, nor pass its cap", () => {
    fc.assert(
      fc.property(anyPolicy, retryNumber, (given, retry) => {
        const exponential = { ...given, strategy: "exponential", jitter: "none" } as const
        const delay = delayMs(exponential, retry, 0)
        assert(delay <= delayMs(exponential, retry + 1, 0))
        assert(delay <= given.maxDelayMs)
        const doubled = given.initialDelayMs * 2 ** (retry - 1)
        if (doubled <= given.maxDelayMs && retry <= 32) assert.strictEqual(delay, doubled)
      })
    )
  })

  it("draws different delays for different random numbers (T11)", () => {
    const drawn = Array.from({ length: 100 }, (_, index) => delayMs(policy({ jitter: "full" }), 4, index / 100))
    assert.strictEqual(new Set(drawn).size, 100)
  })
})
