import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { BulkList } from "../../src/projections/BulkList.ts"
import * as BulkListQuery from "../../src/projections/BulkListQuery.ts"
import { ProjectionRunner } from "../../src/projections/ProjectionRunner.ts"
import { database, emptied, TestLog, type Written } from "./support.ts"

const bulk = (id: string, from: number, ...events: ReadonlyArray<readonly [type: string, data: object]>) =>
  events.map(([type, data], index): Written => ({ stream: `bulk-${id}`, type, data, at: from + index * 1_000 }))
const asked = (bulkId: string, target: string, action: string) =>
  [
    "BulkRequested",
    {
      ...{ bulkId, target, action, filter: { status: "failed" }, items: "0 a\n0 b\n0 c", total: 3, more: false },
      ...{ canary: 1, ratePerSecond: 20, reason: "it is back", principal: "ann" }
    }
  ] as const
const told = (from: number, ...outcomes: ReadonlyArray<string>) =>
  ["BulkItemsDone", { from, results: outcomes.map((outcome) => ({ outcome })) }] as const

layer(database, { excludeTestServices: true, timeout: 120_000 })("the list of bulk operations", (it) => {
  it.effect("F52: shows status and counts, by status, target and action, newest first, page by page", () => {
    const log = new TestLog()
    const test = Effect.gen(function* () {
      const runner = yield* ProjectionRunner
      const list = (filter: BulkListQuery.BulkFilter = {}, limit?: number, cursor?: string) =>
        BulkListQuery.list(filter, { limit, cursor })
      const idsOf = (filter: BulkListQuery.BulkFilter) =>
        Effect.map(list(filter), ({ data }) => data.map(({ id }) => id))
      log.append(
        ...bulk("one", 1_000, asked("one", "runs", "retry"), told(0, "done"), [
          "BulkCanaryEnded",
          { itemId: "a", ended: "succeeded" }
        ]),
        ...bulk("two", 1_500, asked("two", "recoveries", "cancel"), ["BulkCanceled", { reason: "" }])
      )
      yield* log.hint
      yield* runner.waitFor(TestLog.position(log.events.length))
      assert.deepStrictEqual(yield* idsOf({}), ["two", "one"])
      assert.deepStrictEqual((yield* list({ target: "runs" })).data, [
        {
          ...{ id: "one", target: "runs", action: "retry", status: "running", reason: "it is back", principal: "ann" },
          ...{ total: 3, done: 1, skipped: 0, failed: 0, canary: 1 },
          ...{ requestedAt: "1970-01-01T00:00:01.000Z", endedAt: null }
        }
      ])
      assert.deepStrictEqual(yield* idsOf({ status: "canceling" }), ["two"])
      assert.deepStrictEqual(yield* idsOf({ action: "retry" }), ["one"])
      const first = yield* list({}, 1)
      const second = yield* list({}, 1, first.nextCursor ?? "")
      assert.deepStrictEqual(
        second.data.map(({ id }) => id),
        ["one"]
      )
      log.append(...bulk("one", 4_000, told(1, "skipped", "failed"), ["BulkEnded", { status: "failed" }]))
      yield* log.hint
      yield* runner.waitFor(TestLog.position(log.events.length))
      const { data } = yield* list({ status: "failed" })
      assert.deepInclude(data[0], { done: 1, skipped: 1, failed: 1, endedAt: "1970-01-01T00:00:05.000Z" })
    })
    return Effect.andThen(
      emptied,
      test.pipe(Effect.provide(ProjectionRunner.layer([BulkList]).pipe(Layer.provide(log.layer))))
    )
  })
})
