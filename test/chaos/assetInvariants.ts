import type { Fact, Facts } from "./history.ts"

interface Produced {
  readonly generation: number
  readonly runId: string
  readonly stepId: string
  readonly attempt: number
  readonly productionKey?: string
}

/** Every fault of one asset's history: generations without a gap, one for each production, each made by a step. */
export const assetFaults = (facts: ReadonlyArray<Fact>, runs: Facts): ReadonlyArray<string> => {
  const faults: Array<string> = []
  let generation = 0
  let missing = false
  const makers = new Set<string>()
  for (const { at, data, type } of facts) {
    if (type === "AssetMissingDetected") {
      if (missing) faults.push(`${at}: reported missing twice`)
      missing = true
    }
    if (type === "AssetVerified") missing = false
    if (type !== "AssetProduced") continue
    const produced = data as unknown as Produced
    if (produced.generation !== generation + 1) {
      faults.push(`${at}: generation ${produced.generation} after ${generation}`)
    }
    generation = produced.generation
    missing = false
    const maker = produced.productionKey ?? `${produced.runId}/${produced.stepId}/${produced.attempt}`
    if (makers.has(maker)) faults.push(`${at}: ${maker} is recorded twice`)
    makers.add(maker)
    if (produced.productionKey === undefined && !hasSucceeded(runs, produced)) {
      faults.push(`${at}: ${maker} never succeeded`)
    }
  }
  return faults
}

const hasSucceeded = (runs: Facts, { attempt, runId, stepId }: Produced): boolean =>
  (runs.get(`run-${runId}`) ?? []).some(
    ({ data, type }) => type === "StepSucceeded" && data.stepId === stepId && data.attempt === attempt
  )
