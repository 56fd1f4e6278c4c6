import { Context, Layer } from "effect"
import * as Id from "../domain/Id.ts"
import type { Source } from "../domain/Source.ts"

/** The sources that the running app declares: whom to ask for an asset that no workflow makes. */
export class Sources extends Context.Service<
  Sources,
  {
    /** Asset ids are compared without case; undefined: no source is declared for it. */
    readonly of: (assetId: string) => Source | undefined
  }
>()("kintsugi/actors/Sources") {
  static readonly layer = (sources: ReadonlyArray<Source>): Layer.Layer<Sources> => {
    const byAsset = new Map(sources.map((source) => [Id.assetKey(source.assetId), source]))
    return Layer.succeed(Sources, { of: (assetId) => byAsset.get(Id.assetKey(assetId)) })
  }
}
