import { assert, describe, it } from "@effect/vitest"
import type { Unstamped } from "../../src/domain/run/RunCommands.ts"
import * as RunDemand from "../../src/domain/run/RunDemand.ts"
import type { Event } from "../../src/domain/run/RunEvents.ts"
import { fanOutBytesMax } from "../../src/domain/run/RunFanOut.ts"
import { readySteps, step, stepDefinition } from "../../src/domain/run/RunState.ts"
import { view } from "../../src/domain/run/RunView.ts"
import {
  badly,
  begin,
  end,
  failed,
  fold,
  healing,
  interrupt,
  now,
  permanent,
  recovered,
  requested,
  run,
  runFailed,
  runSucceeded,
  started,
  succeeded,
  suspended,
  transient,
  well,
  withSlot,
  workflow
} from "./RunScenario.ts"

const fan = (more: object = {}, step: object = {}) =>
  workflow([
    { id: "list" },
    {
      ...{ id: "each", type: "fanOut", dependsOn: ["list"], over: "{{ steps.list.result.items }}" },
      step: { jobSlug: "job", ...step },
      ...more
    },
    { id: "sum", dependsOn: ["each"] }
  ])
const definition = fan()

const listed = (items: unknown): Event => ({ ...succeeded("list"), result: { items } }) as Event
const expanded = (items: ReadonlyArray<unknown>, only?: ReadonlyArray<number>): Event => ({
  _tag: "StepExpanded",
  stepId: "each",
  attempt: 1,
  items,
  ...(only === undefined ? {} : { only }),
  at: 0
})
const result = (stepId: string, value: unknown): Event => ({ ...succeeded(stepId), result: value }) as Event
const lists = (items: unknown): Unstamped => end("list", { ...well, result: { items } } as typeof well)
const refused = (code: string, message: string) => {
  const failure = { class: "permanent" as const, code, message }
  return [failed("each", failure, true, 0), runFailed("each", failure)] as const
}
const going = (items: ReadonlyArray<unknown>) => [
  requested(definition),
  started("list"),
  listed(items),
  expanded(items)
]

