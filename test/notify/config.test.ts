import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { resolveBySystem } from "../../src/capabilities/HttpAccess.ts"
import type { NotificationConfig } from "../../src/domain/NotificationConfig.ts"
import * as Channels from "../../src/notify/Channels.ts"
import { defineApp } from "../../src/sdk/App.ts"
import { checkApp } from "../../src/sdk/AppCheck.ts"

const faultsOf = (notifications: unknown): ReadonlyArray<string> => {
  const checked = checkApp(defineApp({ notifications: notifications as NotificationConfig }))
  return Result.isFailure(checked) ? checked.failure.problems.map(({ message, path }) => `${path}: ${message}`) : []
}
const ops = { type: "webhook", url: "https://hooks.example.org/x", secret: { env: "OPS_SECRET" } } as const
const night = { type: "email", host: "smtp.example.org", from: "k@example.org", to: ["n@example.org"] } as const
const access = { allow: [], resolve: resolveBySystem }

describe("notifications in an app module", () => {
  it("are checked with path and rule (F87)", () => {
    assert.deepStrictEqual(
      faultsOf({ channels: { ops, night }, routes: [{ workflow: "a", to: ["ops", "night"] }] }),
      []
    )
    assert.deepStrictEqual(faultsOf({ channels: { ops }, routes: [{ to: ["opps"] }] }), [
      'notifications.routes[0].to[0]: no channel is named "opps"; there are: ops'
    ])
    assert.deepStrictEqual(faultsOf({ channels: { night: { ...night, user: "k" } } }), [
      "notifications.channels.night: must have both user and password, or neither"
    ])
    assert.deepStrictEqual(
      faultsOf({ channels: { night: { ...night, user: "k", password: { env: "P" }, tls: "none" } } }),
      ['notifications.channels.night.tls: must not be "none" where a password is sent']
    )
    for (const wrong of [
      { channels: { ops: { ...ops, secret: "in the module" } } },
      { channels: { ops: { ...ops, retries: 3 } } },
      { channels: { ops: { ...ops, perMinute: 0 } } },
      { channels: { ops: { ...ops, giveUpAfterMs: 1_000 } } },
      { channels: { ops: { ...ops, url: "ftp://x" } } },
      { channels: { night: { ...night, to: ["a@b\r\nBcc: c@d"] } } },
      { channels: { ops }, routes: [{ kinds: ["bad"], to: ["ops"] }] },
      { channels: { ops }, routes: [] }
    ]) {
      const faults = faultsOf(wrong)
      assert.isNotEmpty(faults, JSON.stringify(wrong))
      for (const fault of faults) assert.match(fault, /^notifications\./)
    }
  })

  it.effect("name the variable that is not set, and the field that wants it", () =>
    Effect.gen(function* () {
      const missing = yield* Effect.flip(Channels.make({ channels: { ops } }, access, () => undefined))
      assert.strictEqual(
        missing.message,
        "--app: notifications.channels.ops.secret: the environment variable OPS_SECRET is not set"
      )
      const short = yield* Effect.flip(Channels.make({ channels: { ops } }, access, () => "short"))
      assert.include(short.message, "must have at least 16 characters")
      assert.notInclude(short.message, "short ")
    })
  )
})
