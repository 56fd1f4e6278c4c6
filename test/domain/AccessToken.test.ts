import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as AccessToken from "../../src/domain/AccessToken.ts"
import * as Decider from "../../src/domain/Decider.ts"
import { mayAct, roles } from "../../src/domain/Role.ts"
import { given } from "../support/given.ts"

const token = given(AccessToken.decider)
const fields = { name: "x", role: "viewer", prefix: "p1", hash: "h1", expiresAt: null, by: "admin" } as const
const issued = (expiresAt: number | null = null): AccessToken.Event => ({
  ...{ ...fields, expiresAt, _tag: "TokenIssued", at: 0 }
})
const rotated = (previousUntil: number | null): AccessToken.Event => ({
  ...{ _tag: "TokenRotated", prefix: "p2", hash: "h2", previousUntil, expiresAt: null, by: "admin", at: 10 }
})
const revoked: AccessToken.Event = { _tag: "TokenRevoked", reason: "", by: "admin", at: 20 }
const rotate = { _tag: "Rotate", prefix: "p2", hash: "h2", by: "admin", expiresAt: undefined, now: 10 } as const

const admits = (hash: string, now: number, ...events: ReadonlyArray<AccessToken.Event>) => {
  const state = Decider.fold(AccessToken.decider, AccessToken.initial, events)
  assert(state.token !== null)
  return AccessToken.admits(state.token, hash, now)
}

describe("an API token", () => {
  it("F84: is issued once, and revoked once", () => {
    const command = { ...fields, _tag: "Issue", now: 0 } as const
    token().when(command).then(issued())
    token(issued()).when(command).then()
    const revoke = { _tag: "Revoke", reason: "", by: "admin", now: 20 } as const
    token(issued()).when(revoke).then(revoked)
    token(issued(), revoked).when(revoke).then()
    token().when(revoke).then()
    token()
      .when({ ...rotate, overlapMs: 0 })
      .then()
  })

  it("F84: is rotated with an overlap of a day at most, and not when it has ended", () => {
    token(issued())
      .when({ ...rotate, overlapMs: 0 })
      .then(rotated(null))
    token(issued())
      .when({ ...rotate, overlapMs: 5 })
      .then(rotated(15))
    token(issued())
      .when({ ...rotate, overlapMs: 1e12 })
      .then(rotated(10 + AccessToken.overlapMsMax))
    token(issued(), revoked)
      .when({ ...rotate, overlapMs: 0 })
      .thenRejected("IllegalTransition")
    token(issued(10))
      .when({ ...rotate, overlapMs: 0 })
      .thenRejected("IllegalTransition")
  })

  it("F84: keeps its end at a rotation that does not name another", () => {
    const after = AccessToken.decide({ ...rotate, overlapMs: 0 }, AccessToken.evolve(AccessToken.initial, issued(50)))
    assert.deepStrictEqual(Result.getOrThrow(after), [
      { _tag: "TokenRotated", prefix: "p2", hash: "h2", previousUntil: null, expiresAt: 50, by: "admin", at: 10 }
    ])
  })

  it("F84: admits its secret from its issue to its end, and the one before for the overlap", () => {
    assert.isTrue(admits("h1", 9, issued(10)))
    assert.isFalse(admits("h1", 10, issued(10)))
    assert.isFalse(admits("h2", 0, issued()))
    assert.isFalse(admits("h1", 11, issued(), rotated(null)))
    assert.isTrue(admits("h1", 14, issued(), rotated(15)))
    assert.isFalse(admits("h1", 15, issued(), rotated(15)))
    assert.isTrue(admits("h2", 15, issued(), rotated(15)))
    for (const hash of ["h1", "h2"]) assert.isFalse(admits(hash, 12, issued(), rotated(15), revoked))
  })
})

describe("roles", () => {
  it("F84: each may do what those before it may, and nobody without one may do anything", () => {
    const table = roles.map((held) => roles.map((needed) => mayAct(held, needed)))
    assert.deepStrictEqual(table, [
      [true, false, false],
      [true, true, false],
      [true, true, true]
    ])
    for (const needed of roles) assert.isFalse(mayAct(null, needed))
  })
})
