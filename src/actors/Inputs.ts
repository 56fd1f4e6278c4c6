import { Context, Effect, Layer, Result } from "effect"
import type { State as RunState } from "../domain/run/RunState.ts"
import { stepDefinition } from "../domain/run/RunState.ts"
import type { ConsumedAsset } from "../domain/Definition.ts"
import type { AssetRef, Failure } from "../domain/Failure.ts"
import type { UsedInput } from "../domain/Production.ts"
import type { Verdict } from "../domain/run/RunCommands.ts"
import { templateContext } from "../domain/run/RunTemplates.ts"
import * as Template from "../domain/Template.ts"
import { AssetCheck, type Reality } from "./AssetCheck.ts"
import { LocationIndex } from "./LocationIndex.ts"
import { RecoveryDesk } from "./RecoveryDesk.ts"

/** A consumed asset partition of one step of one run. */
export interface ResolvedInput extends AssetRef {
  readonly optional: boolean
}

export type Ensured =
  | { readonly type: "ready"; readonly inputs: ReadonlyArray<UsedInput> }
  | { readonly type: "blocked"; readonly verdict: Verdict }

const checksAtOnce = 8

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
      const index = yield* LocationIndex
      const desk = yield* RecoveryDesk

      const refs = (
        run: RunState,
        stepId: string,
        consumed: ConsumedAsset
      ): Effect.Effect<ReadonlyArray<AssetRef>, Failure> => {
        const { assetId } = consumed
        if (consumed.partitions === "all") {
          return Effect.map(index.partitions(assetId), (keys) =>
            keys.map((partitionKey) => ({ assetId, partitionKey }))
          )
        }
        // The default template of an unpartitioned run names the unpartitioned asset.
        if (run.partitionKey === undefined && consumed.partitionKey.trim() === "{{ run.partitionKey }}") {
          return Effect.succeed([{ assetId, partitionKey: "" }])
        }
        const rendered = Template.render(consumed.partitionKey, templateContext(run, stepId), "consumes.partitionKey")
        if (Result.isFailure(rendered)) {
          const { message } = rendered.failure
          return Effect.fail({ class: "permanent", code: "template_unresolved", message })
        }
        return Effect.succeed([{ assetId, partitionKey: String(rendered.success ?? "") }])
      }

      const resolve = Effect.fnUntraced(function* (run: RunState, stepId: string) {
        const found: Array<ResolvedInput> = []
        for (const consumed of stepDefinition(run, stepId)?.consumes ?? []) {
          for (const ref of yield* refs(run, stepId, consumed)) found.push({ ...ref, optional: consumed.optional })
        }
        return found
      })

      const used = ({ assetId, optional, partitionKey }: ResolvedInput, generation: number): UsedInput => ({
        assetId,
        partitionKey,
        generation,
        ...(optional ? { optional } : {})
      })

      const ensure = (run: RunState, stepId: string, heal: boolean): Effect.Effect<Ensured> =>
        Effect.gen(function* () {
          const resolved = yield* resolve(run, stepId)
          const reportedBy = `${run.runId}/${stepId}`
          const realities = yield* Effect.forEach(
            resolved,
            (input) =>
              heal && !desk.isOff(input)
                ? assets.check(input, { reportedBy })
                : Effect.map(assets.read(input), (state) => ({ status: "present" as const, state })),
            { concurrency: checksAtOnce }
          )
          const inputs: Array<UsedInput> = []
          const missing: Array<readonly [ResolvedInput, Exclude<Reality, { readonly status: "present" }>]> = []
          for (const [position, input] of resolved.entries()) {
            const reality = realities[position]!
            // An object that cannot be looked at while its store answers is left to the job: its failure is the step's.
            const isLeft = reality.status === "unavailable" && reality.failure.class !== "store_unavailable"
            if (reality.status === "present" || isLeft) {
              if (reality.state.latest !== null) inputs.push(used(input, reality.state.latest.generation))
              continue
            }
            // An optional input never blocks.
            if (input.optional) continue
            missing.push([input, reality])
          }
          if (missing.length === 0) return { type: "ready" as const, inputs }
          // All of them are asked for at once, so that they are made again beside each other; the step waits for the
          // first, and looks at all of them again before it begins.
          const verdicts = yield* Effect.forEach(
            missing,
            ([input, reality]) => desk.report(run, stepId, input, reality),
            { concurrency: checksAtOnce }
          )
          const verdict = verdicts.find(({ type }) => type === "fail") ?? verdicts.find(({ type }) => type === "wait")
          return { type: "blocked" as const, verdict: verdict ?? verdicts[0]! }
        }).pipe(
          Effect.catch((failure) => Effect.succeed<Ensured>({ type: "blocked", verdict: { type: "fail", failure } }))
        )

      return Inputs.of({ resolve, ensure })
    })
  )
}
