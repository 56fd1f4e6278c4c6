import { hash } from "node:crypto"
import { Effect } from "effect"
import { type ObjectStore, StoreError } from "../../capabilities/ObjectStore.ts"
import { assetName, type AssetRef, type Failure } from "../../domain/Failure.ts"
import * as Id from "../../domain/Id.ts"
import type { Part } from "../../domain/Production.ts"
import { isAwaited, otherBytes } from "../AnnouncedBytes.ts"
import type { AssetCheck } from "../AssetCheck.ts"
import type { LocationIndex } from "../LocationIndex.ts"
import type { RecentWrites } from "../RecentWrites.ts"
import { type Attempt, locationKey } from "./Attempt.ts"

type Bytes = Uint8Array<ArrayBuffer>

/** A part of an asset's newest generation, with the asset that owns it. */
interface OwnedPart extends Part {
  readonly ref: AssetRef
  /** The generation was announced and is lost: other bytes in its place are nobody's until they are announced. */
  readonly isAwaited: boolean
}

const failed = (failure: Failure) => new StoreError({ failure, cause: failure.message })
const isSame = (left: AssetRef, right: AssetRef) =>
  Id.asset(left.assetId, left.partitionKey) === Id.asset(right.assetId, right.partitionKey)

/**
 * Compares what an attempt reads with what the log says of it, declared as an input or not (F7). The declared parts and
 * the index tell at no more than the cost of one question what is expected. Either may be older than the bytes, so
 * nothing is held against bytes that differ before the index has passed the log's head and the Asset itself, asked for
 * its newest generation, does not know them. What this attempt has written itself is its own business.
 */
export const make = (options: {
  readonly attempt: Attempt
  /** What the step makes in this run: its earlier attempts may have left it half done. */
  readonly own: ReadonlyArray<AssetRef>
  /** Without recovery only damage is found, as by a plain engine: nobody's changes are judged (F40). */
  readonly heals: boolean
  readonly assets: AssetCheck["Service"]
  readonly index: LocationIndex["Service"]
  readonly recentWrites: RecentWrites["Service"]
}) => {
  const { assets, attempt, heals, index, own, recentWrites } = options

  const partOf = (ref: AssetRef, store: string, key: string) =>
    Effect.map(assets.read(ref), (state): OwnedPart | undefined => {
      const part = state.latest?.parts.find((candidate) => candidate.store === store && candidate.key === key)
      return part === undefined ? undefined : { ...part, ref, isAwaited: isAwaited(state) }
    })

  /** What the newest generations say of the object: of the asset that owns it, then of the declared input. */
  const newest = Effect.fnUntraced(function* (store: string, key: string) {
    const declared = attempt.inputParts.get(locationKey(store, key))?.ref
    const owner = yield* index.owner(store, key)
    const refs = owner === null ? [] : [owner]
    if (declared !== undefined && (owner === null || !isSame(owner, declared))) refs.push(declared)
    const parts = yield* Effect.forEach(refs, (ref) => partOf(ref, store, key))
    return parts.filter((part) => part !== undefined)
  })

  /** What an earlier attempt of the same step may have written and not recorded, a crash between the two included. */
  const isHalfDone = (ref: AssetRef) => attempt.number > 1 && own.some((made) => isSame(made, ref))

  /**
   * Bytes that nothing known at first accounts for, read again: a transfer may be at fault, or they were remade
   * meanwhile. Answers what is there if the newest generation, or nobody, says otherwise; else fails with whose fault
   * it is: ours (`corrupt`), somebody else's (`changed_outside`), or nobody's yet: a write that may still be recorded is
   * waited for (`unrecorded_write`), as is what the source of a lost asset may still announce (`unannounced`), and one
   * whose step has ended without recording it is ours.
   */
  const judged = Effect.fnUntraced(function* (opened: ObjectStore, key: string) {
    const store = opened.name
    const parts = yield* newest(store, key)
    const bytes = yield* opened.readBytes(key)
    const digest = hash("sha256", bytes)
    const part = parts[0]
    // No current generation has it any more: it is left over from an older one, and nobody's.
    if (part === undefined || parts.some((candidate) => candidate.sha256 === digest)) return bytes
    const { etag } = yield* opened.stat(key)
    const here = { asset: part.ref, store, key, capability: opened.type }
    if (etag === part.etag) {
      const message = `${store}/${key} has other bytes (sha-256 ${digest}) than were written (${part.sha256})`
      return yield* failed({ class: "corrupt", code: "checksum_mismatch", message, ...here })
    }
    const writer = recentWrites.writerOf(store, key, digest)
    const isOurs =
      recentWrites.hasNoted(attempt.writer, store, key) ||
      (writer?.runId === attempt.writer.runId && writer.stepId === attempt.writer.stepId)
    if (isOurs || isHalfDone(part.ref) || !heals) return bytes
    if (yield* recentWrites.isBeingMade(part.ref, store, key, attempt.writer)) {
      const message = `${store}/${key} is not as recorded: ${assetName(part.ref)} is being made anew`
      return yield* failed({ class: "asset_missing", code: "unrecorded_write", message, ...here })
    }
    if (writer !== undefined) {
      const message = `${store}/${key} was overwritten by step ${writer.stepId} of run ${writer.runId}, which did not record it`
      return yield* failed({ class: "corrupt", code: "overwritten", message, ...here })
    }
    if (part.isAwaited) {
      return yield* failed({ class: "asset_missing", code: "unannounced", message: otherBytes(part), ...here })
    }
    const message = `${store}/${key} was changed by somebody else: its etag is ${etag}, ours was ${part.etag}`
    return yield* failed({ class: "permanent", code: "changed_outside", message, ...here })
  })

  return {
    judged,
    /** The bytes if they are as recorded, or nobody's; else what `judged` says of them. */
    checked: Effect.fnUntraced(function* (opened: ObjectStore, key: string, bytes: Bytes) {
      const name = locationKey(opened.name, key)
      if (attempt.writes.has(name)) return bytes
      const known = attempt.inputParts.get(name) ?? (yield* index.recorded(opened.name, key))
      return known === null || known.sha256 === hash("sha256", bytes) ? bytes : yield* judged(opened, key)
    })
  }
}
export type RecordedBytes = ReturnType<typeof make>
