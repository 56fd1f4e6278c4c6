import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
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
  start,
  stepIs,
  temporaryFolder,
  until
} from "../support/engine.ts"
import * as sourceServer from "../support/sourceServer.ts"
import { boot, type Process } from "./process.ts"

const reports = { steps: [stepFor("report", { consumes: ["erp.orders"], produces: ["reports"] })] }
const peeks = { steps: [stepFor("peek", { produces: ["peeked"] })] }
const jobs = [
  makes("reports", (ctx) => readInput(ctx, "erp.orders"), "report"),
  makes("peeked", (ctx) => ctx.files.readText("inbox", "orders.csv"), "peek")
]

const put = (folder: string, text: string) => {
  mkdirSync(join(folder, "inbox"), { recursive: true })
  writeFileSync(join(folder, "inbox", "orders.csv"), text)
}
const reported = (folder: string, asset: string) => readFileSync(join(folder, "lake", `${asset}.txt`), "utf8")

const announced = ({ announcements }: Process) =>
  announcements!.announce({
    ...{ source: "erp", assetId: "erp.orders", partitionKey: "" },
    locations: [{ store: "inbox", key: "orders.csv" }]
  })

const on =
  ({ engine }: Process) =>
  <B, F, R>(effect: Effect.Effect<B, F, R>) => {
    assert(engine !== null, "the process died while it started")
    return Effect.provideService(effect, Engine, engine)
  }

interface World {
  readonly server: Effect.Success<typeof sourceServer.make>
  readonly folder: string
  readonly begin: ReturnType<typeof boot>
}

/** A log and a folder for one process after another, with a source whose webhook is a real server. */
const world = <A, E>(
  body: (given: World) => Effect.Effect<A, E, EventStore>,
  recovery: { readonly maxAttempts?: number; readonly attemptTimeoutMs?: number } = {}
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const server = yield* sourceServer.make
      const folder = yield* temporaryFolder
      const log = Context.get(yield* Layer.build(MemoryEventStore.layer), EventStore)
      const source = { assetId: "erp.orders", recheck: { webhook: `${server.endpoint}/exports` }, recovery }
      const { sources } = Result.getOrThrow(checkApp(defineApp({ sources: [source] })))
      const given: Settings = { jobs, baseDir: folder, drainMs: 0, sources, httpAllow: server.allow }
      return yield* Effect.provideService(body({ server, folder, begin: boot(log, given) }), EventStore, log)
    })
  )

/** Announces EEEE, loses it, and has a run wait for the source that was called. */
const lost = Effect.fnUntraced(function* ({ folder, server }: World, process: Process) {
  yield* on(process)(define({ reports, peeks }))
  put(folder, "EEEE")
  yield* announced(process)
  rmSync(join(folder, "inbox", "orders.csv"))
  const { id } = yield* on(process)(start("reports"))
  yield* until(
    Effect.sync(() => server.calls.length),
    (count) => count >= 1,
    "call of the webhook"
  )
  return id
})

/** Longer than the first two looks at the store of a Recovery that waits. */
const looked = Effect.sleep("1500 millis")

