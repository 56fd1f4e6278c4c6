import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Announcement from "../../src/bus/Announcement.ts"
import * as CloudEvent from "../../src/bus/CloudEvent.ts"
import { producedEvent } from "./events.ts"

const event = producedEvent("orders.raw", 3)

/** The faults of a text that is refused, one line each. */
const faults = <A>(decoded: Result.Result<A, CloudEvent.CloudEventInvalid>): ReadonlyArray<string> =>
  Result.isSuccess(decoded) ? [] : decoded.failure.problems.map(({ message, path }) => `${path}: ${message}`)
const faultsOf = (change: object) => faults(CloudEvent.decode(JSON.stringify({ ...event, ...change })))

describe("a CloudEvent of the bus", () => {
  it("is read back as it was written", () => {
    assert.deepStrictEqual(CloudEvent.decode(CloudEvent.encode(event)), Result.succeed(event))
  })

  it("may carry extension attributes of others, which are passed over", () => {
    const text = JSON.stringify({ ...event, traceparent: "00-1-2-01", hops: 3 })
    assert.deepStrictEqual(CloudEvent.decode(text), Result.succeed(event))
  })

  it("is refused with path and rule of every fault", () => {
    const { assetId: _, ...data } = event.data as CloudEvent.AssetProducedData
    assert.deepStrictEqual(faultsOf({ id: "", time: "yesterday", data: { ...data, runKey: 1, stepID: "load" } }), [
      "id: must not be empty",
      "time: must be a time with its offset, such as 2024-01-05T06:00:00Z",
      "data.stepID: is not a known field",
      "data.assetId: is required",
      "data.runKey: Expected string | null"
    ])
  })

  const refused: ReadonlyArray<readonly [object, string]> = [
    [{ type: "asset.lost" }, "type: must be one of asset.produced, asset.expired, workflow.definition.updated"],
    [{ type: "toString" }, "type: must be one of asset.produced, asset.expired, workflow.definition.updated"],
    [{ specversion: "0.3" }, 'specversion: Expected "1.0"'],
    [{ position: undefined }, "position: is required"],
    [{ data_base64: "e30=" }, "data_base64: is not a known field"],
    [{ extension: { nested: true } }, "extension: is not a known field"],
    [{ datacontenttype: "text/xml" }, 'datacontenttype: Expected "application/json"']
  ]
  for (const [change, fault] of refused) {
    it(`is refused with ${JSON.stringify(change)}: ${fault}`, () => assert.deepStrictEqual(faultsOf(change), [fault]))
  }

  it.each(["[]", "null", "3", "{", "", '{"__proto__":{}}'])('is an object and not the text "%s"', (text) => {
    assert.lengthOf(faults(CloudEvent.decode(text)), 1)
  })

  it("belongs to its asset partition, compared as assets are, or to its workflow", () => {
    const at = (assetId: string, partitionKey: string) =>
      CloudEvent.orderKey({ ...event, data: { ...event.data, assetId, partitionKey } } as CloudEvent.CloudEvent)
    assert.strictEqual(at("Orders.RAW", "p"), at("orders.raw", "p"))
    assert.notStrictEqual(at("orders.raw", "P"), at("orders.raw", "p"))
    assert.notStrictEqual(at("a", "b"), at("a[b]", ""))
  })
})

describe("an announcement of another system", () => {
  const announced = {
    specversion: "1.0",
    id: "42",
    source: "https://erp.example/exports",
    type: "asset.produced",
    data: { assetId: "erp.orders" }
  }
  const decode = (change: object, data: object = {}) =>
    Announcement.decode(JSON.stringify({ ...announced, ...change, data: { ...announced.data, ...data } }))
  const sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
  const location = { store: "warehouse", key: "erp/1.csv", bytes: 12, etag: "e", sha256 }

  it("needs no more than the asset's id, and passes source and id through for dedupe", () => {
    assert.deepStrictEqual(
      decode({}),
      Result.succeed({
        source: "https://erp.example/exports",
        id: "42",
        assetId: "erp.orders",
        partitionKey: "",
        producedAt: undefined,
        payload: undefined,
        locations: [],
        freshness: undefined
      })
    )
  })

  it("carries partition, time, payload and locations", () => {
    const data = {
      partitionKey: "2024-01",
      producedAt: "2024-01-05T07:00:00+01:00",
      payload: { rows: 3 },
      locations: [location]
    }
    const read = Result.getOrThrow(decode({ subject: "x", time: "2024-01-06T00:00:00Z", comexampletenant: "a" }, data))
    assert.strictEqual(read.producedAt, Date.UTC(2024, 0, 5, 6))
    assert.deepStrictEqual([read.partitionKey, read.payload, read.locations], ["2024-01", { rows: 3 }, [location]])
  })

  it("takes the event's time for the production's when it says no other", () => {
    const read = Result.getOrThrow(decode({ time: "2024-01-06T00:00:00Z" }))
    assert.strictEqual(read.producedAt, Date.UTC(2024, 0, 6))
  })

  const refused: ReadonlyArray<readonly [object, object, string]> = [
    [{ source: undefined }, {}, "source: is required"],
    [{ type: "asset.expired" }, {}, 'type: Expected "asset.produced"'],
    [
      {},
      { assetId: "../x" },
      "data.assetId: must be 1 to 200 letters, digits, . _ : and -, starting with a letter or digit"
    ],
    [{}, { partitionKey: "" }, "data.partitionKey: must not be empty"],
    [{}, { producedAt: 17 }, "data.producedAt: Expected string"],
    [{}, { producedAt: "2024-01-05" }, "data.producedAt: must be a time with its offset, such as 2024-01-05T06:00:00Z"],
    [{}, { payload: "x".repeat(70_000) }, "data.payload: must be at most 65536 bytes of JSON"],
    [{}, { locations: [{ ...location, sha256: "A" }] }, "data.locations[0].sha256: must be 64 lower-case hex digits"],
    [{}, { location: [] }, "data.location: is not a known field"]
  ]
  for (const [change, data, fault] of refused) {
    it(`is refused with path and rule: ${fault}`, () => {
      assert.deepStrictEqual(faults(decode(change, data)), [fault])
    })
  }

  it("is bounded in size", () => {
    assert.deepStrictEqual(faults(decode({ padding: "x".repeat(1024 * 1024) })), [": must be at most 1048576 bytes"])
  })
})
