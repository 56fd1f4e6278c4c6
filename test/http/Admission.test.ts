import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as TokenBuckets from "../../src/http/TokenBuckets.ts"
import * as Fakes from "./Fakes.ts"
import { send, server, token as admin } from "./Harness.ts"
import { issue, served } from "./realEngine.ts"

const runs = "/api/v1/workflows"
const statuses = (count: number, token: string, path = runs) =>
  Effect.forEach(Array.from({ length: count }), () => Effect.map(send("GET", path, { token }), ({ status }) => status))
const without = { perSecond: 0, burst: 1, failuresPerMinute: 0 }

describe("token buckets", () => {
  it("F84: give what they hold at once, and then as fast as they fill", () => {
    const buckets = TokenBuckets.make({ capacity: 2, perSecond: 4 })
    assert.deepStrictEqual(
      [0, 0, 0].map(() => buckets.take("a", 1_000)),
      [0, 0, 250]
    )
    assert.strictEqual(buckets.take("b", 1_000), 0, "each key has its own")
    assert.strictEqual(buckets.take("a", 1_249), 1)
    assert.strictEqual(buckets.take("a", 1_250), 0)
    assert.strictEqual(buckets.take("a", 1_250), 250)
    assert.deepStrictEqual(
      [0, 0, 0].map(() => buckets.take("a", 60_000)),
      [0, 0, 250],
      "and no more than they hold"
    )
    assert.strictEqual(buckets.take("a", 30_000), 250, "a clock that is set back fills nothing")
  })

  it("F84: are bounded in number: the one that was used longest ago makes room", () => {
    const buckets = TokenBuckets.make({ capacity: 1, perSecond: 1 })
    buckets.take("first", 0)
    for (let index = 0; index < TokenBuckets.bucketsMax - 1; index++) buckets.take(`k${index}`, 0)
    assert.isAbove(buckets.take("first", 0), 0)
    buckets.take("one more", 0)
    assert.strictEqual(buckets.size(), TokenBuckets.bucketsMax)
    assert.strictEqual(buckets.take("first", 0), 0, "forgotten")
  })
})

describe("who asks too often", () => {
  it.live("F84: is told 429 and when to come back; others, and the open routes, go on", () =>
    served(
      { settings: { rateLimits: { ...without, perSecond: 0.001, burst: 3 } } },
      Effect.gen(function* () {
        const { id, token } = yield* issue("viewer")
        assert.deepStrictEqual(yield* statuses(4, token), [200, 200, 200, 429])
        const limited = yield* send("GET", runs, { token })
        assert.deepInclude(limited.json, { status: 429, code: "rate_limited" })
        assert.include(String(limited.json.detail), `token:${id}`)
        assert.isAbove(Number(limited.headers.get("retry-after")), 900)
        assert.strictEqual(limited.headers.get("x-content-type-options"), "nosniff")
        assert.deepStrictEqual(yield* statuses(2, admin), [200, 200])
        assert.deepStrictEqual(yield* statuses(3, token, "/livez"), [200, 200, 200])
      })
    )
  )

  it.live("F84: forbidden requests count, too", () =>
    served(
      { settings: { rateLimits: { ...without, perSecond: 0.001, burst: 3 } } },
      Effect.gen(function* () {
        const { token } = yield* issue("viewer")
        assert.deepStrictEqual(yield* statuses(4, token, "/api/v1/admin/tokens"), [403, 403, 403, 429])
      })
    )
  )

  it.live("F84: an address that guesses credentials is held up; who was let in before goes on", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* statuses(1, admin), [200])
      assert.deepStrictEqual(yield* statuses(5, "", runs), [401, 401, 401, 401, 401], "nothing was guessed")
      assert.deepStrictEqual(yield* statuses(4, "a-guess"), [401, 401, 401, 429])
      assert.deepStrictEqual(yield* statuses(2, admin), [200, 200])
      const held = yield* send("GET", runs, { token: "another" })
      assert.include(String(held.json.detail), "wrong credentials")
      assert.isString(held.headers.get("retry-after"))
    }).pipe(Effect.provide(server(Fakes.makeState(), undefined, { rateLimits: { ...without, failuresPerMinute: 3 } })))
  )

  it.live("F84: a right guess is not told from a wrong one while the address is held up", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* statuses(2, "a-guess"), [401, 429])
      assert.deepStrictEqual(yield* statuses(1, admin), [429])
    }).pipe(Effect.provide(server(Fakes.makeState(), undefined, { rateLimits: { ...without, failuresPerMinute: 1 } })))
  )
})