describe("a fan-out", () => {
  it("is expanded in the decision that ends what it depends on, and a child begins with the slot on offer (F5)", () => {
    run(requested(definition), started("list"))
      .when(withSlot(lists(["x", "y"])))
      .then(listed(["x", "y"]), expanded(["x", "y"]), started("each[0]"))
  })

  it("succeeds with the results of its children in order, when the last has succeeded", () => {
    run(...going(["x", "y"]), started("each[0]"), started("each[1]"), result("each[1]", 2))
      .when(now(end("each[0]", { ...well, result: 1 } as typeof well)))
      .then(result("each[0]", 1), result("each", [1, 2]))
  })

  it("over nothing has nothing to do and succeeds at once", () => {
    run(requested(definition), started("list"))
      .when(now(lists([])))
      .then(listed([]), expanded([]), result("each", []))
  })

  it("beyond its limit is refused with both numbers, and nothing is cut (T23)", () => {
    const few = fan({ limit: 2 })
    run(requested(few), started("list"))
      .when(now(lists([1, 2, 3])))
      .then(listed([1, 2, 3]), ...refused("fan_out_limit", "over of step each has 3 items, more than its limit of 2"))
    const many = Array.from({ length: 1001 }, (_, index) => index)
    run(requested(definition), started("list"))
      .when(now(lists(many)))
      .then(listed(many), ...refused("fan_out_limit", "over of step each has 1001 items, more than its limit of 1000"))
  })

  it("over what is no list, is too large or cannot be resolved fails for good and says which", () => {
    for (const [items, what] of [
      ["abc", 'string "abc"'],
      [null, "null"],
      [{ a: 1 }, "an object"]
    ] as const) {
      run(requested(definition), started("list"))
        .when(now(lists(items)))
        .then(listed(items), ...refused("fan_out_not_a_list", `over of step each must be a list, not ${what}`))
    }
    const large = ["x".repeat(fanOutBytesMax)]
    run(requested(definition), started("list"))
      .when(now(lists(large)))
      .then(
        listed(large),
        ...refused("fan_out_too_large", `over of step each is ${fanOutBytesMax + 4} bytes of JSON, more than 262144`)
      )
    const message =
      "steps.each.over: {{ steps.list.result.items }} cannot be resolved: there is no steps.list.result.items"
    run(requested(definition), started("list"))
      .when(now(end("list", { ...well, result: {} } as typeof well)))
      .then({ ...succeeded("list"), result: {} } as Event, ...refused("template_unresolved", message))
  })

  it("whose last child waits goes on: the wait ends neither it nor the run (T14)", () => {
    const waits = [...going(["x", "y"]), started("each[0]"), result("each[0]", 1), started("each[1]")]
    const lost = suspended("each[1]", healing())
    assert.strictEqual(step(fold(...waits, lost), "each").status, "expanded")
    const shown = view(fold(...waits, lost), 1)
    assert.deepStrictEqual(
      shown.steps.map(({ id, status }) => [id, status]),
      [
        ["list", "succeeded"],
        ["each", "waiting"],
        ["each[0]", "succeeded"],
        ["each[1]", "waiting"],
        ["sum", "pending"]
      ]
    )
    assert.deepInclude(shown.steps[1]?.children, { total: 2, succeeded: 1, waiting: 1, failed: 0 })
    run(...waits, lost, { _tag: "StepResumed", stepId: "each[1]", reason: "recovered", recoveryId: "r1", at: 0 })
      .when(now(begin("each[1]")))
      .then(started("each[1]", 2))
    run(...waits, lost, started("each[1]", 2))
      .when(now(end("each[1]", { ...well, result: 2 } as typeof well, 2)))
      .then({ ...result("each[1]", 2), attempt: 2 } as Event, result("each", [1, 2]))
  })

  it("fails with the child's place and cause, once what executes has ended; the others do not begin", () => {
    const both = [...going(["x", "y", "z"]), started("each[0]"), started("each[1]")]
    run(...both)
      .when(withSlot(end("each[0]", badly(permanent))))
      .then(failed("each[0]", permanent, true))
    run(...both, failed("each[0]", permanent, true))
      .when(withSlot(end("each[1]", { ...well, result: 1 } as typeof well)))
      .then(
        result("each[1]", 1),
        failed("each", { ...permanent, message: "each[0] failed: no such day" }, true),
        runFailed("each[0]", permanent)
      )
  })

  it("retries each child by the policy of its step", () => {
    const patient = fan({}, { retryPolicy: { maxAttempts: 2, strategy: "fixed", initialDelayMs: 100, jitter: "none" } })
    const events = [requested(patient), started("list"), listed(["x"]), expanded(["x"]), started("each[0]")]
    run(...events)
      .when(now(end("each[0]", badly(transient))))
      .then(failed("each[0]", transient, false), {
        _tag: "StepRetryScheduled",
        stepId: "each[0]",
        attempt: 1,
        retry: 1,
        delayMs: 100,
        dueAt: 100,
        reason: "transient: socket closed",
        at: 0
      })
  })

  it("begins as many children beside each other as its concurrency says; one that waits makes room", () => {
    const narrow = fan({ concurrency: 2 })
    const events = [requested(narrow), started("list"), listed([1, 2, 3, 4]), expanded([1, 2, 3, 4])]
    const ready = (...more: ReadonlyArray<Event>) => readySteps(fold(...events, ...more)).map(({ id }) => id)
    assert.deepStrictEqual(ready(), ["each[0]", "each[1]"])
    assert.deepStrictEqual(ready(started("each[0]")), ["each[1]"])
    assert.deepStrictEqual(ready(started("each[0]"), started("each[1]")), [])
    assert.deepStrictEqual(ready(started("each[0]"), started("each[1]"), suspended("each[0]", healing())), ["each[2]"])
  })

  it("of ten thousand demands a window of them", () => {
    const wide = fan({ limit: 10_000, concurrency: 1000 })
    const items = Array.from({ length: 10_000 }, (_, index) => index)
    const state = fold(requested(wide), started("list"), listed(items), expanded(items))
    assert.strictEqual(RunDemand.demands(state).length, 1000)
  })

  it("is one that a crash cuts off child by child", () => {
    run(...going(["x", "y"]), started("each[1]"))
      .when(now(interrupt()))
      .then({
        _tag: "RunInterrupted",
        reason: "crash",
        processId: "p1",
        steps: [{ stepId: "each[1]", attempt: 1 }],
        at: 0
      })
  })

  it("that failed is recovered in place: children that succeeded keep their results", () => {
    const broken = { ...permanent, message: "each[1] failed: no such day" }
    const past = [
      ...going(["x", "y"]),
      started("each[0]"),
      started("each[1]"),
      result("each[0]", 1),
      failed("each[1]", permanent, true),
      failed("each", broken, true),
      runFailed("each[1]", permanent)
    ]
    const again = { ...expanded(["x", "y"]), attempt: 2 } as Event
    const rerun = recovered(["list", "each[0]"], ["each", "sum", "each[1]"])
    run(...past)
      .when(withSlot({ _tag: "Recover" }))
      .then(rerun, again, started("each[1]", 2))
    run(...past, rerun, again, started("each[1]", 2))
      .when(now(end("each[1]", { ...well, result: 2 } as typeof well, 2)))
      .then({ ...result("each[1]", 2), attempt: 2 } as Event, { ...result("each", [1, 2]), attempt: 2 } as Event)
  })

  it("is canceled with its children", () => {
    const state = fold(...going(["x", "y"]), started("each[0]"), { _tag: "RunCanceled", reason: "enough", at: 0 })
    assert.deepStrictEqual(
      ["each", "each[0]", "each[1]"].map((id) => step(state, id).status),
      ["canceled", "canceled", "canceled"]
    )
  })

  it("runs one child alone where only that is asked for: with its recorded item, the rest skipped (F24)", () => {
    const start: Unstamped = {
      _tag: "Start",
      runId: "run-1",
      workflow: "orders",
      version: 1,
      definition,
      parameters: {},
      trigger: { type: "manual" },
      only: ["each[7]"],
      items: { "each[7]": "seventh" },
      results: { list: { items: [] } }
    }
    const skipped = (stepId: string, value?: unknown): Event => ({
      ...{ _tag: "StepSkipped", stepId, reason: "not needed" },
      ...(value === undefined ? {} : { result: value }),
      at: 0
    })
    const events: ReadonlyArray<Event> = [
      requested(definition, { only: ["each[7]"] }),
      expanded(["seventh"], [7]),
      skipped("list", { items: [] }),
      skipped("each"),
      skipped("sum")
    ]
    run()
      .when(withSlot(start))
      .then(...events, started("each[7]"))
    assert.deepStrictEqual(step(fold(...events), "each").items, { 7: "seventh" })
    run(...events, started("each[7]"))
      .when(now(end("each[7]", well)))
      .then(succeeded("each[7]"), runSucceeded)
  })

  it("gives its children what its step says, and they have the id of their place", () => {
    const timed = fan({}, { timeoutMs: 5, produces: [{ assetId: "part" }] })
    const child = stepDefinition(fold(requested(timed)), "each[3]")
    assert.deepInclude(child, { id: "each[3]", type: "job", jobSlug: "job", timeoutMs: 5 })
    assert.deepStrictEqual(
      child?.produces.map(({ assetId }) => assetId),
      ["part"]
    )
  })
})
