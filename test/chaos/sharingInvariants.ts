import type { RecordedEvent } from "../../src/eventstore/EventStore.ts"
import type { Fact, Facts } from "./history.ts"

/** Every fault of a limit: nobody has two slots, and no slot is granted beyond the capacity. */
export const limitFaults = (facts: ReadonlyArray<Fact>): ReadonlyArray<string> => {
  const faults: Array<string> = []
  const holders = new Set<string>()
  let capacity = 0
  for (const { at, data, type } of facts) {
    const holder = String(data.holder)
    if (type === "LimitCapacityChanged") capacity = Number(data.capacity)
    if (type === "SlotReleased") holders.delete(holder)
    if (type !== "SlotGranted") continue
    if (holders.has(holder)) faults.push(`${at}: ${holder} has a slot already`)
    holders.add(holder)
    if (holders.size > capacity) faults.push(`${at}: ${holders.size} hold one of ${capacity} slots`)
  }
  return faults
}

/** Every fault of a run key: one run has it at a time, and each run that got it exists and gives it back. */
export const runKeyFaults = (
  streamName: string,
  facts: ReadonlyArray<Fact>,
  runs: Facts,
  isOver: boolean
): ReadonlyArray<string> => {
  const faults: Array<string> = []
  let active: string | null = null
  for (const { at, data, type } of facts) {
    const runId = String(data.runId)
    if (type === "RunKeyClaimed") {
      if (active !== null) faults.push(`${at}: ${runId} claims what ${active} has`)
      active = runId
      if (isOver && !runs.has(`run-${runId}`)) faults.push(`${at}: ${runId} got the key and was never started`)
    }
    if (type === "RunKeyReleased") {
      if (active !== runId) faults.push(`${at}: ${runId} gives back what ${active ?? "nobody"} has`)
      active = null
    }
  }
  if (isOver && active !== null) faults.push(`${streamName}: ${active} has ended and still has the key`)
  return faults
}

/** A command from outside has happened at most once, however often it was sent. */
export const commandFaults = (events: ReadonlyArray<RecordedEvent>): ReadonlyArray<string> => {
  const faults: Array<string> = []
  const seen = new Map<string, string>()
  for (const { metadata, streamName, streamVersion, type } of events) {
    if (metadata.commandId === undefined) continue
    const at = `${streamName}@${streamVersion} ${type}`
    const earlier = seen.get(metadata.commandId)
    if (earlier !== undefined) faults.push(`${at}: its command happened before, at ${earlier}`)
    seen.set(metadata.commandId, at)
  }
  return faults
}
