import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Result } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import { defineApp } from "../../src/index.ts"
import { checkApp } from "../../src/sdk/AppCheck.ts"
import { makes, readInput, stepFor } from "../support/chainApp.ts"
import {
  define,
  ended,
  eventsOf,
  recoveries,
  type Settings,
  soundHistory,
  start,
  temporaryFolder,
  until
} from "../support/engine.ts"
import * as sourceServer from "../support/sourceServer.ts"
import { boot, type Process } from "./process.ts"

const reports = { steps: [stepFor("report", { consumes: ["erp.orders"], produces: ["reports"] })] }
const jobs = [makes("reports", (ctx) => readInput(ctx, "erp.orders"), "report")]

const on =
  ({ engine }: Process) =>
  <B, F, R>(effect: Effect.Effect<B, F, R>) => {
    assert(engine !== null, "the process died while it started")
    return Effect.provideService(effect, Engine, engine)
  }

const delivers = (folder: string, { announcements }: Process, text: string) => {
  mkdirSync(join(folder, "inbox"), { recursive: true })
  writeFileSync(join(folder, "inbox", "orders.csv"), text)
  const locations = [{ store: "inbox", key: "orders.csv" }]
  return announcements!.announce({ source: "erp", assetId: "erp.orders", partitionKey: "", locations })
}

/** A process that is killed while a step waits for a source; `isCalled`: what the server had seen by then. */
const killed = (isAnswered: boolean) =>
  Effect.scoped(
    Effect.gen(function* () {
      const server = yield* sourceServer.make
      const folder = yield* temporaryFolder
      const log = Context.get(yield* Layer.build(MemoryEventStore.layer), EventStore)
      const webhook = { assetId: "erp.orders", recheck: { webhook: `${server.endpoint}/exports` } }
      const { sources } = Result.getOrThrow(checkApp(defineApp({ sources: [webhook] })))
      const given: Settings = { jobs, baseDir: folder, drainMs: 0, sources, httpAllow: server.allow }
      const play = Effect.gen(function* () {
        // A call that is not answered before the crash is one that may not have been made.
        if (!isAnswered) server.answer((response, count) => void (count > 1 && response.writeHead(202).end()))
        const first = yield* boot(log, given)
        yield* on(first)(define({ reports }))
        yield* delivers(folder, first, "one")
        rmSync(join(folder, "inbox", "orders.csv"))
        const { id } = yield* on(first)(start("reports"))
        yield* until(
          Effect.sync(() => server.calls.length),
          (count) => count === 1,
          "call of the webhook"
        )
        if (isAnswered) {
          yield* until(eventsOf("recovery", "RecoveryAttemptStarted"), ({ length }) => length === 1, "taken call")
        }
        yield* first.kill
        const second = yield* boot(log, given)
        if (!isAnswered) {
          yield* until(
            Effect.sync(() => server.calls.length),
            (count) => count === 2,
            "second call of the webhook"
          )
        }
        yield* delivers(folder, second, "two")
        assert.strictEqual((yield* on(second)(ended(id))).status, "succeeded")
        const [recovery] = yield* on(second)(recoveries)
        assert.deepInclude(recovery, { attempts: 1, status: "succeeded", generation: 2 })
        yield* soundHistory(true)
        yield* second.stop
        return server.calls.map(({ key }) => key)
      })
      return yield* Effect.provideService(play, EventStore, log)
    })
  )

describe("a process that dies while a source is asked", () => {
  it.live(
    "F38: between the call of the webhook and the announcement, the next one waits on and calls nobody again",
    () =>
      Effect.gen(function* () {
        assert.lengthOf(yield* killed(true), 1)
      })
  )

  it.live("F38: in the middle of the call, the next one makes it again with the same Idempotency-Key", () =>
    Effect.gen(function* () {
      const [first, second, ...others] = yield* killed(false)
      assert.deepStrictEqual([second, others], [first, []])
    })
  )
})