describe("what a source writes in the place of what was lost", () => {
  for (const [what, text] of [
    ["the file that it announces a moment later", "FFFFFFFF"],
    ["other bytes of the same length", "FFFF"],
    ["a part of what was there", "EE"]
  ] as const) {
    it.live(`${what} is not taken for the lost object: the run waits until it is announced`, () =>
      world((given) =>
        Effect.gen(function* () {
          const process = yield* given.begin
          const id = yield* lost(given, process)
          put(given.folder, text)
          yield* looked
          yield* on(process)(stepIs(id, "report", "waiting"))
          assert.deepStrictEqual(yield* eventsOf("asset", "AssetVerified"), [])
          yield* announced(process)
          assert.strictEqual((yield* on(process)(ended(id))).status, "succeeded")
          const [recovery, ...others] = yield* on(process)(recoveries)
          assert.deepStrictEqual(others, [])
          assert.deepInclude(recovery, { via: "producer", generation: 2, attempts: 1 })
          assert.lengthOf(given.server.calls, 1)
          assert.include(reported(given.folder, "reports"), text)
          yield* process.stop
        })
      )
    )
  }

  it.live("and the very bytes that were lost are found, whatever time their file bears", () =>
    world((given) =>
      Effect.gen(function* () {
        const process = yield* given.begin
        const id = yield* lost(given, process)
        put(given.folder, "EE")
        yield* looked
        put(given.folder, "EEEE")
        assert.strictEqual((yield* on(process)(ended(id))).status, "succeeded")
        assert.deepInclude((yield* on(process)(recoveries))[0], { via: "found", generation: 1 })
        yield* process.stop
      })
    )
  )

  it.live(
    "is named by the attempt that nobody's announcement ended in time, stays as it is, and is no find for a new plan",
    () =>
      world(
        (given) =>
          Effect.gen(function* () {
            const process = yield* given.begin
            const id = yield* lost(given, process)
            put(given.folder, "FFFFFFFF")
            const run = yield* on(process)(ended(id))
            assert.strictEqual(run.failure?.code, "budget_exhausted")
            const said = "inbox/orders.csv is there with other bytes than the lost ones, and nobody has announced them"
            assert.include(run.failure?.message, `within attemptTimeoutMs (1000): ${said}`)
            assert.strictEqual(readFileSync(join(given.folder, "inbox", "orders.csv"), "utf8"), "FFFFFFFF")
            const [recovery] = yield* on(process)(recoveries)
            yield* on(process)(Effect.flatMap(Engine, (engine) => engine.retryRecovery(recovery!.id)))
            yield* until(
              Effect.sync(() => given.server.calls.length),
              (count) => count === 2,
              "call of the new plan"
            )
            yield* announced(process)
            yield* until(on(process)(recoveries), ([found]) => found?.status === "succeeded", "end of the recovery")
            assert.deepInclude((yield* on(process)(recoveries))[0], { via: "producer", generation: 2, round: 2 })
            yield* process.stop
          }),
        { maxAttempts: 1, attemptTimeoutMs: 1_000 }
      )
  )

  it.live("F38: is not taken for the lost object by the next process either", () =>
    world((given) =>
      Effect.gen(function* () {
        // The call is not answered: the Recovery that a process finds is one that has to be begun or asked again.
        given.server.answer((response, count) => void (count > 1 && response.writeHead(202).end()))
        const first = yield* given.begin
        const id = yield* lost(given, first)
        yield* first.kill
        put(given.folder, "FFFFFFFF")
        const second = yield* given.begin
        const late = yield* on(second)(start("reports"))
        yield* looked
        for (const run of [id, late.id]) yield* on(second)(stepIs(run, "report", "waiting"))
        yield* announced(second)
        for (const run of [id, late.id]) assert.strictEqual((yield* on(second)(ended(run))).status, "succeeded")
        assert.deepInclude((yield* on(second)(recoveries))[0], { via: "producer", generation: 2 })
        yield* second.stop
      })
    )
  )

  it.live("F7: does not fail a step that reads it undeclared: that waits for the announcement like the others", () =>
    world((given) =>
      Effect.gen(function* () {
        const process = yield* given.begin
        const id = yield* lost(given, process)
        put(given.folder, "FFFFFFFF")
        const peeking = yield* on(process)(start("peeks"))
        yield* on(process)(stepIs(peeking.id, "peek", "waiting"))
        yield* announced(process)
        for (const run of [id, peeking.id]) assert.strictEqual((yield* on(process)(ended(run))).status, "succeeded")
        assert.include(reported(given.folder, "peeked"), "FFFFFFFF")
        yield* process.stop
      })
    )
  )
})
