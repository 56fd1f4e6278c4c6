import { Effect } from "effect"
import type * as Asset from "../domain/Asset.ts"
import type { AssetRef } from "../domain/Failure.ts"
import * as Id from "../domain/Id.ts"
import type { Part } from "../domain/Production.ts"
import type { EventStore, LogUnavailable } from "../eventstore/EventStore.ts"
import { assetCodec } from "./AssetActor.ts"

const pageEvents = 200

/**
 * The production of one generation, from the asset's own history; null when there was never such a generation.
 *
 * Generations count up by one, so the n-th is the stream's n-th event or a later one, and m generations after another
 * there are at least m events between: each page says how far to skip. Of 1,000,000 events it reads a few pages.
 */
export const productionOf = Effect.fnUntraced(function* (
  log: EventStore["Service"],
  ref: AssetRef,
  generation: number
): Effect.fn.Return<Asset.Generation | null, LogUnavailable> {
  const streamName = `asset-${Id.asset(ref.assetId, ref.partitionKey)}`
  let afterVersion = Math.max(0, generation - 1)
  while (true) {
    const page = yield* log.read(streamName, afterVersion, pageEvents)
    for (const recorded of page) {
      afterVersion = Math.max(afterVersion, recorded.streamVersion)
      if (recorded.type !== "AssetProduced") continue
      const event = assetCodec.decode(recorded)
      if (event._tag !== "AssetProduced" || event.generation > generation) return null
      if (event.generation === generation) {
        const { _tag, ...found } = event
        return found
      }
      afterVersion = Math.max(afterVersion, recorded.streamVersion + (generation - event.generation) - 1)
    }
    if (page.length < pageEvents) return null
  }
})

/** The parts of one generation; none when there was never such a generation. */
export const partsOf = (
  log: EventStore["Service"],
  ref: AssetRef,
  generation: number
): Effect.Effect<ReadonlyArray<Part>, LogUnavailable> =>
  Effect.map(productionOf(log, ref, generation), (production) => production?.parts ?? [])
