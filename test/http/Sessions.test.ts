import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { Sessions } from "../../src/http/admin/Sessions.ts"
import { Authenticate } from "../../src/http/Authenticate.ts"

/** Whose tokens count; a test takes one away. */
const tokens = new Map<string, string>()
const layer = Sessions.layer.pipe(
  Layer.provide(
    Layer.succeed(Authenticate, {
      identify: (credential) =>
        Effect.sync(() => {
          const principal = tokens.get(Redacted.value(credential))
          return principal === undefined ? null : { principal, role: "viewer" as const }
        })
    })
  )
)

const begun = Effect.gen(function* () {
  tokens.set("t", "ann")
  const sessions = yield* Sessions
  const answer = yield* sessions.signIn(Redacted.make("t"), "1.2.3.4")
  assert(answer._tag === "In")
  return { ...sessions, id: answer.id }
})

describe("a session of the admin page", () => {
  it.effect("is over after an hour without a visit; a page that loads itself again is none", () =>
    Effect.gen(function* () {
      const { find, id } = yield* begun
      yield* TestClock.adjust("50 minutes")
      assert.deepInclude(yield* find(id, true), { principal: "ann" })
      yield* TestClock.adjust("50 minutes")
      assert.isNotNull(yield* find(id, false))
      yield* TestClock.adjust("11 minutes")
      assert.isNull(yield* find(id, false))
      assert.isNull(yield* find(id, true), "and does not come back")
    }).pipe(Effect.provide(layer))
  )

  it.effect("is over after 12 hours, however busy", () =>
    Effect.gen(function* () {
      const { find, id } = yield* begun
      for (let visit = 0; visit < 23; visit++) {
        yield* TestClock.adjust("30 minutes")
        assert.isNotNull(yield* find(id, true))
      }
      yield* TestClock.adjust("30 minutes")
      assert.isNull(yield* find(id, true))
    }).pipe(Effect.provide(layer))
  )

  it.effect("F84: ends with its token: a revoked one shows nothing any more", () =>
    Effect.gen(function* () {
      const { find, id } = yield* begun
      tokens.delete("t")
      assert.isNull(yield* find(id, true))
      tokens.set("t", "ann")
      assert.isNull(yield* find(id, true))
    }).pipe(Effect.provide(layer))
  )

  it.effect("is not begun after five wrong tokens of an address, until a minute has passed; others are let in", () =>
    Effect.gen(function* () {
      const { signIn } = yield* begun
      const wrong = signIn(Redacted.make("guess"), "6.6.6.6")
      for (let time = 0; time < 5; time++) assert.strictEqual((yield* wrong)._tag, "Wrong")
      assert.strictEqual((yield* wrong)._tag, "Later")
      assert.strictEqual((yield* signIn(Redacted.make("t"), "6.6.6.6"))._tag, "Later")
      assert.strictEqual((yield* signIn(Redacted.make("t"), "1.2.3.4"))._tag, "In")
      yield* TestClock.adjust("61 seconds")
      assert.strictEqual((yield* signIn(Redacted.make("t"), "6.6.6.6"))._tag, "In")
    }).pipe(Effect.provide(layer))
  )
})
