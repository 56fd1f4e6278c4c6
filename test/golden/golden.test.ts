import { assert, describe, it } from "@effect/vitest"
import type { Schema } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import * as AccessToken from "../../src/domain/AccessToken.ts"
import * as Asset from "../../src/domain/Asset.ts"
import * as Attention from "../../src/domain/Attention.ts"
import * as BackfillEvents from "../../src/domain/backfill/BackfillEvents.ts"
import * as BulkEvents from "../../src/domain/bulk/BulkEvents.ts"
import * as DeadLetter from "../../src/domain/DeadLetter.ts"
import * as Delivery from "../../src/domain/Delivery.ts"
import * as IntegrityEvents from "../../src/domain/integrity/IntegrityEvents.ts"
import * as Limit from "../../src/domain/Limit.ts"
import * as LogRoot from "../../src/domain/LogRoot.ts"
import * as MaterializationEvents from "../../src/domain/materialization/MaterializationEvents.ts"
import * as PartitionKeys from "../../src/domain/PartitionKeys.ts"
import * as PartitionParameters from "../../src/domain/PartitionParameters.ts"
import * as ProjectionSteering from "../../src/domain/ProjectionSteering.ts"
import * as RecoveryEvents from "../../src/domain/recovery/RecoveryEvents.ts"
import * as Redaction from "../../src/domain/Redaction.ts"
import * as RunEvents from "../../src/domain/run/RunEvents.ts"
import * as RunKey from "../../src/domain/RunKey.ts"
import * as WorkflowDefinition from "../../src/domain/WorkflowDefinition.ts"
import * as WorkflowSchedule from "../../src/domain/WorkflowSchedule.ts"
import * as EventCodec from "../../src/eventstore/EventCodec.ts"
import type { Position } from "../../src/eventstore/EventStore.ts"

/**
 * One file for each shape of an event that was ever stored: `<stream category>/<type>@<schema version>.json`, with every
 * optional field. A file is never edited: what is in a log stays as it was written. Optional fields that came later have a
 * file of their own: `<type>@<schema version>.<what>.json`.
 */
interface Category {
  readonly types: ReadonlyArray<string>
  readonly codec: {
    readonly encode: (event: never) => {
      readonly type: string
      readonly schemaVersion: number
      readonly payload: string
    }
    readonly decode: ReturnType<typeof EventCodec.make>["decode"]
  }
}

const category = <Event extends { readonly _tag: string }>(
  union: Schema.Decoder<Event> & { readonly cases: { readonly [tag: string]: Schema.Top } },
  retired: EventCodec.Retired<Event> = {}
): Category => ({ types: Object.keys(union.cases), codec: EventCodec.make(union, retired) })

const categories: Readonly<Record<string, Category>> = {
  run: category(RunEvents.Event),
  asset: category(Asset.Event),
  recovery: category(RecoveryEvents.Event),
  workflow: category(WorkflowDefinition.Event),
  limit: category(Limit.Event),
  runkey: category(RunKey.Event),
  backfill: category(BackfillEvents.Event),
  bulk: category(BulkEvents.Event),
  materialization: category(MaterializationEvents.Event),
  partition: category(PartitionParameters.Event),
  schedule: category(WorkflowSchedule.Event),
  keys: category(PartitionKeys.Event),
  token: category(AccessToken.Event),
  log: category(LogRoot.Event),
  redaction: category(Redaction.Event),
  projection: category(ProjectionSteering.Event),
  attention: category(Attention.Event),
  deadletter: category(DeadLetter.Event),
  delivery: category(Delivery.Event),
  integrity: category(IntegrityEvents.Event)
}

const filesOf = (name: string) => readdirSync(new URL(name, import.meta.url)).sort()

const read = (name: string, file: string) => {
  const [type = "", version = ""] = file.replace(/(\.[a-z]+)?\.json$/, "").split("@")
  return {
    type,
    schemaVersion: Number(version),
    payload: readFileSync(new URL(`${name}/${file}`, import.meta.url), "utf8")
  }
}

const decode = ({ codec }: Category, stored: ReturnType<typeof read>) =>
  codec.decode({
    ...stored,
    metadata: {},
    recordedAt: 0,
    hash: "",
    streamName: "golden-1",
    streamVersion: 1,
    position: "00000000-0000000000000000-0000000000000000" as Position
  })

describe("every event shape ever stored", () => {
  it("belongs to a category that is known here", () => {
    const folders = readdirSync(new URL(".", import.meta.url), { withFileTypes: true })
    const names = folders.flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
    assert.deepStrictEqual(names.sort(), Object.keys(categories).sort())
  })

  for (const [name, known] of Object.entries(categories)) {
    it(`of ${name} can still be read`, () => {
      for (const file of filesOf(name)) {
        const stored = read(name, file)
        const event = decode(known, stored)
        assert.strictEqual(event._tag, stored.type)
        assert.notProperty(JSON.parse(stored.payload), "_tag")
        assert.notProperty(JSON.parse(stored.payload), "at")
      }
    })

    it(`of ${name} that is still written is written as it was, without losing a field`, () => {
      for (const file of filesOf(name)) {
        const stored = read(name, file)
        const written = known.codec.encode(decode(known, stored) as never)
        if (written.schemaVersion !== stored.schemaVersion) continue
        assert.deepStrictEqual(JSON.parse(written.payload), JSON.parse(stored.payload), file)
      }
    })

    it(`of ${name} has a golden file for each type, in every schema version up to the newest`, () => {
      const files = filesOf(name).filter((file) => /^\w+@\d+\.json$/.test(file))
      const expected = known.types.flatMap((type) => {
        const newest = files.filter((file) => file.startsWith(`${type}@`)).length || 1
        return Array.from({ length: newest }, (_, index) => `${type}@${index + 1}.json`)
      })
      assert.deepStrictEqual(files, expected.sort())
      for (const type of known.types) {
        const { schemaVersion } = known.codec.encode({ _tag: type } as never)
        assert.include(files, `${type}@${schemaVersion}.json`)
      }
    })
  }
})
