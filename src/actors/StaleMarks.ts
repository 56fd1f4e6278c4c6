import { Context, Effect, Layer } from "effect"
import { assetName, type AssetRef } from "../domain/Failure.ts"
import * as Id from "../domain/Id.ts"
import type { Metadata } from "../eventstore/EventStore.ts"
import * as Actors from "./Actors.ts"
import type { Answer } from "./Behaviour.ts"
import type * as Asset from "../domain/Asset.ts"
import { NotFound } from "./Engine.ts"

/** Longest note of a stale mark, in UTF-16 units. */
export const noteLengthMax = 2_000

type Marked = Answer<Asset.State>

/** Says that generations should be made again, and why. The next production of each ends the mark. */
export class StaleMarks extends Context.Service<
  StaleMarks,
  {
    /** Marking again with the same note changes nothing. Fails, and marks none, when one was never produced. */
    readonly mark: (
      refs: ReadonlyArray<AssetRef>,
      note: string,
      metadata?: Metadata
    ) => Effect.Effect<ReadonlyArray<Marked>, NotFound>
    readonly clear: (ref: AssetRef, metadata?: Metadata) => Effect.Effect<Marked, NotFound>
    /** The asset partition as it is; fails when it was never produced. */
    readonly produced: (ref: AssetRef) => Effect.Effect<Marked, NotFound>
  }
>()("kintsugi/actors/StaleMarks") {
  static readonly layer = Layer.effect(
    StaleMarks,
    Effect.gen(function* () {
      const assets = yield* Actors.asset.client
      const id = ({ assetId, partitionKey }: AssetRef) => Id.asset(assetId, partitionKey)

      const produced = Effect.fnUntraced(function* (ref: AssetRef) {
        const answer = yield* assets.execute(id(ref), { _tag: "Read" })
        if (answer.state.latest === null) return yield* new NotFound({ kind: "asset", id: assetName(ref) })
        return answer
      })

      const toldAtOnce = { concurrency: 16 }
      return StaleMarks.of({
        produced,
        mark: Effect.fnUntraced(function* (refs, note, metadata) {
          yield* Effect.forEach(refs, produced, { ...toldAtOnce, discard: true })
          return yield* Effect.forEach(
            refs,
            (ref) => assets.execute(id(ref), { _tag: "MarkStale", ...ref, note }, metadata),
            toldAtOnce
          )
        }),
        clear: Effect.fnUntraced(function* (ref, metadata) {
          yield* produced(ref)
          return yield* assets.execute(id(ref), { _tag: "ClearStale" }, metadata)
        })
      })
    })
  )
}
