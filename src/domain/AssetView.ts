import { DateTime } from "effect"
import { currentGeneration, type Generation, type State } from "./Asset.ts"
import { shownPartition } from "./run/RunView.ts"

const iso = (epochMs: number | null | undefined): string | null =>
  epochMs === null || epochMs === undefined ? null : DateTime.formatIso(DateTime.makeUnsafe(epochMs))

/** One generation with its provenance: who made it, from what, with which parameters (F9, F13). */
export const generationView = (generation: Omit<Generation, "at">) => {
  const { inputs, partitionKey, parts, payload, producedAt, runPartitionKey, ...made } = generation
  return {
    ...made,
    partitionKey: shownPartition(partitionKey),
    runPartitionKey: shownPartition(runPartitionKey),
    producedAt: iso(producedAt),
    payload: payload ?? null,
    locations: parts,
    inputs: inputs.map((input) => ({ ...input, partitionKey: shownPartition(input.partitionKey) }))
  }
}

/** What is known of it: without a Recovery in progress, which the Asset does not know of. */
const stateOf = ({ expiredAt, latest, missing, stale }: State) => {
  if (latest === null) return "not_materialized" as const
  if (missing !== null) return "missing" as const
  if (stale !== null) return "stale" as const
  return expiredAt === null ? ("materialized" as const) : ("expired" as const)
}

/** The public asset partition of CONTRACT, section 4; `latest`: its current generation, null when never produced. */
export const view = (state: State, streamVersion: number) => ({
  assetId: state.assetId,
  partitionKey: shownPartition(state.partitionKey),
  state: stateOf(state),
  generation: currentGeneration(state),
  generations: state.generations,
  latest: state.latest === null ? null : generationView(state.latest),
  missing: state.missing?.reason ?? null,
  missingSince: iso(state.missing?.since),
  expiresAt: iso(state.expiry?.at),
  expiredAt: iso(state.expiredAt),
  staleSince: iso(state.stale?.since),
  staleNote: state.stale?.note ?? null,
  streamVersion
})
export type AssetView = ReturnType<typeof view>
