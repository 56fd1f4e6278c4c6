import { Clock, Context, Effect, Layer } from "effect"
import type * as Asset from "../domain/Asset.ts"
import type { State as RunState } from "../domain/run/RunState.ts"
import { step, stepDefinition } from "../domain/run/RunState.ts"
import { assetName, type AssetRef, type Failure } from "../domain/Failure.ts"
import type { UsedInput } from "../domain/Production.ts"
import type { Verdict } from "../domain/run/RunCommands.ts"
import * as Freshness from "../domain/Freshness.ts"
import * as Actors from "./Actors.ts"
import { templateContext } from "../domain/run/RunTemplates.ts"
import { AssetCheck, type Reality } from "./AssetCheck.ts"
import { InputPartitions } from "./InputPartitions.ts"
import { RecoveryDesk } from "./RecoveryDesk.ts"
import { UpdateLoops } from "./UpdateLoops.ts"

/** A consumed asset partition of one step of one run. */
export interface ResolvedInput extends AssetRef {
  readonly optional: boolean
  /** Part of a round of updates: nothing to wait for until it was produced for the first time (T31). */
  readonly isCyclic: boolean
  readonly maxAgeMs: number | undefined
}

export type Ensured =
  | { readonly type: "ready"; readonly inputs: ReadonlyArray<UsedInput> }
  | { readonly type: "blocked"; readonly verdict: Verdict }

const checksAtOnce = 8

/** The age beyond which the step refuses the generation, ms. */
const maxAgeOf = ({ maxAgeMs }: ResolvedInput, { freshness }: Asset.Generation): number =>
  Freshness.maxAgeOf(maxAgeMs, freshness) ?? Number.POSITIVE_INFINITY

/** Resolves what a step consumes, and ensures that it is there before the step starts (F6, F65, T25). */
export class Inputs extends Context.Service<
  Inputs,
  {
    readonly resolve: (run: RunState, stepId: string) => Effect.Effect<ReadonlyArray<ResolvedInput>, Failure>
    /** `heal`: recovery is on; without it nothing is checked, and absent inputs are left to the job. */
    readonly ensure: (run: RunState, stepId: string, heal: boolean) => Effect.Effect<Ensured>
  }
>()("kintsugi/actors/Inputs") {
  static readonly layer = Layer.effect(
    Inputs,
    Effect.gen(function* () {
      const assets = yield* AssetCheck
      const desk = yield* RecoveryDesk
      const recoveries = yield* Actors.recovery.client
      const loops = yield* UpdateLoops
      const partitions = yield* InputPartitions

      const resolve = Effect.fnUntraced(function* (run: RunState, stepId: string) {
        const { definition, partitionKey } = run
        const consumer = { definition, partitionKey, context: templateContext(run, stepId) }
        const found: Array<ResolvedInput> = []
        for (const consumed of stepDefinition(run, stepId)?.consumes ?? []) {
          const { maxAgeMs, optional } = consumed
          const isCyclic = loops.isCyclic(run.workflow, consumed.assetId)
          for (const ref of yield* partitions.needed(consumed, consumer)) {
            found.push({ ...ref, optional, isCyclic, maxAgeMs })
          }
        }
        return found
      })

      const used = ({ assetId, optional, partitionKey }: ResolvedInput, generation: number): UsedInput => ({
        assetId,
        partitionKey,
        generation,
        ...(optional ? { optional } : {})
      })

      /** Asks for a newer generation; null: the old one will do, because it was made for this very step. */
      const refresh = Effect.fnUntraced(function* (
        run: RunState,
        stepId: string,
        input: ResolvedInput,
        latest: Asset.Generation
      ): Effect.fn.Return<Verdict | null> {
        const { generation, producedAt, recoveryId } = latest
        // Once a recovery that this step waited for has made it, nobody is asked again: a producer whose data is always
        // too old, or an age that is shorter than the wait for another input, would be asked for ever.
        if (recoveryId === undefined || step(run, stepId).settled?.includes(recoveryId) !== true) {
          return yield* desk.refresh(run, stepId, input, generation)
        }
        const { state } = yield* Effect.orDie(recoveries.execute(recoveryId, { _tag: "Read" }))
        const maxAge = maxAgeOf(input, latest)
        const ageMs = (state.finishedAt ?? producedAt) - producedAt
        if (ageMs <= maxAge) return null
        const { assetId, partitionKey } = input
        const asset = { assetId, partitionKey }
        const message = `step ${stepId} refuses ${assetName(asset)} when older than ${maxAge} ms (maxAgeMs), and its data was ${ageMs} ms old when ${latest.source ?? `run ${latest.runId}`} had just made it again`
        return { type: "fail", failure: { class: "permanent", code: "input_too_old", message, asset } }
      })

      const ensure = Effect.fnUntraced(
        function* (run: RunState, stepId: string, heal: boolean) {
          const resolved = yield* resolve(run, stepId)
          const reportedBy = `${run.runId}/${stepId}`
          const isChecked = (input: ResolvedInput) => heal && !desk.isOff(input)
          const realities = yield* Effect.forEach(
            resolved,
            (input) =>
              isChecked(input)
                ? assets.check(input, { reportedBy })
                : Effect.map(assets.read(input), (state) => ({ status: "present" as const, state })),
            { concurrency: checksAtOnce }
          )
          const now = yield* Clock.currentTimeMillis
          const inputs: Array<UsedInput> = []
          const old: Array<readonly [ResolvedInput, Asset.Generation]> = []
          const missing: Array<readonly [ResolvedInput, Exclude<Reality, { readonly status: "present" }>]> = []
          for (const [position, input] of resolved.entries()) {
            const reality = realities[position]!
            // An object that cannot be looked at while its store answers is left to the job: its failure is the step's.
            const isLeft = reality.status === "unavailable" && reality.failure.class !== "store_unavailable"
            if (reality.status === "present" || isLeft) {
              const { latest } = reality.state
              if (latest === null) continue
              inputs.push(used(input, latest.generation))
              if (!isLeft && !input.optional && isChecked(input) && now - latest.producedAt > maxAgeOf(input, latest)) {
                old.push([input, latest])
              }
              continue
            }
            // An optional input never blocks.
            if (input.optional || (input.isCyclic && reality.status === "never")) continue
            missing.push([input, reality])
          }
          const refreshed = yield* Effect.forEach(old, ([input, latest]) => refresh(run, stepId, input, latest), {
            concurrency: checksAtOnce
          })
          const awaited = refreshed.filter((verdict) => verdict !== null)
          if (missing.length + awaited.length === 0) return { type: "ready" as const, inputs }
          // All of them are asked for at once, so that they are made again beside each other; the step waits for the
          // first, and looks at all of them again before it begins.
          const reported = yield* Effect.forEach(
            missing,
            ([input, reality]) => desk.report(run, stepId, input, reality),
            { concurrency: checksAtOnce }
          )
          const verdicts = [...reported, ...awaited]
          const verdict = verdicts.find(({ type }) => type === "fail") ?? verdicts.find(({ type }) => type === "wait")
          return { type: "blocked" as const, verdict: verdict ?? verdicts[0]! }
        },
        Effect.catch((failure) => Effect.succeed<Ensured>({ type: "blocked", verdict: { type: "fail", failure } }))
      )

      return Inputs.of({ resolve, ensure })
    })
  )
}
