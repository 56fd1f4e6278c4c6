import fc from "fast-check"
import type { Operation } from "./document.ts"
import { type Place, placeOf, type World } from "./world.ts"

/** Lists of states by operation: what is named is mostly in one of them, so that the command is not refused. */
const runsThatGoOn = ["run.pending", "run.running", "run.waiting"]
const open = ["recovery.requested", "recovery.planned", "recovery.running"]
const states: Readonly<Record<string, ReadonlyArray<string>>> = {
  "runs.cancelRun": [...runsThatGoOn, "run.paused"],
  "runs.recoverRun": ["run.failed"],
  "workflows.recoverRunAlias": ["run.failed"],
  "steering.restoreRun": ["run.succeeded", "run.failed"],
  "steering.replayRun": ["run.succeeded", "run.failed"],
  "steering.forkRun": ["step.succeeded", "step.failed"],
  "steering.pauseRun": runsThatGoOn,
  "steering.resumeRun": ["run.paused"],
  "steering.retryStep": ["step.failed", "step.waiting"],
  "steering.skipStep": ["step.pending", "step.running", "step.waiting"],
  "steering.pauseRecovery": open,
  "steering.resumeRecovery": ["recovery.paused"],
  "recoveries.retryRecovery": ["recovery.failed", "recovery.canceled"],
  "recoveries.cancelRecovery": [...open, "recovery.paused"],
  "backfills.pauseBackfill": ["backfill.running"],
  "backfills.resumeBackfill": ["backfill.paused"],
  "backfills.cancelBackfill": ["backfill.running", "backfill.paused"],
  "bulk.cancelBulk": ["bulk.running"],
  "deliveries.retryDelivery": ["delivery.dead"],
  "tokens.rotateToken": ["token.active"]
}

/** What is defined while it is fuzzed: none of the app's own, which cannot be defined anew. */
const defined = ["fuzz-1", "fuzz-2", "fuzz-3"]

/** Values that fit each other and the operation, by the names of its parameters; empty: nothing is known yet. */
export const placeFor = (world: World, { id, path }: Operation): fc.Arbitrary<Place> => {
  if (id === "workflows.define") return fc.constantFrom(...defined).map((slug) => ({ slug }))
  if (id === "projections.skipProjectionEvent") return picked(world, ["place.parked"])
  if (path.includes("{assetId}")) {
    const kind = path.includes("{key}")
      ? "place.partition"
      : path.includes("{slug}")
        ? "place.asset"
        : "place.partition"
    // What is asked of an asset as a whole is asked of one without partitions, but for its history.
    const kinds = id === "workflowAssets.generationDiff" || id === "workflowAssets.assetHistory"
    return picked(world, kinds ? ["place.asset", "place.partition"] : [kind])
  }
  const wanted = states[id]
  if (wanted === undefined) return path.includes("{stepId}") ? picked(world, ["step"]) : fc.constant({})
  return picked(world, wanted)
}

const picked = (world: World, kinds: ReadonlyArray<string>): fc.Arbitrary<Place> =>
  fc.nat(1_000).map((index): Place => {
    const value = world.pickOf(kinds, index)
    if (value === undefined) return {}
    if (value.startsWith("{")) return placeOf(value)
    return { id: value, runId: value }
  })
