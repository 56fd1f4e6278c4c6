import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { readFileSync } from "node:fs"
import * as CloudEvent from "../../src/bus/CloudEvent.ts"
import { BusUnavailable, type EventBus, Unavailable } from "../../src/bus/EventBus.ts"
import * as LogEvents from "../../src/bus/LogEvents.ts"
import * as Publisher from "../../src/bus/Publisher.ts"

const stored = (path: string) => readFileSync(new URL(`../golden/${path}`, import.meta.url), "utf8")
const golden = (name: string) => JSON.parse(readFileSync(new URL(`golden/${name}.json`, import.meta.url), "utf8"))

const recorded = (type: string, payload: string, streamName: string, streamVersion = 7): LogEvents.LogEvent => ({
  position: "00000001-0000000000000abc-0000000000000def",
  streamName,
  streamVersion,
  type,
  payload,
  recordedAt: Date.UTC(2024, 0, 5, 6, 0, 0, 123)
})

const production = { ...JSON.parse(stored("asset/AssetProduced@1.json")), freshness: { ttlMs: 3_600_000 } }
const produced = recorded("AssetProduced", JSON.stringify(production), "asset-mfrggzdfmztwq2lknnwg23tpoa")
const expired = recorded(
  "AssetExpired",
  JSON.stringify({
    assetId: "orders.raw",
    partitionKey: "2024-01",
    generation: 4,
    reason: "ttl",
    expiresAt: Date.UTC(2024, 0, 1, 1)
  }),
  "asset-mfrggzdfmztwq2lknnwg23tpoa",
  8
)
const defined = recorded("WorkflowDefined", stored("workflow/WorkflowDefined@1.json"), "workflow-orders", 2)

const surroundings: LogEvents.Surroundings = { runKey: "nightly-2024-01" }

describe("what the log's events are on the bus (F53)", () => {
  it.each([
    ["asset.produced", LogEvents.produced(produced, surroundings)],
    ["asset.expired", LogEvents.expired(expired, LogEvents.production(produced), surroundings)],
    ["workflow.definition.updated", LogEvents.updated(defined)]
  ])("%s is as it always was, and can be read", (name, event) => {
    assert.deepStrictEqual(JSON.parse(CloudEvent.encode(event)), golden(name))
    assert.deepStrictEqual(CloudEvent.decode(CloudEvent.encode(event)), Result.succeed(event))
  })

  it("says nothing in the place of what there is not", () => {
    const { freshness: _f, payload: _p, ...fields } = JSON.parse(produced.payload)
    const bare = { ...produced, payload: JSON.stringify({ ...fields, partitionKey: "" }) }
    const event = LogEvents.produced(bare, { runKey: null }, "https://kintsugi.example")
    assert(event.type === "asset.produced")
    const { freshness, payload, runKey } = event.data
    assert.deepStrictEqual([event.subject, event.source], ["orders.raw", "https://kintsugi.example"])
    assert.deepStrictEqual([payload, runKey, freshness], [null, null, null])
    assert.deepStrictEqual(CloudEvent.decode(CloudEvent.encode(event)), Result.succeed(event))
  })
})

describe("an announced production on the bus", () => {
  it("names who announced it, and no workflow, run or step", () => {
    const none = { workflow: "", version: 0, stepId: "", runId: "", attempt: 0, parameters: {}, inputs: [], reads: [] }
    const fields = { ...production, ...none, source: "https://erp.example" }
    const event = LogEvents.produced({ ...produced, payload: JSON.stringify(fields) }, { runKey: null })
    assert(event.type === "asset.produced")
    const { runId, source, stepId, workflowId, workflowSlug, workflowVersion } = event.data
    assert.deepStrictEqual([workflowSlug, workflowId, workflowVersion, runId, stepId], [null, null, null, null, null])
    assert.strictEqual(source, "https://erp.example")
    assert.deepStrictEqual(CloudEvent.decode(CloudEvent.encode(event)), Result.succeed(event))
  })
})

describe("Publisher", () => {
  const facts: Publisher.Facts = {
    surroundings: () => Effect.succeed(surroundings),
    production: () => Effect.succeed(LogEvents.production(produced))
  }
  const busThat = (publish: EventBus["Service"]["publish"]): EventBus["Service"] => ({
    publish,
    subscribe: () => Effect.void,
    deadLetters: () => Effect.succeed([])
  })
  const other = recorded("StepStarted", "{}", "run-1")

  it.effect("publishes a batch in the log's order, without what is nobody else's", () =>
    Effect.gen(function* () {
      const batches: Array<ReadonlyArray<string>> = []
      const bus = busThat((events) => Effect.sync(() => void batches.push(events.map(({ id }) => id))))
      const publisher = Publisher.make({ bus, facts })
      yield* publisher.publishBatch([defined, other, produced, expired])
      yield* publisher.publishBatch([other])
      yield* publisher.publishBatch([])
      assert.deepStrictEqual(batches, [
        ["workflow-orders/2", "asset-mfrggzdfmztwq2lknnwg23tpoa/7", "asset-mfrggzdfmztwq2lknnwg23tpoa/8"]
      ])
    })
  )

  it.effect("fails while the bus is away, so that the checkpoint waits", () =>
    Effect.gen(function* () {
      const bus = busThat(() => Effect.fail(new BusUnavailable({ message: "away", cause: null })))
      const error = yield* Effect.flip(Publisher.make({ bus, facts }).publishBatch([produced]))
      assert.strictEqual(error.message, "away")
    })
  )

  it.effect("publishes nothing of a batch that cannot be described in full yet", () =>
    Effect.gen(function* () {
      const bus = busThat(() => Effect.die("nothing may be published"))
      const cause = new Unavailable({ message: "the log is away", cause: null })
      const publisher = Publisher.make({ bus, facts: { ...facts, production: () => Effect.fail(cause) } })
      const error = yield* Effect.flip(publisher.publishBatch([produced, expired]))
      assert.strictEqual(error.message, "an event cannot be described yet: the log is away")
      assert.strictEqual(error.cause, cause)
    })
  )

  it.effect("stops at an event of the log that it cannot read", () =>
    Effect.gen(function* () {
      const bus = busThat(() => Effect.die("nothing may be published"))
      const exit = yield* Effect.exit(
        Publisher.make({ bus, facts }).publishBatch([{ ...produced, payload: '{"assetId":1}' }])
      )
      assert.match(String(exit), /assetId/)
    })
  )
})
