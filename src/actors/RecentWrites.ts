import { Context, Effect, Layer } from "effect"
import type { AssetRef } from "../domain/Failure.ts"
import * as Id from "../domain/Id.ts"
import type { Location } from "../domain/Location.ts"
import { type State, step } from "../domain/run/RunState.ts"
import * as Actors from "./Actors.ts"

/** Objects that are remembered; the oldest are forgotten first. */
const writesMax = 10_000

/** A step of a run, the same in each of its attempts. */
export interface Writer {
  readonly runId: string
  readonly stepId: string
}

const isSame = (one: Writer, other: Writer) => one.runId === other.runId && one.stepId === other.stepId

/**
 * Which step of this process wrote an object last, with which bytes, and which assets are being made. The log knows of a
 * write only once its step has ended and its Asset has recorded it, and until then the bytes must not be taken for
 * somebody else's. Runs in memory add what their steps have noted in the log (`StepOverwriting`), so that this holds after
 * a restart too.
 */
export class RecentWrites extends Context.Service<
  RecentWrites,
  {
    readonly note: (writer: Writer, location: Location) => void
    /** An attempt that may make these assets begins; call what it answers when it has ended. */
    readonly begin: (writer: Writer, makes: ReadonlyArray<AssetRef>) => () => void
    /** What the steps of the run may have written over recorded objects, as its state says. */
    readonly settle: (runId: string, run: Pick<State, "ended" | "overwriting">) => void
    /** Whether the step has noted that it writes over this object, and has neither recorded nor moved it. */
    readonly hasNoted: (writer: Writer, store: string, key: string) => boolean
    /** Another step, of a run that has not ended, has noted the object: it records it, or moves it aside in its turn. */
    readonly isTakenOver: (store: string, key: string, than: Writer) => boolean
    /** The writer, if these bytes are the last that were written there. */
    readonly writerOf: (store: string, key: string, sha256: string) => Writer | undefined
    /** Whether an attempt of a run other than `than` is making the asset. */
    readonly isMaking: (asset: AssetRef, than: string | null) => boolean
    /** Whether the writer's step may still record what it wrote. */
    readonly isUnsettled: (writer: Writer) => Effect.Effect<boolean>
    /**
     * Somebody else who may yet record the object of this asset: an attempt that is making it goes on, or the step that
     * wrote there last has not ended, or what a step has noted there is not settled. What a crash left behind is made
     * anew by the attempt that follows, or moved aside.
     */
    readonly isBeingMade: (asset: AssetRef, store: string, key: string, than: Writer) => Effect.Effect<boolean>
  }
>()("kintsugi/actors/RecentWrites") {
  static readonly layer = Layer.effect(
    RecentWrites,
    Effect.gen(function* () {
      const runs = yield* Actors.run.client
      const writes = new Map<string, { readonly writer: Writer; readonly sha256: string }>()
      const making = new Map<object, { readonly writer: Writer; readonly assets: ReadonlySet<string> }>()
      const noted = new Map<string, Pick<State, "ended" | "overwriting">>()
      const holders = new Map<string, Array<Writer>>()
      const place = (store: string, key: string) => `${store}/${key}`

      const forget = (runId: string) => {
        for (const objects of Object.values(noted.get(runId)?.overwriting ?? {})) {
          for (const { key, store } of objects) {
            const name = place(store, key)
            const others = (holders.get(name) ?? []).filter((writer) => writer.runId !== runId)
            if (others.length === 0) holders.delete(name)
            else holders.set(name, others)
          }
        }
        noted.delete(runId)
      }
      const holdersOf = (store: string, key: string) => holders.get(place(store, key)) ?? []

      const isUnsettled = Effect.fnUntraced(function* ({ runId, stepId }: Writer) {
        const { state } = yield* Effect.orDie(runs.execute(runId, { _tag: "Read" }))
        const { status } = step(state, stepId)
        if (status === "recording") return true
        return state.ended === null && status !== "succeeded" && status !== "failed" && status !== "skipped"
      })

      return RecentWrites.of({
        begin: (writer, makes) => {
          const token = {}
          making.set(token, {
            writer,
            assets: new Set(makes.map(({ assetId, partitionKey }) => Id.asset(assetId, partitionKey)))
          })
          return () => void making.delete(token)
        },
        note: (writer, { key, sha256, store }) => {
          const name = place(store, key)
          writes.delete(name)
          writes.set(name, { writer, sha256 })
          const oldest = writes.size > writesMax ? writes.keys().next().value : undefined
          if (oldest !== undefined) writes.delete(oldest)
        },
        settle: (runId, { ended, overwriting }) => {
          const known = noted.get(runId)
          if (known?.overwriting === overwriting && known.ended === ended) return
          forget(runId)
          const steps = Object.entries(overwriting)
          if (steps.length > 0) noted.set(runId, { ended, overwriting })
          for (const [stepId, objects] of steps) {
            for (const { key, store } of objects) {
              holders.set(place(store, key), [...holdersOf(store, key), { runId, stepId }])
            }
          }
        },
        hasNoted: (writer, store, key) => holdersOf(store, key).some((holder) => isSame(holder, writer)),
        isTakenOver: (store, key, than) =>
          holdersOf(store, key).some((holder) => !isSame(holder, than) && noted.get(holder.runId)?.ended === null),
        writerOf: (store, key, sha256) => {
          const last = writes.get(place(store, key))
          return last?.sha256 === sha256 ? last.writer : undefined
        },
        isMaking: (asset, than) => {
          const id = Id.asset(asset.assetId, asset.partitionKey)
          for (const { assets, writer } of making.values()) if (assets.has(id) && writer.runId !== than) return true
          return false
        },
        isUnsettled,
        isBeingMade: Effect.fnUntraced(function* (asset, store, key, than) {
          const id = Id.asset(asset.assetId, asset.partitionKey)
          for (const { assets, writer } of making.values()) if (assets.has(id) && !isSame(writer, than)) return true
          if (holdersOf(store, key).some((holder) => !isSame(holder, than))) return true
          const last = writes.get(place(store, key))?.writer
          return last !== undefined && !isSame(last, than) && (yield* isUnsettled(last))
        })
      })
    })
  )
}
