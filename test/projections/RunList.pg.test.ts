import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { ProjectionRunner } from "../../src/projections/ProjectionRunner.ts"
import { RunList } from "../../src/projections/RunList.ts"
import * as AssetListQuery from "../../src/projections/AssetListQuery.ts"
import * as RunListQuery from "../../src/projections/RunListQuery.ts"
import { database, emptied, TestLog, type Written } from "./support.ts"

const definition = {
  steps: [
    { id: "load", dependsOn: [] },
    { id: "clean", dependsOn: ["load"] }
  ]
}
const defined = (slug: string): Written => ({
  stream: `workflow-${slug}`,
  type: "WorkflowDefined",
  data: { slug, version: 1, definition, origin: "app" },
  at: 1_000
})
const failure = { class: "permanent", code: "bad_input", message: "no such column" }

/** Events of one run, a millisecond apart. */
const run = (id: string, at: number, ...events: ReadonlyArray<readonly [type: string, data: object]>) =>
  events.map(([type, data], index): Written => ({ stream: `run-${id}`, type, data, at: at + index }))
const requested = (id: string, workflow = "orders", more: object = {}) =>
  ["RunRequested", { runId: id, workflow, version: 1, parameters: {}, trigger: { type: "manual" }, ...more }] as const
const started = (stepId: string, attempt = 1) => ["StepStarted", { stepId, attempt }] as const
const succeeded = (stepId: string) => ["StepSucceeded", { stepId, attempt: 1 }] as const

const running = <A, E, R>(log: TestLog, test: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    yield* emptied
    return yield* test.pipe(Effect.provide(ProjectionRunner.layer([RunList]).pipe(Layer.provide(log.layer))))
  })

const reached = Effect.fnUntraced(function* (log: TestLog) {
  const runner = yield* ProjectionRunner
  yield* runner.waitFor(TestLog.position(log.events.length))
})

layer(database, { timeout: 60_000, excludeTestServices: true })("the run list", (it) => {
  it.effect("shows a run from its request to its end", () => {
    const log = new TestLog()
    return running(
      log,
      Effect.gen(function* () {
        log.append(defined("orders"), ...run("a", 2_000, requested("a", "orders", { partitionKey: "p1", runKey: "k" })))
        yield* reached(log)
        const pending = yield* RunListQuery.list({}, {})
        assert.deepStrictEqual(pending.data, [
          {
            id: "a",
            workflow: "orders",
            version: 1,
            status: "pending",
            paused: false,
            partitionKey: "p1",
            runKey: "k",
            trigger: { type: "manual" },
            createdAt: "1970-01-01T00:00:02.000Z",
            startedAt: null,
            finishedAt: null
          }
        ])
        log.append(...run("a", 3_000, started("load")))
        yield* reached(log)
        assert.strictEqual((yield* RunListQuery.list({}, {})).data[0]!.status, "running")
        log.append(
          ...run("a", 4_000, ["StepFailed", { stepId: "load", attempt: 1, failure, final: true }]),
          ...run("a", 5_000, ["RunFailed", { stepId: "load", failure }])
        )
        yield* reached(log)
        const [failed] = (yield* RunListQuery.list({ status: "failed" }, {})).data
        assert.deepStrictEqual(failed!.failure, { ...failure, stepId: "load" } as never)
        assert.strictEqual(failed!.finishedAt, "1970-01-01T00:00:05.000Z")
        log.append(...run("a", 6_000, ["RunRecovered", { kept: [], rerun: ["load", "clean"] }], started("load", 2)))
        yield* reached(log)
        const { data } = yield* RunListQuery.list({}, {})
        assert.strictEqual(data.length, 1)
        assert.strictEqual(data[0]!.status, "running")
        assert.isUndefined(data[0]!.failure)
      })
    )
  })

  it.effect(
    "pages newest first without losing or repeating a run, over runs that go on and runs that have ended",
    () => {
      const log = new TestLog()
      return running(
        log,
        Effect.gen(function* () {
          log.append(defined("orders"))
          for (let index = 0; index < 23; index++) {
            const id = `r${String(index).padStart(2, "0")}`
            // Three of one millisecond at a time, so that the id has to break the tie.
            const at = 10_000 + Math.floor(index / 3) * 1_000
            log.append(...run(id, at, requested(id)))
            if (index % 2 === 0)
              log.append(...run(id, at + 10, started("load"), succeeded("load"), ["RunSucceeded", {}]))
          }
          yield* reached(log)
          const seen: Array<string> = []
          let cursor: string | undefined
          do {
            const page = yield* RunListQuery.list({}, { limit: 4, cursor })
            seen.push(...page.data.map(({ id }) => id))
            cursor = page.nextCursor ?? undefined
          } while (cursor !== undefined)
          const expected = Array.from({ length: 23 }, (_, index) => `r${String(22 - index).padStart(2, "0")}`)
          assert.deepStrictEqual(seen, expected)
        })
      )
    }
  )

  it.effect("filters by workflow, status, trigger, partition key and time", () => {
    const log = new TestLog()
    return running(
      log,
      Effect.gen(function* () {
        const recovery = { type: "recovery", recoveryId: "x", assetId: "a", partitionKey: "" }
        log.append(
          ...run("a", 1_000, requested("a"), ["RunSucceeded", {}]),
          ...run("b", 2_000, requested("b", "other", { partitionKey: "P" })),
          ...run("c", 3_000, requested("c", "other", { trigger: recovery }), ["RunCanceled", { reason: "no" }])
        )
        yield* reached(log)
        const ids = (filter: RunListQuery.RunFilter) =>
          Effect.map(RunListQuery.list(filter, {}), ({ data }) => data.map(({ id }) => id).join(""))
        assert.strictEqual(yield* ids({}), "cba")
        assert.strictEqual(yield* ids({ workflow: "other" }), "cb")
        assert.strictEqual(yield* ids({ status: "canceled" }), "c")
        assert.strictEqual(yield* ids({ status: "succeeded" }), "a")
        assert.strictEqual(yield* ids({ status: "pending" }), "b")
        assert.strictEqual(yield* ids({ trigger: "recovery" }), "c")
        assert.strictEqual(yield* ids({ partitionKey: "p" }), "b")
        assert.strictEqual(yield* ids({ partitionKey: "P" }), "b")
        assert.strictEqual(yield* ids({ from: 2_000 }), "cb")
        assert.strictEqual(yield* ids({ from: 2_000, to: 3_000 }), "b")
      })
    )
  })

  it.effect("refuses a cursor that it has not given out", () =>
    Effect.gen(function* () {
      const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
      // What the database cannot take: a time before its calendar, and a NUL character.
      const marks = [
        [Number.MIN_SAFE_INTEGER, "a"],
        [Number.MAX_SAFE_INTEGER, "a"],
        [0, "a\0"],
        [0.5, "a"]
      ].map(encoded)
      for (const cursor of ["nonsense", ...marks]) {
        const error = yield* Effect.flip(RunListQuery.list({}, { cursor }))
        assert.strictEqual(error._tag, "InvalidCursor", cursor)
      }
      for (const cursor of ["nonsense", encoded(["a\0", "p"]), encoded(["a", "\0"])]) {
        const error = yield* Effect.flip(AssetListQuery.list({}, { cursor }))
        assert.strictEqual(error._tag, "InvalidCursor", cursor)
      }
    })
  )
})
