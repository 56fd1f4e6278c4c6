import { metadataText } from "../../src/eventstore/EventCodec.ts"
import type { RecordedEvent } from "../../src/eventstore/EventStore.ts"
import * as HashChain from "../../src/eventstore/HashChain.ts"

/** What must hold of any history, whatever crashed meanwhile (DESIGN, section 7). */
export interface History {
  /** The whole log, in log order. */
  readonly events: ReadonlyArray<RecordedEvent>
  /** Ids of runs whose start was acknowledged to somebody. */
  readonly acknowledged: ReadonlyArray<string>
  /** Whether the workload is over: every run must have ended. */
  readonly isOver: boolean
}

interface StepFacts {
  attempt: number
  succeeded: boolean
  waitsFor: string | null
}

const data = (event: RecordedEvent) => JSON.parse(event.payload) as Record<string, never>

const chain = (streamName: string, events: ReadonlyArray<RecordedEvent>): ReadonlyArray<string> => {
  const faults: Array<string> = []
  let hash = HashChain.genesis
  events.forEach((event, index) => {
    if (event.streamVersion !== index + 1) {
      faults.push(`${streamName}: event ${index + 1} is missing (found version ${event.streamVersion})`)
    }
    const linked = HashChain.link(hash, { ...event, metadata: metadataText(event.metadata) })
    if (linked !== event.hash) faults.push(`${streamName}@${event.streamVersion}: the hash chain is broken`)
    hash = event.hash
  })
  return faults
}

const runFaults = (
  streamName: string,
  events: ReadonlyArray<RecordedEvent>,
  isOver: boolean
): ReadonlyArray<string> => {
  const faults: Array<string> = []
  const steps = new Map<string, StepFacts>()
  const step = (id: string) => {
    const known = steps.get(id) ?? { attempt: 0, succeeded: false, waitsFor: null }
    steps.set(id, known)
    return known
  }
  let ended: string | null = null
  let requested = 0
  for (const event of events) {
    const fields = data(event)
    const at = `${streamName}@${event.streamVersion} ${event.type}`
    if (event.type === "RunRequested") requested++
    if (event.type === "RunRecovered") {
      ended = null
      for (const id of (fields as unknown as { rerun: Array<string> }).rerun) step(id).succeeded = false
      continue
    }
    if (ended !== null && !["RunOutcomeDelivered", "StepOutputsRecorded"].includes(event.type)) {
      faults.push(`${at}: after ${ended}`)
    }
    const { stepId, attempt } = fields as unknown as { stepId: string; attempt: number }
    switch (event.type) {
      case "StepStarted":
        if (step(stepId).succeeded) faults.push(`${at}: step ${stepId} runs again after it succeeded`)
        if (attempt !== step(stepId).attempt + 1) {
          faults.push(`${at}: step ${stepId} goes from attempt ${step(stepId).attempt} to ${attempt}`)
        }
        step(stepId).attempt = attempt
        step(stepId).waitsFor = null
        break
      case "StepSucceeded":
        if (step(stepId).succeeded) faults.push(`${at}: step ${stepId} succeeds twice`)
        if (attempt !== step(stepId).attempt)
          faults.push(`${at}: step ${stepId} ends attempt ${attempt}, which is not its current one`)
        step(stepId).succeeded = true
        break
      case "StepSuspended":
        step(stepId).waitsFor = JSON.stringify((fields as unknown as { waitingFor: unknown }).waitingFor)
        break
      case "StepResumed":
        step(stepId).waitsFor = null
        break
      case "RunSucceeded":
      case "RunFailed":
      case "RunCanceled":
        ended = event.type
        break
    }
  }
  if (requested !== 1) faults.push(`${streamName}: requested ${requested} times`)
  if (isOver && ended === null) {
    const waiting = [...steps]
      .filter(([, { waitsFor }]) => waitsFor !== null)
      .map(([id, { waitsFor }]) => `${id} waits for ${waitsFor}`)
    faults.push(`${streamName}: has not ended (${waiting.join("; ") || "no step waits"})`)
  }
  return faults
}

