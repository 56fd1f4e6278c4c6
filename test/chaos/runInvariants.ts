import type { Fact } from "./history.ts"

/** What the checker needs of a definition, by `slug@version`. */
export type Graphs = ReadonlyMap<string, ReadonlyArray<GraphStep>>

export interface GraphStep {
  readonly id: string
  readonly dependsOn: ReadonlyArray<string>
  readonly maxAttempts: number
}

interface Step {
  attempt: number
  status: "idle" | "executing" | "recording" | "done" | "waiting"
  waitsFor: string
}

interface StepFields {
  readonly stepId: string
  readonly attempt: number
  readonly produced?: ReadonlyArray<unknown>
  readonly waitingFor?: unknown
  readonly retry?: number
}

/** May follow a run's end: what was produced is recorded or moved aside, and whoever asked for the run is told. */
const epilogue: ReadonlySet<string> = new Set(["RunOutcomeDelivered", "StepOutputsRecorded", "StepLeftOversMoved"])

/** With these a run goes on that has ended. */
const reopening: ReadonlySet<string> = new Set(["RunRecovered", "RunRestored"])

const runEnds: ReadonlySet<string> = new Set(["RunSucceeded", "RunFailed", "RunCanceled"])

/** Every fault of one run's history. */
export const runFaults = (
  streamName: string,
  facts: ReadonlyArray<Fact>,
  graphs: Graphs,
  isOver: boolean
): ReadonlyArray<string> => {
  const faults: Array<string> = []
  const steps = new Map<string, Step>()
  const step = (id: string): Step => {
    const known = steps.get(id) ?? { attempt: 0, status: "idle", waitsFor: "" }
    steps.set(id, known)
    return known
  }
  let graph: ReadonlyArray<GraphStep> = []
  let ended: string | null = null
  let requested = 0
  let paused = false

  for (const { at, data, type } of facts) {
    const fields = data as unknown as StepFields
    // An operator may skip what has failed before the run goes on.
    const follows = epilogue.has(type) || reopening.has(type) || (type === "StepSkipped" && ended === "RunFailed")
    if (ended !== null && !follows) faults.push(`${at}: after ${ended}`)
    if (requested === 0 && type !== "RunRequested") faults.push(`${at}: before the run was requested`)
    switch (type) {
      case "RunRequested": {
        const { version, workflow } = data as { readonly workflow: string; readonly version: number }
        const found = graphs.get(`${workflow}@${version}`)
        if (found === undefined) faults.push(`${at}: no definition ${workflow}@${version} in the log`)
        graph = found ?? []
        requested++
        break
      }
      case "RunRecovered":
        if (ended !== "RunFailed") faults.push(`${at}: recovered after ${ended ?? "no end"}`)
        ended = null
        for (const id of (data as unknown as { readonly rerun: ReadonlyArray<string> }).rerun) step(id).status = "idle"
        break
      case "RunPaused":
      case "RunResumed":
        paused = type === "RunPaused"
        break
      case "RunRestored":
        ended = null
        for (const id of (data as unknown as { readonly rerun: ReadonlyArray<string> }).rerun) step(id).status = "idle"
        break
      case "StepExpanded": {
        const { only, items } = data as {
          readonly items: ReadonlyArray<unknown>
          readonly only?: ReadonlyArray<number>
        }
        // One child alone, whose fan-out is skipped, is there before anything has run.
        faults.push(...startFaults(at, fields, step, only === undefined ? graph : []))
        Object.assign(step(fields.stepId), { attempt: fields.attempt, status: "executing" })
        for (const position of items.keys()) step(`${fields.stepId}[${only?.[position] ?? position}]`)
        break
      }
      case "StepStarted":
        if (paused) faults.push(`${at}: step ${fields.stepId} begins although the run is paused`)
        if (declared(fields.stepId) !== fields.stepId && !steps.has(fields.stepId)) {
          faults.push(`${at}: step ${fields.stepId} begins before its fan-out has been expanded`)
        }
        faults.push(...startFaults(at, fields, step, graph))
        Object.assign(step(fields.stepId), { attempt: fields.attempt, status: "executing" })
        break
      case "StepSucceeded": {
        const current = step(fields.stepId)
        if (current.status === "recording" || current.status === "done") {
          faults.push(`${at}: step ${fields.stepId} succeeds twice`)
        } else if (current.status !== "executing" || current.attempt !== fields.attempt) {
          faults.push(`${at}: step ${fields.stepId} ends attempt ${fields.attempt}, which is not under way`)
        }
        current.status = (fields.produced ?? []).length > 0 ? "recording" : "done"
        break
      }
      case "StepOutputsRecorded":
        if (step(fields.stepId).status !== "recording")
          faults.push(`${at}: step ${fields.stepId} has nothing to record`)
        step(fields.stepId).status = "done"
        break
      case "StepFailed":
        if (step(fields.stepId).status === "done") faults.push(`${at}: step ${fields.stepId} fails after it succeeded`)
        step(fields.stepId).status = "idle"
        break
      case "StepRetryScheduled": {
        const bound = graph.find(({ id }) => id === declared(fields.stepId))?.maxAttempts
        if (bound !== undefined && (fields.retry ?? 0) >= bound) {
          faults.push(`${at}: retry ${fields.retry} of step ${fields.stepId}, which has ${bound} attempts`)
        }
        break
      }
      case "StepSuspended":
        Object.assign(step(fields.stepId), { status: "waiting", waitsFor: JSON.stringify(fields.waitingFor) })
        break
      case "StepResumed":
        step(fields.stepId).status = "idle"
        break
      case "StepSkipped":
        if (step(fields.stepId).status === "done") faults.push(`${at}: step ${fields.stepId} is skipped after its end`)
        step(fields.stepId).status = "done"
        if ((data as { readonly children?: boolean }).children !== true) break
        for (const [id, child] of steps)
          if (declared(id) === fields.stepId && child.status !== "recording") child.status = "done"
        break
      case "RunInterrupted":
        for (const cut of (data as unknown as { readonly steps: ReadonlyArray<StepFields> }).steps) {
          const current = step(cut.stepId)
          if (current.status !== "executing" || current.attempt !== cut.attempt) {
            faults.push(`${at}: attempt ${cut.attempt} of ${cut.stepId} was not under way`)
          }
          current.status = "idle"
        }
        break
      case "RunSucceeded":
        for (const { id } of graph) step(id)
        for (const [id, { status }] of steps) if (status !== "done") faults.push(`${at}: step ${id} is not finished`)
        break
    }
    if (!runEnds.has(type)) continue
    ended = type
    paused = false
  }
  if (requested !== 1) faults.push(`${streamName}: requested ${requested} times`)
  if (isOver) faults.push(...endFaults(streamName, steps, ended))
  return faults
}

