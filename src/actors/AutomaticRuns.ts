import { Clock, Context, Effect, Layer } from "effect"
import type { AutoMaterialize, Definition } from "../domain/Definition.ts"
import * as Id from "../domain/Id.ts"
import { idOf as partitionParametersId } from "../domain/PartitionParameters.ts"
import type { JsonObject } from "../domain/JsonBounds.ts"
import { checkAgainst } from "../domain/JsonSchemaCheck.ts"
import { partitionedAssets } from "../domain/Partitioning.ts"
import { runPartitionProblems } from "../domain/RunPartition.ts"
import * as RunParameters from "../domain/RunParameters.ts"
import type { Trigger } from "../domain/Trigger.ts"
import * as Actors from "./Actors.ts"
import { Definitions } from "./Definitions.ts"
import { PartitionKeys } from "./PartitionKeys.ts"

/** A run that nobody asked for by hand: what asks for it, and under which id it is put into the log once. */
export interface AutomaticRun {
  readonly runId: string
  readonly workflow: string
  /** "": without a partition. */
  readonly partitionKey: string
  readonly trigger: Trigger
  readonly priority: number
  readonly runKey?: string | undefined
  readonly parameters?: JsonObject
}

export type Launched = { readonly type: "launched" } | { readonly type: "refused"; readonly why: string }

/** Starts automatic runs: of the newest version, with the parameters that F68 says, once a run id. */
export class AutomaticRuns extends Context.Service<
  AutomaticRuns,
  {
    readonly launch: (run: AutomaticRun) => Effect.Effect<Launched>
    /** Brings to memory what a launch reads, where it stays half a second: for when one is likely to follow. */
    readonly prepare: (workflow: string, partitionKey: string) => Effect.Effect<void>
  }
>()("kintsugi/actors/AutomaticRuns") {
  static readonly layer = Layer.effect(
    AutomaticRuns,
    Effect.gen(function* () {
      const definitions = yield* Definitions
      const keys = yield* PartitionKeys
      const runs = yield* Actors.run.client
      const runKeys = yield* Actors.runKey.client
      const parameters = yield* Actors.partitionParameters.client

      const storedParameters = (workflow: string, partitionKey: string, now: number) =>
        parameters.execute(partitionParametersId(workflow, partitionKey), { _tag: "Read", now })

      const prepare: AutomaticRuns["Service"]["prepare"] = (workflow, partitionKey) =>
        Clock.currentTimeMillis.pipe(
          Effect.flatMap((now) => Effect.exit(storedParameters(workflow, partitionKey, now))),
          Effect.asVoid
        )

      const launch: AutomaticRuns["Service"]["launch"] = Effect.fnUntraced(function* (run) {
        const { runId, trigger, workflow } = run
        const defined = definitions.latest(workflow)
        if (defined === undefined) return { type: "refused" as const, why: `workflow ${workflow} is not defined` }
        const { definition, version } = defined
        const partitionKey = run.partitionKey === "" ? undefined : run.partitionKey
        const now = yield* Clock.currentTimeMillis
        const faults = [...runPartitionProblems(definition, partitionKey, now)]
        const stored = yield* storedParameters(workflow, run.partitionKey, now)
        const merged = RunParameters.merge({
          defaults: definition.defaultParameters,
          policy: policyParameters(definition),
          partition: stored.state.parameters,
          window: RunParameters.windowOf(partitionedAssets(definition)[0]?.partitioning, partitionKey),
          run: run.parameters
        })
        if (definition.parametersSchema !== undefined) {
          faults.push(...checkAgainst(definition.parametersSchema, merged.parameters, "parameters"))
        }
        if (faults.length === 0) {
          const message = yield* keys.admit(partitionedAssets(definition), run.partitionKey)
          if (message !== undefined) faults.push({ path: "partitionKey", message })
        }
        if (faults.length > 0) {
          return { type: "refused" as const, why: faults.map(({ message, path }) => `${path} ${message}`).join("; ") }
        }
        const { priority, runKey } = run
        const start = { _tag: "Start" as const, runId, workflow, version, partitionKey, runKey, trigger, priority }
        if (runKey !== undefined) {
          const claim = { _tag: "Claim" as const, runId, start: { ...start, parameters: merged.parameters }, now }
          const { state } = yield* runKeys.execute(Id.runKey(workflow, runKey), claim)
          if (state.active !== null && state.active.runId !== runId) {
            return { type: "refused" as const, why: `run ${state.active.runId} has its run key ${runKey}` }
          }
        }
        yield* Effect.orDie(runs.execute(runId, { ...start, definition, parameters: merged.parameters }))
        return { type: "launched" as const }
      })

      return AutomaticRuns.of({ launch, prepare })
    })
  )
}

/** Automatic runs of a workflow: those of its produced assets that opted in. */
export const policiesOf = (definition: Definition): ReadonlyArray<AutoMaterialize> =>
  definition.steps.flatMap(({ produces }) =>
    produces.flatMap(({ autoMaterialize }) => (autoMaterialize?.enabled === true ? [autoMaterialize] : []))
  )

/** What the policies of the workflow's assets add to the parameters of an automatic run (F68). */
export const policyParameters = (definition: Definition): JsonObject =>
  Object.assign({}, ...policiesOf(definition).map(({ parameterDefaults }) => parameterDefaults))
