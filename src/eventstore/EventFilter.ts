import type { RecordedEvent } from "./EventStore.ts"

/** Which events of the log a reader wants; what is left out does not filter. */
export interface EventFilter {
  readonly category?: string | undefined
  readonly types?: ReadonlyArray<string> | undefined
}

/** Whether an event in memory is wanted, as the database says it of those that it reads. */
export const isWanted = ({ category, types }: EventFilter): ((event: RecordedEvent) => boolean) => {
  const prefix = category === undefined ? "" : `${category}-`
  return ({ streamName, type }) => streamName.startsWith(prefix) && (types === undefined || types.includes(type))
}
