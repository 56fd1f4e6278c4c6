import type { SqlError } from "effect/sql/SqlError"
import type { Effect } from "effect"
import { metadataText } from "./EventCodec.ts"
import type { Append } from "./EventStore.ts"

/** The one statement of the writer; see migrations/0002. It is prepared once for each connection. */
export const statement = `SELECT transaction_id::text, epoch, lost, positions
  FROM append_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`

/** What the writer needs of a connection. */
export interface Connection {
  readonly queryValues: (
    sql: string,
    params?: ReadonlyArray<unknown>
  ) => Effect.Effect<ReadonlyArray<ReadonlyArray<unknown>>, SqlError>
}

/** Columns of the answer's only row. */
export type Answer = readonly [
  transactionId: string,
  epoch: number,
  lost: ReadonlyArray<number>,
  positions: ReadonlyArray<bigint> | null
]

/** Separates texts of the batch, and keys of one `waitsOn`: control characters that JSON text cannot contain. */
const itemEnd = "\x1e"
const keyEnd = "\x1f"
const hashBytes = 32

/** New streams first, then by name: the order in which the statement takes its locks. */
export const lockOrder = (left: Append, right: Append): number => {
  const leftCreates = left.expectedVersion === 0
  if (leftCreates !== (right.expectedVersion === 0)) return leftCreates ? -1 : 1
  return left.streamName < right.streamName ? -1 : left.streamName > right.streamName ? 1 : 0
}

/**
 * Parameters of `statement` for appends in `lockOrder`. Joined texts and array literals: a fraction of the time that
 * the driver takes to encode arrays element by element, here and in the server.
 */
export const parameters = (appends: ReadonlyArray<Append>): ReadonlyArray<unknown> => {
  const names = new Joined(itemEnd)
  const waits = new Joined(itemEnd)
  const types = new Joined(itemEnd)
  const payloads = new Joined(itemEnd)
  const metadatas = new Joined(itemEnd)
  const commands = new Joined(itemEnd)
  const after = new Joined(",")
  const counts = new Joined(",")
  const wakes = new Joined(",")
  const owners = new Joined(",")
  const versions = new Joined(",")
  const schemas = new Joined(",")
  const times = new Joined(",")
  let creates = 0
  let eventCount = 0
  for (const { events } of appends) eventCount += events.length
  const hashes = Buffer.alloc(eventCount * hashBytes)
  let offset = 0

  for (let index = 0; index < appends.length; index++) {
    const { events, expectedVersion, streamName, waitsOn, wakeAt } = appends[index]!
    if (expectedVersion === 0) creates++
    names.add(streamName)
    after.add(expectedVersion + events.length)
    counts.add(events.length)
    wakes.add(wakeAt === null ? "NULL" : Math.ceil(wakeAt))
    waits.add(waitsOn === null ? "" : waitsOn.join(keyEnd))
    for (let nth = 0; nth < events.length; nth++) {
      const event = events[nth]!
      owners.add(index + 1)
      versions.add(expectedVersion + nth + 1)
      schemas.add(event.schemaVersion)
      times.add(event.recordedAt)
      types.add(event.type)
      payloads.add(event.payload)
      metadatas.add(metadataText(event.metadata))
      commands.add(event.metadata.commandId ?? "")
      hashes.write(event.hash, offset, hashBytes, "hex")
      offset += hashBytes
    }
  }
  return [
    ...[names.text, creates, after.literal, counts.literal, wakes.literal, waits.orNull],
    ...[owners.literal, versions.literal, schemas.literal, times.literal],
    ...[types.text, hashes, payloads.text, metadatas.orNull, commands.orNull]
  ]
}

class Joined {
  text = ""
  private readonly separator: string
  private isFirst = true
  private isBlank = true

  constructor(separator: string) {
    this.separator = separator
  }

  add(item: string | number): void {
    if (this.isFirst) {
      this.isFirst = false
      this.text = `${item}`
    } else this.text += this.separator + item
    if (this.isBlank && item !== "") this.isBlank = false
  }

  /** As the text of a PostgreSQL array of numbers. */
  get literal(): string {
    return `{${this.text}}`
  }

  /** Null when every item is empty, which is the usual case. */
  get orNull(): string | null {
    return this.isBlank ? null : this.text
  }
}
