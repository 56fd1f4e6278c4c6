import { Clock, Context, Effect, Layer, Result } from "effect"
import type * as Asset from "../domain/Asset.ts"
import { type AssetView, view } from "../domain/AssetView.ts"
import type { Definition, ProducedAsset } from "../domain/Definition.ts"
import { assetName, type AssetRef } from "../domain/Failure.ts"
import * as Id from "../domain/Id.ts"
import { type JsonObject, pathText } from "../domain/JsonBounds.ts"
import { checkAgainst } from "../domain/JsonSchemaCheck.ts"
import { membershipFault } from "../domain/Partitioning.ts"
import { idOf } from "../domain/PartitionParameters.ts"
import * as RunParameters from "../domain/RunParameters.ts"
import * as TimeWindow from "../domain/TimeWindow.ts"
import { EventStore, type Position } from "../eventstore/EventStore.ts"
import * as Actors from "./Actors.ts"
import type { Answer } from "./Behaviour.ts"
import { policyParameters } from "./AutomaticRuns.ts"
import { commandRules, metadataOf, unavailable } from "./CommandRules.ts"
import { Definitions } from "./Definitions.ts"
import { type Caller, type CommandReused, InvalidInput, NotFound, type Unavailable } from "./Engine.ts"
import { StaleMarks } from "./StaleMarks.ts"

/** What an automatic run of the partition is given, and where each value comes from (F68). */
export interface PartitionParametersView {
  readonly workflow: string
  readonly assetId: string
  readonly partitionKey: string
  /** Stored for this asset's partition. */
  readonly stored: JsonObject
  readonly parameters: JsonObject
  readonly sources: RunParameters.Merged["sources"]
}

type Refused = NotFound | InvalidInput | CommandReused | Unavailable
type Done<A> = Effect.Effect<{ readonly data: A; readonly position: Position }, Refused>

/** What operators do to one partition of an asset that a workflow makes. */
export class AssetCommands extends Context.Service<
  AssetCommands,
  {
    readonly markStale: (workflow: string, ref: AssetRef, note: string, caller: Caller) => Done<AssetView>
    readonly clearStale: (workflow: string, ref: AssetRef, caller: Caller) => Done<AssetView>
    readonly setParameters: (
      workflow: string,
      ref: AssetRef,
      parameters: JsonObject,
      caller: Caller
    ) => Done<PartitionParametersView>
    readonly parameters: (
      workflow: string,
      ref: AssetRef
    ) => Effect.Effect<PartitionParametersView, NotFound | InvalidInput>
  }
