import { assert, describe, it } from "@effect/vitest"
import { failureOf } from "../../src/actors/job/Thrown.ts"

describe("what once went wrong with thrown values", () => {
  it("a value that fails when it is looked at is a transient failure like any other, and ends no process", () => {
    const refuse = (): never => {
      throw new Error("not to be looked at")
    }
    const getter = Object.defineProperty({}, "message", { get: refuse })
    const proxy = new Proxy({}, { get: refuse, has: refuse, getPrototypeOf: refuse })
    for (const value of [getter, proxy]) assert.strictEqual(failureOf(value, undefined).class, "transient")
  })
})
