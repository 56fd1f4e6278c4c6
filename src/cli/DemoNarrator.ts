import type { Failure } from "../domain/Failure.ts"
import type { WaitingFor } from "../domain/run/RunEvents.ts"
import type { Trigger } from "../domain/Trigger.ts"
import type { Seen } from "./DemoClient.ts"
import type { Line } from "./DemoScreen.ts"

/** Turns the events of the log into lines for a reader. */
export interface DemoNarrator {
  /** The lines of an event; none for what goes on behind the scenes. */
  readonly tell: (seen: Seen) => ReadonlyArray<Line>
  /** What was said once in an act may be said again in the next. */
  readonly nextAct: () => void
}

/** What all names have in common is left out: `observatory-minute-ingest` is `minute-ingest`, `2026-01-01T00-02` is `00-02`. */
const shortName = (name: string): string => name.replace(/^observatory[-.]/, "")
const shortPartition = (key: string | undefined): string =>
  key === undefined || key === "" ? "" : `[${key.replace(/^\d{4}-\d{2}-\d{2}T/, "")}]`

interface Ref {
  readonly assetId?: string | undefined
  readonly partitionKey?: string | undefined
}
/** An asset as the demo names it: `inbox.csv[00-02]`. */
export const asset = ({ assetId = "?", partitionKey }: Ref): string =>
  `${shortName(assetId)}${shortPartition(partitionKey)}`

export const make = (): DemoNarrator => {
  /** By stream: the run's or recovery's name, from its first event. */
  const runs = new Map<string, { readonly name: string; readonly partition: string; readonly isProducer: boolean }>()
  const recoveries = new Map<string, string>()
  let told = new Set<string>()
  const once = (line: Line): ReadonlyArray<Line> => {
    const name = `${line.word} ${line.text}`
    if (told.has(name)) return []
    told.add(name)
    return [line]
  }

  const tell = ({ event, stream }: Seen): ReadonlyArray<Line> => {
    const run = runs.get(stream) ?? { name: stream, partition: "", isProducer: false }
    const recovered = recoveries.get(stream) ?? stream
    switch (event._tag) {
      case "RunRequested": {
        const partition = shortPartition(event.partitionKey)
        const name = `${shortName(event.workflow)}${partition}`
        runs.set(stream, { name, partition, isProducer: event.trigger.type === "recovery" })
        if (event.trigger.type !== "recovery") {
          return [{ tone: "plain", word: "run", text: `${name} starts${occasion(event.trigger)}` }]
        }
        const steps = event.only?.join(", ") ?? "all steps"
        return [{ tone: "work", word: "producer", text: `${steps} of ${name} runs for ${asset(event.trigger)}` }]
      }
      case "StepFailed": {
        if (event.final)
          return [{ tone: "loss", word: "failed", text: `${event.stepId}${run.partition}: ${event.failure.message}` }]
        return [
          {
            tone: "loss",
            word: failedWord(event.failure),
            text: `${event.stepId}${run.partition}: ${why(event.failure)}`
          }
        ]
      }
      case "StepRetryScheduled":
        return [
          {
            tone: "wait",
            word: "retry",
            text: `${event.stepId}${run.partition} in ${event.delayMs} ms: ${event.reason}`
          }
        ]
      case "StepSuspended":
        return [
          { tone: "wait", word: "waits", text: `${event.stepId}${run.partition} for ${awaited(event.waitingFor)}` }
        ]
      case "StepResumed":
        return [{ tone: "good", word: "resumed", text: `${event.stepId}${run.partition}, where it stood` }]
      case "RunSucceeded":
        return run.isProducer ? [] : [{ tone: "good", word: "done", text: `${run.name} succeeded` }]
      case "RunFailed":
        return [{ tone: "loss", word: "failed", text: `${run.name}: ${event.failure.message}` }]
      case "AssetMissingDetected": {
        const what = event.reason === "missing" ? "is gone: the store answers, and has it not" : "is corrupt"
        return [{ tone: "loss", word: "detected", text: `${asset(event)} ${what}` }]
      }
      case "RecoveryRequested":
        recoveries.set(stream, asset(event))
        return []
      case "RecoveryPlanned": {
        const { plan, rootCause } = event
        const lines: Array<Line> = [
          ...once({ tone: "cause", word: "cause", text: `${asset(rootCause)}: ${rootCause.why}` })
        ]
        for (const [index, step] of plan.entries()) {
          // The plan of an input is the beginning of the plan of what is made from it.
          if (told.has(asset(step))) continue
          told.add(asset(step))
          const by = `${shortName(step.workflow)}/${step.step}`
          const text = `${index + 1} of ${plan.length}: ${step.class} ${asset(step)} by ${by}`
          lines.push({ tone: "cause", word: "plan", text })
        }
        return lines
      }
      case "RecoveryAttemptFailed":
        return [{ tone: "loss", word: "attempt", text: `${recovered}, ${event.attempt}: ${event.failure.message}` }]
      case "RecoverySucceeded": {
        const bytes = event.contentChanged ? "other bytes than before" : "the same bytes as before"
        return [{ tone: "good", word: "healed", text: `${recovered} is generation ${event.generation}, ${bytes}` }]
      }
      case "RecoveryFailed":
        return [{ tone: "loss", word: "failed", text: `${recovered}, ${event.reasonCode}: ${event.failure.message}` }]
      default:
        return []
    }
  }
  return {
    tell,
    nextAct: () => {
      told = new Set()
    }
  }
}

/** Why a run starts that nobody started by hand. */
const occasion = (trigger: Trigger): string => {
  if (trigger.type === "schedule") return ` by its schedule ${trigger.cron}`
  if (trigger.type !== "auto-materialize") return ""
  const happened = { "upstream-update": "is new", expiry: "has expired", stale: "is stale" }
  return ` by itself: ${asset(trigger)} ${happened[trigger.reason]}`
}

const failedWord = ({ class: failureClass }: Failure): string =>
  failureClass === "asset_missing" ? "missing" : failureClass === "store_unavailable" ? "no store" : "failed"

const why = (failure: Failure): string => {
  switch (failure.class) {
    case "asset_missing":
      return `${failure.store ?? "?"}/${failure.key ?? "?"}`
    case "store_unavailable":
      return `store ${failure.store ?? "?"} does not answer`
    default:
      return failure.message
  }
}

const awaited = (waitingFor: WaitingFor): string => {
  switch (waitingFor.type) {
    case "store":
      return `store ${waitingFor.store}; nothing is healed meanwhile`
    case "input":
      return `${asset(waitingFor)} to be made for the first time`
    case "recovery":
      return `${asset(waitingFor)}; none of its retries is used`
  }
}
