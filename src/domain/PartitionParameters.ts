import { Result, Schema } from "effect"
import { type Decider, nothing } from "./Decider.ts"
import * as Id from "./Id.ts"
import type { JsonObject } from "./JsonBounds.ts"

/** The id of the actor of one workflow and partition. */
export const idOf = Id.workflowPartition

// ------------------------------------------------------------------ events

/** Stored forever. Add a field only with a decoding default; never rename. Times are in the envelope (`at`). */
export const Event = Schema.TaggedUnion({
  /** Replaces what was stored for this asset's partition; `{}` takes it away. */
  PartitionParametersSet: {
    workflow: Schema.String,
    assetId: Schema.String,
    partitionKey: Schema.String,
    parameters: Schema.Record(Schema.String, Schema.Json)
  }
})
export type Stored = typeof Event.Type
export type Event = Stored & { readonly at: number }

// ---------------------------------------------------------------- commands

export type Command = { readonly now: number } & (
  | {
      readonly _tag: "Set"
      readonly workflow: string
      readonly assetId: string
      readonly partitionKey: string
      readonly parameters: JsonObject
    }
  | { readonly _tag: "Read" }
)

// ------------------------------------------------------------------- state

/** What automatic runs of one workflow and partition are given beside the workflow's defaults (F68). */
export interface State {
  readonly byAsset: Readonly<Record<string, JsonObject>>
  /** Of all assets together; where two say different things, the asset whose id sorts last. */
  readonly parameters: JsonObject
}

export const initial: State = { byAsset: {}, parameters: {} }

export const decide = (command: Command, state: State): Result.Result<ReadonlyArray<Event>, never> => {
  if (command._tag === "Read") return nothing
  const { _tag, now, ...fields } = command
  if (JSON.stringify(state.byAsset[fields.assetId] ?? {}) === JSON.stringify(fields.parameters)) return nothing
  return Result.succeed([{ _tag: "PartitionParametersSet", ...fields, at: now }])
}

export const evolve = (state: State, { assetId, parameters }: Event): State => {
  const byAsset = { ...state.byAsset, [assetId]: parameters }
  const sorted = Object.keys(byAsset).sort()
  return { byAsset, parameters: Object.assign({}, ...sorted.map((id) => byAsset[id])) }
}

export const decider: Decider<State, Command, Event, never> = { initial, decide, evolve }
