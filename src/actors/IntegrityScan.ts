import { Cause, Effect, Schedule, Schema } from "effect"
import { type AssetRef, storableText } from "../domain/Failure.ts"
import { type Finding, keyOf, reasonLengthMax } from "../domain/integrity/Finding.ts"
import type { Unstamped } from "../domain/integrity/IntegrityDecide.ts"
import type { Check, State } from "../domain/integrity/IntegrityState.ts"
import { LogUnavailable } from "../eventstore/EventStore.ts"
import { AssetInventory, type InventoryMark } from "./AssetInventory.ts"
import { AssetJudge, type Judgement } from "./AssetJudge.ts"
import type { Commit } from "./Behaviour.ts"
import * as DeclaredAssets from "./DeclaredAssets.ts"
import * as IntegrityPace from "./IntegrityPace.ts"
import { IntegritySettings } from "./IntegritySettings.ts"

/** Assets of one batch, at most: what a crash has looked at again. */
const batchMax = 500
/** Assets that get their turn together, and those of them that are looked at together; deeply, files are read whole. */
const chunkSize = 50
/** While the log cannot be read a batch begins again. */
const patience = Schedule.spaced("1 second")
const atOnce = 16
const deepAtOnce = 2

/** Where a check stands: first among what was produced, then among what is declared. */
const Cursor = Schema.fromJsonString(
  Schema.Union([
    Schema.Struct({ after: Schema.NullOr(Schema.Tuple([Schema.String, Schema.String])) }),
    Schema.Struct({ assetKey: Schema.String, index: Schema.Int })
  ])
)
type Cursor = typeof Cursor.Type
const decodeCursor = Schema.decodeSync(Cursor)
const encodeCursor = Schema.encodeSync(Cursor)

/** The end of what was produced is the beginning of what is declared. */
const afterPage = (next: InventoryMark | null): Cursor =>
  next === null ? { assetKey: "", index: 0 } : { after: [next[0], next[1]] }

interface Batch {
  readonly judgements: ReadonlyArray<readonly [ref: AssetRef, judgement: Judgement]>
  readonly looked: number
  readonly next: Cursor | null
}

/** Looks at everything in a check's scope, batch by batch; each batch is in the log before the next begins. */
export const make = Effect.gen(function* () {
  const inventory = yield* AssetInventory
  const judge = yield* AssetJudge
  const declared = yield* DeclaredAssets.make
  const pace = yield* IntegrityPace.make
  const { assetsPerSecond, escalateAfter } = yield* IntegritySettings
  const limit = Math.max(1, Math.min(batchMax, Math.floor(assetsPerSecond)))

  /** One bad asset, whatever is wrong with it, does not end the check. */
  const total = <E>(ref: AssetRef, judging: Effect.Effect<Judgement, E>) =>
    judging.pipe(
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause) || Cause.squash(cause) instanceof LogUnavailable
          ? Effect.failCause(cause as Cause.Cause<LogUnavailable>)
          : Effect.succeed<Judgement>({ type: "failed", message: messageOf(cause) })
      ),
      Effect.map((judgement) => [ref, judgement] as const)
    )

  const judged = Effect.fnUntraced(function* <A extends AssetRef, E>(
    refs: ReadonlyArray<A>,
    isDeep: boolean,
    one: (ref: A) => Effect.Effect<Judgement, E>,
    suspects: (refs: ReadonlyArray<A>) => Effect.Effect<ReadonlyArray<A>> = Effect.succeed
  ) {
    const all: Array<readonly [AssetRef, Judgement]> = []
    for (let from = 0; from < refs.length; from += chunkSize) {
      const chunk = refs.slice(from, from + chunkSize)
      yield* pace.turn(chunk.length)
      const found = yield* Effect.forEach(yield* suspects(chunk), (ref) => total(ref, one(ref)), {
        concurrency: isDeep ? deepAtOnce : atOnce
      })
      all.push(...found)
    }
    return all
  })

  const batchAt = Effect.fnUntraced(function* (cursor: Cursor, { deep, scope }: Check) {
    if ("after" in cursor) {
      const { next, rows } = yield* inventory.page({ after: cursor.after, limit, scope })
      const judgements = yield* judged(
        rows,
        deep,
        (row) => judge.recorded(row, deep),
        deep ? undefined : judge.suspects
      )
      return { judgements, looked: rows.length, next: afterPage(next) } satisfies Batch
    }
    // What was never made is in no store.
    if (scope.store !== undefined) return { judgements: [], looked: 0, next: null } satisfies Batch
    const { looked, never, next } = yield* declared.page(cursor, limit, scope)
    return { judgements: yield* judged(never, false, judge.declared), looked, next } satisfies Batch
  })

  /** Goes on from where the state says; answers when the check has ended, or is no longer this one. */
  const scan = Effect.fnUntraced(function* (initial: State, commit: Commit<State, Unstamped, never>) {
    let state = initial
    const check = initial.running?.check
    yield* inventory.ready
    while (state.running !== null && state.running.check === check) {
      const { running } = state
      yield* pace.awaitWindow(running.reason)
      const from = running.cursor
      const cursor: Cursor = from === null ? { after: null } : decodeCursor(from)
      const batch = yield* Effect.orDie(Effect.retry(batchAt(cursor, running), patience))
      // The end of all is said with the last batch.
      const next = batch.next ?? { assetKey: "\u{10ffff}", index: 0 }
      const answer = yield* commit({
        ...{ _tag: "Progress", check: running.check, from, cursor: encodeCursor(next), escalateAfter },
        ...summary(state, batch),
        isLast: batch.next === null
      })
      state = answer.state
    }
  })

  /** Begins the check that waits, as soon as it may. */
  const begin = Effect.fnUntraced(function* (state: State, commit: Commit<State, Unstamped, never>) {
    if (state.queued !== null) yield* pace.awaitWindow(state.queued.reason)
    return yield* commit({ _tag: "Start" })
  })

  return { begin, scan }
})

const summary = (state: State, { judgements, looked }: Batch) => {
  const found: Array<Finding> = []
  const kept: Array<AssetRef> = []
  const failed: Array<AssetRef & { readonly message: string }> = []
  const unreadable = new Map<string, { readonly store: string; readonly message: string; readonly assets: number }>()
  let inProgress = 0
  for (const [{ assetId, partitionKey }, judgement] of judgements) {
    const ref = { assetId, partitionKey }
    // What cannot be judged now stays as it was known.
    const isUnjudged = judgement.type !== "fine" && judgement.type !== "found"
    if (isUnjudged && state.findings.has(keyOf(ref))) kept.push(ref)
    switch (judgement.type) {
      case "fine":
        break
      case "found":
        found.push(judgement.finding)
        break
      case "inProgress":
        inProgress++
        break
      case "unreadable": {
        const { message, store } = judgement
        unreadable.set(store, { store, message, assets: (unreadable.get(store)?.assets ?? 0) + 1 })
        break
      }
      case "failed":
        failed.push({ ...ref, message: judgement.message })
        break
    }
  }
  return { looked, found, kept, failed, inProgress, unreadable: [...unreadable.values()] }
}

const messageOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  const text = error instanceof Error ? error.message : String(error)
  return storableText(text).slice(0, reasonLengthMax)
}