/** A fan-out's child has what its fan-out has. */
const declared = (stepId: string): string => stepId.replace(/\[\d+\]$/, "")

const startFaults = (
  at: string,
  { attempt, stepId }: StepFields,
  step: (id: string) => Step,
  graph: ReadonlyArray<GraphStep>
): ReadonlyArray<string> => {
  const faults: Array<string> = []
  const current = step(stepId)
  if (current.status === "done" || current.status === "recording") {
    faults.push(`${at}: step ${stepId} runs again after it succeeded`)
  }
  if (current.status === "executing") faults.push(`${at}: step ${stepId} begins while it executes`)
  if (current.status === "waiting") faults.push(`${at}: step ${stepId} begins while it waits for ${current.waitsFor}`)
  if (attempt !== current.attempt + 1) {
    faults.push(`${at}: step ${stepId} goes from attempt ${current.attempt} to ${attempt}`)
  }
  const definition = graph.find(({ id }) => id === declared(stepId))
  for (const id of definition?.dependsOn ?? []) {
    if (step(id).status !== "done") faults.push(`${at}: step ${stepId} begins before ${id} has finished`)
  }
  return faults
}

const endFaults = (streamName: string, steps: ReadonlyMap<string, Step>, ended: string | null) => {
  const faults: Array<string> = []
  if (ended === null) {
    const waiting = [...steps].filter(([, { status }]) => status === "waiting")
    const who = waiting.map(([id, { waitsFor }]) => `${id} waits for ${waitsFor}`).join("; ")
    faults.push(`${streamName}: has not ended (${who === "" ? "no step waits" : who})`)
  }
  for (const [id, { status }] of steps) {
    if (status === "recording") faults.push(`${streamName}: what step ${id} produced was never recorded`)
  }
  return faults
}
