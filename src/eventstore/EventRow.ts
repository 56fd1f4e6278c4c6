import { metadataOf } from "./EventCodec.ts"
import type { RecordedEvent } from "./EventStore.ts"
import * as LogPosition from "./LogPosition.ts"

/** Columns of a recorded event, in the order of `Row`; `e` is the alias of the table. */
export const columns = `e.stream_version, e.type, e.schema_version, e.payload::text, e.metadata, e.recorded_at_ms,
  encode(e.hash, 'hex'), e.epoch, e.transaction_id::text, e.global_position,
  encode(e.payload_sha256, 'hex')`

export type Row = readonly [
  streamVersion: number,
  type: string,
  schemaVersion: number,
  payload: string,
  metadata: string | null,
  recordedAtMs: bigint,
  hash: string,
  epoch: number,
  transactionId: string,
  globalPosition: bigint,
  payloadHash: string | null
]

export const toEvent = (streamName: string, row: Row): RecordedEvent => ({
  streamName,
  streamVersion: row[0],
  type: row[1],
  schemaVersion: row[2],
  payload: row[3],
  metadata: metadataOf(row[4]),
  recordedAt: Number(row[5]),
  hash: row[6],
  position: LogPosition.of(row[7], row[8], row[9]),
  ...(row[10] === null ? {} : { payloadHash: row[10] })
})