const recoveryFaults = (
  streamName: string,
  events: ReadonlyArray<RecordedEvent>,
  isOver: boolean
): ReadonlyArray<string> => {
  const faults: Array<string> = []
  let round = 0
  let attempt = 0
  let over = false
  const waiters = new Set<string>()
  let released = 0
  for (const event of events) {
    const fields = data(event) as unknown as { round: number; attempt: number; waiter: unknown; released: number }
    const at = `${streamName}@${event.streamVersion} ${event.type}`
    switch (event.type) {
      case "RecoveryRequested":
        if (fields.round !== round + 1) faults.push(`${at}: round ${fields.round} after ${round}`)
        if (round > 0 && !over) faults.push(`${at}: opened twice`)
        round = fields.round
        attempt = 0
        over = false
        waiters.clear()
        released = 0
        break
      case "RecoveryWaiterJoined": {
        const waiter = JSON.stringify(fields.waiter)
        if (waiters.has(waiter)) faults.push(`${at}: ${waiter} joins twice`)
        waiters.add(waiter)
        break
      }
      case "RecoveryScheduled":
        if (over) faults.push(`${at}: an attempt after the end`)
        if (fields.attempt !== attempt + 1) faults.push(`${at}: attempt ${fields.attempt} after ${attempt}`)
        attempt = fields.attempt
        break
      case "RecoverySucceeded":
      case "RecoveryFailed":
        if (over) faults.push(`${at}: ends twice`)
        over = true
        break
      case "RecoveryWaitersReleased":
        if (fields.released <= released || fields.released > waiters.size)
          faults.push(`${at}: releases ${fields.released} of ${waiters.size}`)
        released = fields.released
        break
    }
  }
  if (isOver && !over) faults.push(`${streamName}: has not ended`)
  if (isOver && over && released !== waiters.size)
    faults.push(`${streamName}: released ${released} of ${waiters.size} waiters`)
  return faults
}

const assetFaults = (streamName: string, events: ReadonlyArray<RecordedEvent>): ReadonlyArray<string> => {
  const faults: Array<string> = []
  let generation = 0
  const makers = new Set<string>()
  for (const event of events) {
    if (event.type !== "AssetProduced") continue
    const fields = data(event) as unknown as {
      generation: number
      runId: string
      stepId: string
      attempt: number
      productionKey?: string
    }
    if (fields.generation !== generation + 1) {
      faults.push(`${streamName}@${event.streamVersion}: generation ${fields.generation} after ${generation}`)
    }
    generation = fields.generation
    const maker = fields.productionKey ?? `${fields.runId}/${fields.stepId}/${fields.attempt}`
    if (makers.has(maker)) faults.push(`${streamName}@${event.streamVersion}: ${maker} is recorded twice`)
    makers.add(maker)
  }
  return faults
}

/** Every fault of a history, one line each; an empty history is a fault, because it would prove nothing. */
export const check = ({ acknowledged, events, isOver }: History): ReadonlyArray<string> => {
  if (events.length === 0) return ["the history is empty"]
  if (acknowledged.length === 0) return ["no run was acknowledged: there is nothing to prove"]
  const faults: Array<string> = []
  const streams = new Map<string, Array<RecordedEvent>>()
  let position = ""
  for (const event of events) {
    if (event.position <= position) faults.push(`${event.streamName}@${event.streamVersion}: out of log order`)
    position = event.position
    const stream = streams.get(event.streamName)
    if (stream === undefined) streams.set(event.streamName, [event])
    else stream.push(event)
  }
  for (const runId of acknowledged) {
    if (!streams.has(`run-${runId}`)) faults.push(`run-${runId}: was acknowledged and is not in the log`)
  }
  for (const [streamName, recorded] of streams) {
    faults.push(...chain(streamName, recorded))
    const category = streamName.slice(0, streamName.indexOf("-"))
    if (category === "run") faults.push(...runFaults(streamName, recorded, isOver))
    if (category === "recovery") faults.push(...recoveryFaults(streamName, recorded, isOver))
    if (category === "asset") faults.push(...assetFaults(streamName, recorded))
  }
  return faults
}
