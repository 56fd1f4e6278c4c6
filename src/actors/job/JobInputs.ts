import { Effect } from "effect"
import type { StepDefinition } from "../../domain/Definition.ts"
import * as Id from "../../domain/Id.ts"
import type { Generation } from "../../domain/Asset.ts"
import type { JobInput, JobInputPartition, Json } from "../../sdk/JobContext.ts"
import type { AssetCheck } from "../AssetCheck.ts"
import type { ResolvedInput } from "../Inputs.ts"
import { type InputPart, locationKey } from "./Attempt.ts"

const readsAtOnce = 8

/** The newest generation of each consumed partition; absent optional inputs are left out. */
export const read = (assets: AssetCheck["Service"], resolved: ReadonlyArray<ResolvedInput>) =>
  Effect.map(
    Effect.forEach(resolved, (ref) => Effect.map(assets.read(ref), ({ latest }) => latest), {
      concurrency: readsAtOnce
    }),
    (generations) => generations.filter((latest) => latest !== null)
  )

/** Recorded parts of the inputs, by `store/key`. */
export const parts = (consumed: ReadonlyArray<Generation>): ReadonlyMap<string, InputPart> => {
  const found = new Map<string, InputPart>()
  for (const { assetId, partitionKey, parts } of consumed) {
    for (const { written: _, ...location } of parts) {
      found.set(locationKey(location.store, location.key), { ...location, ref: { assetId, partitionKey } })
    }
  }
  return found
}

const partition = (generation: Generation): JobInputPartition => ({
  assetId: generation.assetId,
  partitionKey: generation.partitionKey === "" ? undefined : generation.partitionKey,
  generation: generation.generation,
  payload: (generation.payload ?? null) as Json,
  locations: generation.parts.map(({ written: _, ...location }) => location),
  producedAt: new Date(generation.producedAt).toISOString()
})

/** `ctx.inputs`: by asset id as the step declares it. */
export const shown = (consumed: ReadonlyArray<Generation>, step: StepDefinition): Record<string, JobInput> => {
  const inputs: Record<string, JobInput> = {}
  for (const { assetId } of step.consumes) {
    const all = consumed.filter((generation) => Id.assetKey(generation.assetId) === Id.assetKey(assetId)).map(partition)
    const last = all[all.length - 1]
    if (last !== undefined) inputs[assetId] = { ...last, all }
  }
  return inputs
}
