import { setTimeout as sleep } from "node:timers/promises"
import { ApiError, type Client, makeClient } from "../../src/sdk/HttpClient.ts"
import type { Draw } from "./random.ts"
import { token } from "./serverProcess.ts"

/** What users were told, to be held against the log. */
export interface Told {
  /** Runs whose start was acknowledged, with the key of the request that asked for each. */
  readonly acknowledged: Map<string, string>
  /** Runs whose cancellation was acknowledged. */
  readonly canceled: Set<string>
  requests: number
  /** Requests that were sent again after no answer or a 503. */
  repeats: number
}

export const nothingTold = (): Told => ({ acknowledged: new Map(), canceled: new Set(), requests: 0, repeats: 0 })

export const partitions = ["p0", "p1", "p2", "p3", "p4", "p5"] as const
const workflows = ["acquisition", "ingest", "ingest", "publish", "publish", "publish", "diamond"] as const
const pauseMs = 25

/** Sends until there is an answer: the same key makes a repeat the same command. */
const insist = async <A>(
  told: Told,
  url: () => string | null,
  isOver: () => boolean,
  send: (client: Client) => Promise<A>
): Promise<A | null> => {
  told.requests++
  while (true) {
    const at = url()
    if (at !== null) {
      try {
        return await send(makeClient({ url: at, token }))
      } catch (thrown) {
        if (thrown instanceof ApiError && thrown.status !== 503) throw thrown
      }
      told.repeats++
    }
    // What nobody has acknowledged by then may or may not have happened: both are right.
    if (isOver()) return null
    await sleep(pauseMs)
  }
}

/** One user: starts runs, some with a run key, cancels some, and never gives up on an answer until the end. */
export const client = async (options: {
  readonly name: string
  readonly draw: Draw
  readonly told: Told
  /** Where the server listens now; null: nowhere. */
  readonly url: () => string | null
  readonly isOver: () => boolean
  readonly pauseMsMax: number
}): Promise<void> => {
  const { draw, isOver, name, pauseMsMax, told, url } = options
  for (let turn = 0; !isOver(); turn++) {
    const request = `${name}-${turn}`
    const workflow = draw.oneOf(workflows)
    const runKey = draw.chance(0.2) ? `key-${draw.between(0, 3)}` : undefined
    const partitionKey = draw.oneOf(partitions)
    const accepted = await insist(told, url, isOver, (api) =>
      api.run(workflow, {
        idempotencyKey: request,
        partitionKey,
        parameters: { request },
        ...(runKey === undefined ? {} : { runKey })
      })
    )
    const runId = accepted === null ? null : String(accepted.data.id)
    if (runId !== null && !told.acknowledged.has(runId)) told.acknowledged.set(runId, request)
    const cancels = draw.chance(0.08)
    await sleep(draw.between(0, pauseMsMax))
    if (runId !== null && cancels) await cancel(options, runId, `${request}-cancel`)
  }
}

const cancel = async (
  { isOver, told, url }: Parameters<typeof client>[0],
  runId: string,
  idempotencyKey: string
): Promise<void> => {
  try {
    const done = await insist(told, url, isOver, (api) =>
      api.request("POST", `/runs/${runId}/cancel`, { body: { reason: "a user" }, idempotencyKey })
    )
    if (done !== null) told.canceled.add(runId)
  } catch (thrown) {
    // It had ended by itself before.
    if (!(thrown instanceof ApiError && thrown.status === 409)) throw thrown
  }
}
