import { Clock, Context, Effect, Layer } from "effect"
import type * as Asset from "../domain/Asset.ts"
import type { AssetRef } from "../domain/Failure.ts"
import { checkAgainst } from "../domain/JsonSchemaCheck.ts"
import { partitionedAssets } from "../domain/Partitioning.ts"
import type { PlanStep, Producer, ReasonCode, Recheck, RecoveryClass } from "../domain/recovery/RecoveryEvents.ts"
import * as RunParameters from "../domain/RunParameters.ts"
import { runPartitionProblems } from "../domain/RunPartition.ts"
import { shownPartition } from "../domain/run/RunView.ts"
import { Definitions } from "./Definitions.ts"
import { Sources } from "./Sources.ts"

/** One absent asset of a plan that its source is asked for. */
export interface SourcePlanned {
  readonly class: RecoveryClass
  readonly why: string
  readonly producer: Producer
  readonly recheck: Recheck
  readonly webhook?: NonNullable<PlanStep["webhook"]>
  readonly settings: { readonly maxAttempts: number; readonly attemptTimeoutMs: number }
}

/** The step that plans name where a workflow is run whole. */
const everyStep = "*"

/** Plans how the declared source of an asset is asked for it: what takes the place of a producer. */
export class SourcePlan extends Context.Service<
  SourcePlan,
  {
    /** `subject`: what is wrong with the asset. Undefined: no source declares how it is asked. */
    readonly plan: (
      ref: AssetRef,
      latest: Asset.Generation | null,
      subject: string
    ) => Effect.Effect<SourcePlanned | { readonly refused: ReasonCode; readonly why: string } | undefined>
  }
>()("kintsugi/actors/SourcePlan") {
  static readonly layer = Layer.effect(
    SourcePlan,
    Effect.gen(function* () {
      const definitions = yield* Definitions
      const sources = yield* Sources

      const plan: SourcePlan["Service"]["plan"] = Effect.fnUntraced(function* (ref, latest, subject) {
        const source = sources.of(ref.assetId)
        if (source === undefined) return undefined
        const { recheck, recovery: settings } = source
        const parameters = { assetId: ref.assetId, partitionKey: shownPartition(ref.partitionKey) }
        const comes = latest?.source === undefined ? "it comes from outside" : `${latest.source} announced it`
        if (recheck.workflow === undefined) {
          const webhook = URL.parse(recheck.webhook ?? "")?.origin ?? ""
          return {
            class: "recheck",
            why: `${subject}; ${comes}, and the webhook of ${webhook} asks for it again`,
            producer: { workflow: "", version: 0, stepId: "", parameters, results: {}, before: [] },
            recheck: "webhook",
            webhook,
            settings
          }
        }
        const defined = definitions.latest(recheck.workflow)
        if (defined === undefined) {
          return {
            refused: "producer_gone",
            why: `workflow ${recheck.workflow}, which asks for it again, is not defined`
          }
        }
        const { definition, slug, version } = defined
        const partitionKey = ref.partitionKey === "" ? undefined : ref.partitionKey
        const { parameters: merged } = RunParameters.merge({
          defaults: definition.defaultParameters,
          window: RunParameters.windowOf(partitionedAssets(definition)[0]?.partitioning, partitionKey),
          run: parameters
        })
        const faults = [...runPartitionProblems(definition, partitionKey, yield* Clock.currentTimeMillis)]
        if (definition.parametersSchema !== undefined) {
          faults.push(...checkAgainst(definition.parametersSchema, merged, "parameters"))
        }
        if (faults.length > 0) {
          const broken = faults.map(({ message, path }) => `${path} ${message}`).join("; ")
          return {
            refused: "parameters_unknown",
            why: `workflow ${slug}, which asks for it again, cannot run: ${broken}`
          }
        }
        return {
          class: "recheck",
          why: `${subject}; ${comes}, and workflow ${slug} asks for it again`,
          producer: {
            ...{ workflow: slug, version, stepId: everyStep, parameters: merged, results: {}, before: [] },
            ...(partitionKey === undefined ? {} : { partitionKey })
          },
          recheck: "workflow",
          settings
        }
      })
      return SourcePlan.of({ plan })
    })
  )
}
