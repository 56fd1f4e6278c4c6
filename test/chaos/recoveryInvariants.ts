import type { Fact, Facts } from "./history.ts"

interface RecoveryFields {
  readonly round: number
  readonly attempt: number
  readonly waiter: unknown
  readonly released: number
  readonly via: string
}

/** Every fault of one recovery's history: rounds, attempts, its end, and the release of everybody who waited. */
export const recoveryFaults = (
  streamName: string,
  facts: ReadonlyArray<Fact>,
  isOver: boolean
): ReadonlyArray<string> => {
  const faults: Array<string> = []
  let round = 0
  let attempt = 0
  let over = false
  let effective = 0
  let released = 0
  const waiters = new Set<string>()
  for (const { at, data, type } of facts) {
    const fields = data as unknown as RecoveryFields
    if (round === 0 && type !== "RecoveryRequested") faults.push(`${at}: before it was requested`)
    switch (type) {
      case "RecoveryRequested":
        if (fields.round !== round + 1) faults.push(`${at}: round ${fields.round} after ${round}`)
        if (round > 0 && !over) faults.push(`${at}: opened twice`)
        if (isOver && released !== waiters.size) {
          faults.push(`${at}: round ${round} released ${released} of ${waiters.size} waiters`)
        }
        round = fields.round
        attempt = 0
        over = false
        waiters.clear()
        released = 0
        break
      case "RecoveryWaiterJoined": {
        const waiter = JSON.stringify(fields.waiter)
        if (waiters.has(waiter)) faults.push(`${at}: ${waiter} joins twice`)
        if (over) faults.push(`${at}: ${waiter} joins what has ended`)
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
        // What was found to be there after all may get lost later: the same generation is then healed once more.
        if (type === "RecoverySucceeded" && fields.via !== "found" && ++effective > 1) {
          faults.push(`${at}: one lost generation is healed ${effective} times`)
        }
        break
      case "RecoveryWaitersReleased":
        if (!over) faults.push(`${at}: released before the end`)
        if (fields.released <= released || fields.released > waiters.size) {
          faults.push(`${at}: releases ${fields.released} of ${waiters.size}`)
        }
        released = fields.released
        break
    }
  }
  if (isOver && !over) faults.push(`${streamName}: has not ended`)
  if (isOver && over && released !== waiters.size) {
    faults.push(`${streamName}: released ${released} of ${waiters.size} waiters`)
  }
  return faults
}

interface Requested {
  readonly recoveryId: string
  readonly assetId: string
  readonly partitionKey: string
  readonly lostGeneration: number
  readonly refresh?: boolean
}

/** At most one recovery is effective for a lost generation, and it alone decides which runs heal it. */
export const keyFaults = (recoveries: Facts, runs: Facts): ReadonlyArray<string> => {
  const faults: Array<string> = []
  const byKey = new Map<string, string>()
  const scheduled = new Map<string, string>()
  for (const [streamName, facts] of recoveries) {
    for (const { data, type } of facts) {
      if (type === "RecoveryScheduled") scheduled.set(String(data.producerRunId), streamName)
      if (type !== "RecoveryRequested") continue
      const { assetId, lostGeneration, partitionKey, refresh } = data as unknown as Requested
      const what = refresh === true ? "old generation" : "generation"
      const key = `${assetId.toLowerCase()}[${partitionKey.toLowerCase()}] ${what} ${lostGeneration}`
      const other = byKey.get(key)
      if (other !== undefined && other !== streamName) {
        faults.push(`${streamName}: heals ${key}, which ${other} heals already`)
      }
      byKey.set(key, streamName)
    }
  }
  for (const [streamName, facts] of runs) {
    const trigger = facts[0]?.data.trigger as { readonly type: string; readonly recoveryId?: string } | undefined
    if (trigger?.type !== "recovery") continue
    const runId = streamName.slice("run-".length)
    if (scheduled.get(runId) !== `recovery-${trigger.recoveryId}`) {
      faults.push(`${streamName}: recovery-${trigger.recoveryId} has not scheduled this run`)
    }
  }
  return faults
}
