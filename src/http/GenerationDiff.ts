import type { Schema } from "effect"
import type { Generation } from "../domain/Asset.ts"
import { generationView } from "../domain/AssetView.ts"
import { diff } from "../domain/JsonDiff.ts"
import type { Part } from "../domain/Production.ts"
import { shownPartition } from "../domain/run/RunView.ts"

const partsDiff = (before: ReadonlyArray<Part>, after: ReadonlyArray<Part>) => {
  const nameOf = ({ key, store }: Part) => `${store}/${key}`
  const earlier = new Map(before.map((part) => [nameOf(part), part]))
  const later = new Set(after.map(nameOf))
  const both = after.flatMap((part) => {
    const was = earlier.get(nameOf(part))
    return was === undefined ? [] : [{ before: was, after: part }]
  })
  const changed = both.filter((pair) => pair.before.sha256 !== pair.after.sha256)
  return {
    added: after.filter((part) => !earlier.has(nameOf(part))),
    removed: before.filter((part) => !later.has(nameOf(part))),
    changed,
    same: both.length - changed.length
  }
}

/** What changed from one generation of an asset partition to another (F13). */
export const generationDiff = (before: Generation, after: Generation) => ({
  assetId: after.assetId,
  partitionKey: shownPartition(after.partitionKey),
  before: generationView(before),
  after: generationView(after),
  // They were JSON when they were recorded.
  payload: diff(before.payload as Schema.Json | undefined, after.payload as Schema.Json | undefined),
  parameters: diff(before.parameters as Schema.Json, after.parameters as Schema.Json),
  parts: partsDiff(before.parts, after.parts)
})
