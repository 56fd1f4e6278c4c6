import type { Seen } from "./DemoClient.ts"

/** What the log says of one act. Times are in ms. */
export interface DemoTally {
  /** Runs that were asked for, and those of them that ended well. */
  readonly runs: number
  readonly succeeded: number
  readonly losses: number
  readonly recoveries: number
  readonly healed: number
  /** Executions of producing steps on behalf of a recovery, by step id: an execution that is tried again counts twice. */
  readonly producers: ReadonlyMap<string, number>
  readonly producerRuns: number
  /** Steps that waited, for whatever; and those of them that waited for a store. */
  readonly waited: number
  readonly waitedForStore: number
  /** From the first loss to the last heal, or from the first wait to the last resumption; null without either. */
  readonly healMs: number | null
}

/** Counts what `events` hold; runs that began before are not known, and so are nobody's. */
export const tally = (events: ReadonlyArray<Seen>): DemoTally => {
  const asked = new Set<string>()
  const producing = new Set<string>()
  const producers = new Map<string, number>()
  const waited = new Set<string>()
  const waitedForStore = new Set<string>()
  const marks = { lost: [] as Array<number>, back: [] as Array<number> }
  let succeeded = 0
  let losses = 0
  let recoveries = 0
  let healed = 0
  for (const { at, event, stream } of events) {
    switch (event._tag) {
      case "RunRequested":
        ;(event.trigger.type === "recovery" ? producing : asked).add(stream)
        break
      case "StepStarted":
        if (producing.has(stream)) producers.set(event.stepId, (producers.get(event.stepId) ?? 0) + 1)
        break
      case "StepSuspended":
        waited.add(`${stream}/${event.stepId}`)
        if (event.waitingFor.type === "store") waitedForStore.add(`${stream}/${event.stepId}`)
        marks.lost.push(at)
        break
      case "StepResumed":
        marks.back.push(at)
        break
      case "RunSucceeded":
        if (asked.has(stream)) succeeded++
        break
      case "AssetMissingDetected":
        losses++
        marks.lost.push(at)
        break
      case "RecoveryRequested":
        recoveries++
        break
      case "RecoverySucceeded":
        healed++
        marks.back.push(at)
        break
    }
  }
  return {
    runs: asked.size,
    succeeded,
    losses,
    recoveries,
    healed,
    producers,
    producerRuns: producing.size,
    waited: waited.size,
    waitedForStore: waitedForStore.size,
    healMs:
      marks.lost.length === 0 || marks.back.length === 0 ? null : Math.max(...marks.back) - Math.min(...marks.lost)
  }
}

/** Something that an act promises, and whether the log bears it out. */
export interface Expectation {
  readonly text: string
  readonly held: boolean
}

/** The number that the log shows against the one that was promised. */
export const expectNumber = (what: string, actual: number, expected: number): Expectation => ({
  text: actual === expected ? `${what} ${actual}` : `${what} ${actual}, and not ${expected}`,
  held: actual === expected
})

/** Each producing step ran once, and no other ran. */
export const expectProducers = (actual: ReadonlyMap<string, number>, steps: ReadonlyArray<string>): Expectation => {
  const held = actual.size === steps.length && steps.every((step) => actual.get(step) === 1)
  if (held) return { text: `each producer ran once: ${[...actual.keys()].join(", ")}`, held }
  const shown = [...actual].map(([step, count]) => `${step} ${count} times`).join(", ") || "none"
  return { text: `producers ran: ${shown}, and not each once of ${steps.join(", ")}`, held }
}