>()("kintsugi/actors/AssetCommands") {
  static readonly layer = Layer.effect(
    AssetCommands,
    Effect.gen(function* () {
      const log = yield* EventStore
      const definitions = yield* Definitions
      const marks = yield* StaleMarks
      const partitions = yield* Actors.partitionParameters.client
      const { isRepeat, positionOf, timely } = commandRules(log)

      /** What the newest version of the workflow says about an asset that it makes. */
      const declared = Effect.fnUntraced(function* (workflow: string, assetId: string) {
        const defined = definitions.latest(workflow)
        if (defined === undefined) return yield* new NotFound({ kind: "workflow", id: workflow })
        const produces = producedBy(defined.definition, assetId)
        if (produces === undefined) return yield* new NotFound({ kind: "asset", id: assetId })
        return { definition: defined.definition, produces }
      })

      const parameters = Effect.fnUntraced(function* (workflow: string, ref: AssetRef) {
        const { definition, produces } = yield* declared(workflow, ref.assetId)
        yield* member(produces, ref.partitionKey)
        const now = yield* Clock.currentTimeMillis
        const { state } = yield* partitions.execute(idOf(workflow, ref.partitionKey), { _tag: "Read", now })
        return shownParameters(definition, produces, ref, state)
      })

      const marked = (ref: AssetRef, answer: Answer<Asset.State>) =>
        Effect.map(positionOf(`asset-${Id.asset(ref.assetId, ref.partitionKey)}`, answer), (position) => ({
          data: view(answer.state, answer.streamVersion),
          position
        }))

      return AssetCommands.of({
        parameters,
        markStale: (workflow, ref, note, caller) =>
          unavailable(
            timely(
              Effect.gen(function* () {
                yield* declared(workflow, ref.assetId)
                const repeat = yield* isRepeat(caller)
                const answer = repeat
                  ? yield* marks.produced(ref)
                  : (yield* marks.mark([ref], note, metadataOf(caller)))[0]!
                return yield* marked(ref, answer)
              })
            )
          ),
        clearStale: (workflow, ref, caller) =>
          unavailable(
            timely(
              Effect.gen(function* () {
                yield* declared(workflow, ref.assetId)
                return yield* marked(ref, yield* marks.clear(ref, metadataOf(caller)))
              })
            )
          ),
        setParameters: (workflow, ref, given, caller) =>
          unavailable(
            timely(
              Effect.gen(function* () {
                const { definition, produces } = yield* declared(workflow, ref.assetId)
                yield* member(produces, ref.partitionKey)
                const { assetId } = produces
                const { partitionKey } = ref
                const id = idOf(workflow, partitionKey)
                const now = yield* Clock.currentTimeMillis
                const before = yield* partitions.execute(id, { _tag: "Read", now })
                const byAsset = { ...before.state.byAsset, [assetId]: given }
                const planned = shownParameters(definition, produces, ref, {
                  byAsset,
                  parameters: Object.assign({}, before.state.parameters, given)
                })
                yield* fitting(definition, given, planned.parameters)
                const set = { _tag: "Set" as const, workflow, assetId, partitionKey, parameters: given, now }
                const answer = yield* partitions.execute(id, set, metadataOf(caller))
                const data = shownParameters(definition, produces, ref, answer.state)
                return { data, position: yield* positionOf(`partition-${id}`, answer) }
              })
            )
          )
      })
    })
  )
}

const producedBy = (definition: Definition, assetId: string): ProducedAsset | undefined =>
  definition.steps
    .flatMap(({ produces }) => produces)
    .find((produced) => Id.assetKey(produced.assetId) === Id.assetKey(assetId))

/** A window that has not begun may be given parameters ahead of its time. */
const member = Effect.fnUntraced(function* ({ assetId, partitioning }: ProducedAsset, partitionKey: string) {
  // Without a key: of runs without a partition.
  if (partitioning === undefined && partitionKey === "") return
  const window =
    partitioning?.type === "timeWindow" ? TimeWindow.windowOf(partitioning, partitionKey) : Result.succeed(undefined)
  const fault = membershipFault(partitioning, partitionKey) ?? (Result.isFailure(window) ? window.failure : undefined)
  if (fault === undefined) return
  const message = `${fault}: ${assetName({ assetId, partitionKey })} is no partition of it`
  return yield* new InvalidInput({ problems: [{ path: "partitionKey", message }] })
})

/** What is stored must suit the workflow's schema as far as it goes: a required one may still come with a run. */
const fitting = Effect.fnUntraced(function* (definition: Definition, given: JsonObject, merged: JsonObject) {
  const { parametersSchema } = definition
  if (parametersSchema === undefined) return
  const problems = checkAgainst(parametersSchema, merged, "parameters").filter(({ path }) =>
    Object.keys(given).some((name) => path.startsWith(pathText(["parameters", name])))
  )
  if (problems.length > 0) return yield* new InvalidInput({ problems })
})

const shownParameters = (
  definition: Definition,
  { assetId, partitioning }: ProducedAsset,
  { partitionKey }: AssetRef,
  stored: { readonly byAsset: Readonly<Record<string, JsonObject>>; readonly parameters: JsonObject }
): PartitionParametersView => {
  const merged = RunParameters.merge({
    defaults: definition.defaultParameters,
    policy: policyParameters(definition),
    partition: stored.parameters,
    window: RunParameters.windowOf(partitioning, partitionKey)
  })
  return { workflow: definition.slug, assetId, partitionKey, stored: stored.byAsset[assetId] ?? {}, ...merged }
}
