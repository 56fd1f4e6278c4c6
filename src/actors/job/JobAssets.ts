import { Cause, Effect, Exit } from "effect"
import { partitionKeyFault } from "../../domain/Partitioning.ts"
import type { JobAssets } from "../../sdk/JobContext.ts"
import { PermanentFailure } from "../../sdk/JobFailure.ts"
import { noteLengthMax, type StaleMarks } from "../StaleMarks.ts"
import type { Attempt } from "./Attempt.ts"

/** Partitions that one call marks. */
const markedMax = 10_000

/** What is wrong with the arguments of a job, which may be written in JavaScript; undefined: nothing. */
const faultOf = (assetId: unknown, partitionKeys: unknown, note: unknown): string | undefined => {
  if (typeof assetId !== "string" || assetId === "") return "assetId must be the id of an asset"
  if (!Array.isArray(partitionKeys) || partitionKeys.length > markedMax) {
    return `partitionKeys must be a list of at most ${markedMax} partition keys`
  }
  for (const key of partitionKeys) {
    const fault = typeof key === "string" ? (key === "" ? undefined : partitionKeyFault(key)) : "must be a string"
    if (fault !== undefined) return `partitionKeys: ${JSON.stringify(key)} ${fault}`
  }
  return typeof note === "string" && note.length <= noteLengthMax && !note.includes("\0") && note.isWellFormed()
    ? undefined
    : `note must be text of at most ${noteLengthMax} characters`
}

/** `ctx.assets` of one attempt. */
export const make = (options: {
  readonly attempt: Attempt
  readonly marks: StaleMarks["Service"]
  readonly signal: AbortSignal
}): JobAssets => ({
  markStale: async (assetId, partitionKeys, note) => {
    const { attempt, marks, signal } = options
    if (!attempt.isOpen()) throw new PermanentFailure("ctx.assets.markStale: the attempt has ended")
    const fault = faultOf(assetId, partitionKeys, note)
    if (fault !== undefined) throw new PermanentFailure(`ctx.assets.markStale: ${fault}`)
    const refs = partitionKeys.map((partitionKey) => ({ assetId, partitionKey }))
    const exit = await Effect.runPromiseExit(marks.mark(refs, note), { signal })
    if (Exit.isSuccess(exit)) return
    const error = Cause.squash(exit.cause)
    throw error instanceof Error && "_tag" in error && error._tag === "NotFound"
      ? new PermanentFailure(`ctx.assets.markStale: ${"id" in error ? error.id : assetId} was never produced`)
      : error
  }
})
