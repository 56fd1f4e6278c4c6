import { readFileSync } from "node:fs"
import type { RecordedEvent } from "../../src/eventstore/EventStore.ts"

/** What the jobs themselves wrote down, outside every store: the executions that really happened. */
export interface Ledger {
  /** Executions by `run step attempt`: how often each was begun, and how often it came to its end. */
  readonly begun: ReadonlyMap<string, number>
  readonly done: ReadonlyMap<string, number>
}

export const readLedger = (file: string): Ledger => {
  const begun = new Map<string, number>()
  const done = new Map<string, number>()
  for (const line of readFileSync(file, "utf8").split("\n")) {
    const [what, ...execution] = line.split(" ")
    if (execution.length !== 3) continue
    const counts = what === "done" ? done : begun
    const key = execution.join(" ")
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return { begun, done }
}

/** Steps whose effect happened more than once, each because a crash came between the effect and its record. */
export const duplicates = ({ done }: Ledger): number => {
  const effects = new Map<string, number>()
  for (const [execution, count] of done) {
    const step = execution.slice(0, execution.lastIndexOf(" "))
    effects.set(step, (effects.get(step) ?? 0) + count)
  }
  let twice = 0
  for (const count of effects.values()) twice += count - 1
  return twice
}

/** What the log says was executed, against what was: no attempt runs twice or unrecorded, no success is made up. */
export const ledgerFaults = (ledger: Ledger, events: ReadonlyArray<RecordedEvent>): ReadonlyArray<string> => {
  const faults: Array<string> = []
  const started = new Set<string>()
  for (const event of events) {
    if (event.type !== "StepStarted" && event.type !== "StepSucceeded") continue
    const { attempt, stepId } = JSON.parse(event.payload) as { readonly stepId: string; readonly attempt: number }
    const execution = `${event.streamName.slice("run-".length)} ${stepId} ${attempt}`
    if (event.type === "StepStarted") started.add(execution)
    else if (!ledger.done.has(execution)) faults.push(`${execution}: succeeded in the log and never came to its end`)
  }
  for (const [execution, count] of ledger.begun) {
    if (count > 1) faults.push(`${execution}: this one attempt was executed ${count} times`)
    if (!started.has(execution)) faults.push(`${execution}: was executed and is not in the log`)
  }
  return faults
}
