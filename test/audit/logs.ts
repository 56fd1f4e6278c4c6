import { Effect, Layer, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import { generateKeyPairSync } from "node:crypto"
import * as Export from "../../src/cli/archive/Export.ts"
import * as Import from "../../src/cli/archive/Import.ts"
import { linesOf } from "../../src/cli/archive/Lines.ts"
import { EventStore, type Position } from "../../src/eventstore/EventStore.ts"
import * as PgEventStore from "../../src/eventstore/PgEventStore.ts"
import { type Signer, signerOf, type Verifier } from "../../src/eventstore/Signature.ts"
import * as StreamAppend from "../../src/eventstore/StreamAppend.ts"
import { appendOf, type AppendSpec, lastHash } from "../support/appends.ts"
import { database } from "../support/postgres.ts"

/** A pair of keys as PEM. */
export const keys = () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519")
  return {
    privatePem: privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
    publicPem: publicKey.export({ format: "pem", type: "spki" }).toString()
  }
}
export const signer = (pem: string): Signer => signerOf(pem)!

/** A log in a database of its own: what runs in it sees its log and its client. */
export const newLog = Effect.map(
  Layer.build(Layer.provideMerge(PgEventStore.layer, database)),
  (context) =>
    <A, E>(effect: Effect.Effect<A, E, EventStore | SqlClient.SqlClient | Scope.Scope>) =>
      Effect.scoped(Effect.provideContext(effect, context)) as Effect.Effect<A, E>
)

/** Appends to a stream that is new, or goes on with it. */
export const write = Effect.fnUntraced(function* (spec: AppendSpec) {
  const log = yield* EventStore
  const last = yield* StreamAppend.lastOf(log, spec.streamName)
  const append = appendOf({ ...spec, expectedVersion: last?.streamVersion ?? 0, after: last?.hash ?? "" })
  const { position } = yield* log.append(append)
  return { position, hash: lastHash(append) }
})

/** A few streams with what a file has to keep: unknown types, odd texts, metadata, wakes, waits. */
export const history = Effect.gen(function* () {
  yield* write({ streamName: "run-a", wakeAt: 5_000, waitsOn: ["recovery-r", "store:inbox"] })
  yield* write({
    streamName: "odd-ü",
    events: [
      { type: "FromTheFuture", payload: '{ "a" : 1.0,\n\t"a": -0, "z":"\u2028 \\u00e9 \\" \u{1F600}" }' },
      { type: "Ünknown", payload: "[]", metadata: { principal: "é", commandId: "c-1", requestHash: "h" } }
    ]
  })
  yield* write({ streamName: "run-a", events: [{ type: "B" }, { type: "C" }], wakeAt: 7_000 })
  yield* write({ streamName: "Asset-B", events: [{ recordedAt: 1 }] })
})

/** The log as a file. */
export const exported = Effect.fnUntraced(function* (after: Position | null = null, signer: Signer | null = null) {
  const parts: Array<string> = []
  const told = yield* Export.write((part) => Effect.sync(() => void parts.push(part)), { after, signer })
  return { text: parts.join(""), told, parts: parts.map(({ length }) => length) }
})

/** A file into the log, in pieces that end anywhere. */
export const imported = (text: string, isContinued = false, verifier: Verifier | null = null) => {
  const bytes = Buffer.from(text)
  const chunks = Array.from({ length: Math.ceil(bytes.length / 97) }, (_, index) =>
    bytes.subarray(index * 97, (index + 1) * 97)
  )
  const lines = linesOf(
    (async function* () {
      yield* chunks
    })()
  )
  return Import.read(lines, { file: "backup", isContinued, verifier })
}

/** Everything that a log is made of. */
export const contents = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const events = yield* sql`
    SELECT s.stream_name, e.transaction_id::text AS transaction, e.global_position::text AS place, e.epoch,
      e.stream_version, e.schema_version, e.type, e.recorded_at_ms::text AS at, encode(e.hash, 'hex') AS hash,
      e.payload::text AS payload, e.metadata, e.command_id
    FROM events e JOIN streams s USING (stream_id) ORDER BY e.epoch, e.transaction_id, e.global_position`
  const streams = yield* sql`
    SELECT stream_name, stream_version, wake_at_ms::text AS wake, waits_on FROM streams ORDER BY stream_name`
  return { events, streams }
})
