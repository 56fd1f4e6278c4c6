import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { BackfillList } from "../../src/projections/BackfillList.ts"
import * as BackfillListQuery from "../../src/projections/BackfillListQuery.ts"
import { ProjectionRunner } from "../../src/projections/ProjectionRunner.ts"
import { database, emptied, TestLog, type Written } from "./support.ts"

const backfill = (id: string, ...events: ReadonlyArray<readonly [type: string, data: object]>) =>
  events.map(([type, data], index): Written => ({ stream: `backfill-${id}`, type, data, at: 1_000 + index * 1_000 }))
const asked = (backfillId: string, workflow: string) =>
  [
    "BackfillRequested",
    {
      ...{ backfillId, workflow, partitions: "0 a\n0 b\n0 c", total: 3, concurrency: 2, canary: 1, parameters: {} },
      ...{ onlyMissing: false, reason: "new" }
    }
  ] as const
const ended = (index: number, outcome: string) =>
  ["BackfillRunEnded", { index, partitionKey: "abc"[index]!, runId: `r${index}`, outcome }] as const
const started = (from: number, count: number) => ["BackfillRunsStarted", { from, count }] as const

layer(database, { excludeTestServices: true, timeout: 120_000 })("the list of backfills", (it) => {
  it.effect("F66: shows status and counts, by workflow and status, newest first, page by page", () => {
    const log = new TestLog()
    const test = Effect.gen(function* () {
      const runner = yield* ProjectionRunner
      const list = (filter: BackfillListQuery.BackfillFilter = {}, limit?: number, cursor?: string) =>
        BackfillListQuery.list(filter, { limit, cursor })
      log.append(
        ...backfill("one", asked("one", "orders"), started(0, 1), ended(0, "succeeded"), started(1, 2)),
        ...backfill("one", ended(1, "failed")).map((event) => ({ ...event, at: 6_000 })),
        ...backfill("two", asked("two", "days"), ["BackfillPaused", { reason: "" }]).map((event) => ({
          ...event,
          at: event.at + 500
        }))
      )
      yield* log.hint
      yield* runner.waitFor(TestLog.position(log.events.length))
      const { data } = yield* list()
      assert.deepStrictEqual(
        data.map(({ id }) => id),
        ["two", "one"]
      )
      assert.deepInclude(data[1], {
        ...{ id: "one", workflow: "orders", assetId: null, status: "running", reason: "new", total: 3 },
        ...{ succeeded: 1, failed: 1, canceled: 0, skipped: 0, running: 1, waiting: 0, concurrency: 2, canary: 1 },
        requestedAt: "1970-01-01T00:00:01.000Z"
      })
      assert.deepStrictEqual(
        (yield* list({ status: "paused" })).data.map(({ id }) => id),
        ["two"]
      )
      const first = yield* list({}, 1)
      const second = yield* list({}, 1, first.nextCursor ?? "")
      assert.deepStrictEqual(
        second.data.map(({ id }) => id),
        ["one"]
      )

      // The run that failed is recovered later: it is no longer counted as failed.
      const finished = (status: string) => ["BackfillFinished", { status }] as const
      log.append(
        ...backfill("one", ended(2, "succeeded"), finished("failed"), ended(1, "succeeded"), finished("succeeded"))
      )
      yield* log.hint
      yield* runner.waitFor(TestLog.position(log.events.length))
      const { data: done } = yield* list({ workflow: "orders" })
      assert.deepInclude(done[0], { status: "succeeded", succeeded: 3, failed: 0, running: 0 })
      assert.strictEqual(done[0]!.finishedAt, "1970-01-01T00:00:04.000Z")
    })
    return Effect.andThen(
      emptied,
      test.pipe(Effect.provide(ProjectionRunner.layer([BackfillList]).pipe(Layer.provide(log.layer))))
    )
  })
})
