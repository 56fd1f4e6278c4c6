import { assert, describe, it } from "@effect/vitest"
import { Schema, SchemaGetter } from "effect"
import * as EventCodec from "../../src/eventstore/EventCodec.ts"
import type { RecordedEvent } from "../../src/eventstore/EventStore.ts"
import * as LogPosition from "../../src/eventstore/LogPosition.ts"

const Event = Schema.TaggedUnion({
  Opened: {},
  Deposited: { amountCents: Schema.Int, note: Schema.optionalKey(Schema.String) }
})

const DepositedV1 = Schema.TaggedStruct("Deposited", { amount: Schema.Finite })

const codec = EventCodec.make(Event, {
  Deposited: [
    DepositedV1.pipe(
      Schema.decodeTo(Event, {
        decode: SchemaGetter.transform((old) => ({
          _tag: "Deposited" as const,
          amountCents: Math.round(old.amount * 100)
        })),
        encode: SchemaGetter.forbiddenEncoding
      })
    )
  ]
})

const recorded = (type: string, schemaVersion: number, payload: string): RecordedEvent => ({
  ...{ type, schemaVersion, payload, metadata: {}, recordedAt: 0, hash: "" },
  ...{ streamName: "account-a", streamVersion: 7, position: LogPosition.start }
})

describe("EventCodec", () => {
  it("writes the newest version, without the tag, and reads back what it wrote", () => {
    const encoded = codec.encode({ _tag: "Deposited", amountCents: 150 })
    assert.deepStrictEqual(encoded, { type: "Deposited", schemaVersion: 2, payload: `{"amountCents":150}` })
    assert.deepStrictEqual(codec.decode(recorded("Deposited", 2, encoded.payload)), {
      _tag: "Deposited",
      amountCents: 150
    })
    assert.deepStrictEqual(codec.encode({ _tag: "Opened" }), { type: "Opened", schemaVersion: 1, payload: "{}" })
  })

  it("upcasts an old version to the newest shape", () => {
    assert.deepStrictEqual(codec.decode(recorded("Deposited", 1, `{"amount":1.5}`)), {
      _tag: "Deposited",
      amountCents: 150
    })
  })

  it("refuses an unknown type, an unknown version and a payload of another shape, naming the event", () => {
    for (const event of [
      recorded("Closed", 1, "{}"),
      recorded("Deposited", 3, `{"amountCents":1}`),
      recorded("Deposited", 2, `{"amountCents":"1"}`),
      recorded("Deposited", 2, "not json")
    ]) {
      assert.throws(
        () => codec.decode(event),
        new RegExp(`event ${event.type} \\(schema version ${event.schemaVersion}\\) of account-a at version 7`)
      )
    }
  })

  it("refuses a NUL character, which Postgres cannot keep, and keeps text that only looks like one", () => {
    assert.throws(() => codec.encode({ _tag: "Deposited", amountCents: 1, note: "a\u0000b" }), /NUL character/)
    for (const note of ["\\u0000", "a\\\\u0000"]) {
      const { payload } = codec.encode({ _tag: "Deposited", amountCents: 1, note })
      assert.deepStrictEqual(codec.decode(recorded("Deposited", 2, payload)), {
        _tag: "Deposited",
        amountCents: 1,
        note
      })
    }
  })

  it("writes metadata as compact text of the present fields, whatever their order, and nothing as nothing", () => {
    assert.strictEqual(EventCodec.metadataText({}), "")
    assert.strictEqual(
      EventCodec.metadataText({ principal: "p", commandId: "c" }),
      EventCodec.metadataText({ commandId: "c", principal: "p" })
    )
    const metadata = { commandId: "c", requestHash: "h", traceparent: "t" }
    assert.deepStrictEqual(EventCodec.metadataOf(EventCodec.metadataText(metadata)), metadata)
    assert.deepStrictEqual(EventCodec.metadataOf(null), {})
  })
})
