import { Context, Layer } from "effect"
import * as Id from "../../domain/Id.ts"
import type { Location } from "../../domain/Location.ts"
import { locationKey } from "./Attempt.ts"

/** Objects that are remembered; the oldest are forgotten first. */
const writesMax = 10_000

/**
 * Which step of this process wrote an object last, with which bytes, and which assets are being made. The log knows of a
 * write only once its step has ended and its Asset has recorded it, and until then the bytes must not be taken for
 * somebody else's.
 */
export class RecentWrites extends Context.Service<
  RecentWrites,
  {
    /** `writer` names a step of a run, the same in each of its attempts. */
    readonly note: (writer: string, location: Location) => void
    /** An attempt that may make these assets begins; call what it answers when it has ended. */
    readonly begin: (assetIds: ReadonlyArray<string>) => () => void
    /** Whether an attempt that may make the asset is going on: what it left when a crash cut it off, it makes anew. */
    readonly isBeingMade: (assetId: string) => boolean
    /** The writer, if these bytes are the last that were written there. */
    readonly writerOf: (store: string, key: string, sha256: string) => string | undefined
  }
>()("kintsugi/actors/job/RecentWrites") {
  static readonly layer = Layer.sync(RecentWrites, () => {
    const writes = new Map<string, { readonly writer: string; readonly sha256: string }>()
    const making = new Set<ReadonlyArray<string>>()
    return RecentWrites.of({
      begin: (assetIds) => {
        const keys = assetIds.map(Id.assetKey)
        making.add(keys)
        return () => void making.delete(keys)
      },
      isBeingMade: (assetId) => {
        for (const keys of making) if (keys.includes(Id.assetKey(assetId))) return true
        return false
      },
      note: (writer, { key, sha256, store }) => {
        const name = locationKey(store, key)
        writes.delete(name)
        writes.set(name, { writer, sha256 })
        const oldest = writes.size > writesMax ? writes.keys().next().value : undefined
        if (oldest !== undefined) writes.delete(oldest)
      },
      writerOf: (store, key, sha256) => {
        const last = writes.get(locationKey(store, key))
        return last?.sha256 === sha256 ? last.writer : undefined
      }
    })
  })
}
