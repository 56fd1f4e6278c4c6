import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import * as Decider from "../../src/domain/Decider.ts"
import * as WorkflowDefinition from "../../src/domain/WorkflowDefinition.ts"
import { given } from "../support/given.ts"

const workflow = given(WorkflowDefinition.decider)

type Origin = WorkflowDefinition.Origin
const define = (hash: string, origin: Origin): WorkflowDefinition.Command => ({
  _tag: "Define",
  slug: "orders",
  definition: { slug: "orders", name: hash },
  hash,
  origin,
  now: 100
})
const defined = (version: number, hash: string, origin: Origin): WorkflowDefinition.Event => ({
  _tag: "WorkflowDefined",
  slug: "orders",
  version,
  definition: { slug: "orders", name: hash },
  contentHash: hash,
  origin,
  at: 100
})

describe("WorkflowDefinition", () => {
  it("numbers its versions from 1", () => {
    workflow()
      .when(define("a", "http"))
      .then(defined(1, "a", "http"))
    workflow(defined(1, "a", "http"))
      .when(define("b", "http"))
      .then(defined(2, "b", "http"))
  })

  it("changes nothing when the same content is put again", () => {
    workflow(defined(1, "a", "http"))
      .when(define("a", "http"))
      .then()
    workflow(defined(1, "a", "app"))
      .when(define("a", "app"))
      .then()
  })

  it("is a new version when an earlier content comes back", () => {
    workflow(defined(1, "a", "http"), defined(2, "b", "http"))
      .when(define("a", "http"))
      .then(defined(3, "a", "http"))
  })

  it("is not changed over HTTP once the app defines it, not even to the same", () => {
    workflow(defined(1, "a", "app"))
      .when(define("b", "http"))
      .thenRejected("DefinedByApp")
    workflow(defined(1, "a", "app"))
      .when(define("a", "http"))
      .thenRejected("DefinedByApp")
  })

  it("is taken over by an app, also with the same content", () => {
    workflow(defined(1, "a", "http"))
      .when(define("a", "app"))
      .then(defined(2, "a", "app"))
  })

  it("answers a read without an event", () => {
    workflow(defined(1, "a", "http"))
      .when({ _tag: "Read", now: 1 })
      .then()
  })

  it("keeps every version without gaps, never two equal ones in a row, and never goes back from app to HTTP", () => {
    const command = fc
      .tuple(fc.constantFrom("a", "b", "c"), fc.constantFrom<Origin>("app", "http"))
      .map(([hash, origin]) => define(hash, origin))
    fc.assert(
      fc.property(fc.array(command, { maxLength: 30 }), (commands) => {
        let state = WorkflowDefinition.initial
        for (const next of commands) {
          const events = Result.getOrElse(WorkflowDefinition.decide(next, state), () => [])
          state = Decider.fold(WorkflowDefinition.decider, state, events)
        }
        const versions = WorkflowDefinition.versions(state)
        for (const [index, version] of versions.entries()) {
          const before = versions[index - 1]
          assert.strictEqual(version.version, index + 1)
          assert(before === undefined || before.contentHash !== version.contentHash || before.origin !== version.origin)
          assert(before?.origin !== "app" || version.origin === "app")
        }
      })
    )
  })
})
