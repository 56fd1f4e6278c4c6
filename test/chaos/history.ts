import type { RecordedEvent } from "../../src/eventstore/EventStore.ts"

/** What must hold of any history, whatever crashed meanwhile (DESIGN, section 7). */
export interface History {
  /** The whole log, in log order. */
  readonly events: ReadonlyArray<RecordedEvent>
  /** Ids of runs whose start was acknowledged to somebody. */
  readonly acknowledged: ReadonlyArray<string>
  /** Whether the workload is over: every run must have ended. */
  readonly isOver: boolean
  /** How long each stream says that it is, by name: shows what no chain shows, a stream whose end was cut off. */
  readonly lengths?: ReadonlyMap<string, number>
}

/** One event with its payload parsed; the checker reads stored shapes, not the program's own decoders. */
export interface Fact {
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
  /** Where it stands, for messages: stream, version and type. */
  readonly at: string
}

/** The facts of one category, by stream name. */
export type Facts = ReadonlyMap<string, ReadonlyArray<Fact>>

export const factOf = (event: RecordedEvent): Fact => ({
  type: event.type,
  data: JSON.parse(event.payload) as Record<string, unknown>,
  at: `${event.streamName}@${event.streamVersion} ${event.type}`
})

/** The text before the first `-` of a stream's name. */
export const categoryOf = (streamName: string): string => streamName.slice(0, streamName.indexOf("-"))
