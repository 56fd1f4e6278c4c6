import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as TokenDirectory from "../../src/actors/TokenDirectory.ts"
import type * as AccessToken from "../../src/domain/AccessToken.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as HashChain from "../../src/eventstore/HashChain.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"

const issued: AccessToken.Event = {
  ...{ _tag: "TokenIssued", name: "x", role: "viewer", prefix: "p", hash: "h1", expiresAt: null, by: "admin", at: 0 }
}
const revoked: AccessToken.Event = { _tag: "TokenRevoked", reason: "", by: "admin", at: 1 }

/** What another process writes to the log. */
const append = Effect.fnUntraced(function* (expectedVersion: number, event: AccessToken.Event) {
  const log = yield* EventStore
  const encoded = { ...TokenDirectory.encode(event), metadata: {}, recordedAt: event.at }
  const hash = HashChain.link("", { ...encoded, metadata: "{}", streamVersion: expectedVersion + 1 })
  const streamName = "token-t1"
  yield* log.append({ streamName, expectedVersion, events: [{ ...encoded, hash }], wakeAt: null, waitsOn: null })
})

describe("the directory of tokens", () => {
  it.effect("F84: knows at the start what is in the log, and within seconds what another process revokes", () =>
    Effect.gen(function* () {
      yield* append(0, issued)
      const directory = yield* TokenDirectory.TokenDirectory
      yield* Layer.build(TokenDirectory.TokenDirectory.layerFollower)
      assert.strictEqual(directory.byHash("h1")?.id, "t1")
      yield* append(1, revoked)
      assert.isNull(directory.byHash("h1")?.token.revokedAt)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(directory.byHash("h1")?.token.revokedAt, 1)
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(TokenDirectory.TokenDirectory.layer, MemoryEventStore.layer)))
  )

  it.effect("F84: is not taken back by what it reads late", () =>
    Effect.gen(function* () {
      const { byHash, note } = yield* TokenDirectory.TokenDirectory
      const token = { ...issued, previous: null, issuedAt: 0, issuedBy: "admin", rotatedAt: null, revokedBy: null }
      note("t1", { version: 2, token: { ...token, role: "viewer", revokedAt: 1 } })
      note("t1", { version: 1, token: { ...token, role: "viewer", revokedAt: null } })
      assert.strictEqual(byHash("h1")?.token.revokedAt, 1)
    }).pipe(Effect.provide(TokenDirectory.TokenDirectory.layer))
  )
})
