import { Result, type Schema } from "effect"
import type { Partitioning } from "./Definition.ts"
import type { JsonObject } from "./JsonBounds.ts"
import * as TimeWindow from "./TimeWindow.ts"

/** Where a parameter's value comes from. */
export type Source = "defaults" | "policy" | "partition" | "window" | "run"

/** The reserved parameter that holds the window of a run. */
export const windowParameter = "window"

/** The layers of a run's parameters, weakest first; one that is undefined has nothing to say. */
export interface Layers {
  /** `defaultParameters` of the workflow. */
  readonly defaults: JsonObject
  /** `autoMaterialize.parameterDefaults`: of automatic runs only. */
  readonly policy?: JsonObject | undefined
  /** Stored for the partition. */
  readonly partition?: JsonObject | undefined
  /** Derived from a time window partition: `windowOf`. */
  readonly window?: WindowParameter | undefined
  /** Given with the run. */
  readonly run?: JsonObject | undefined
}

/** The window of a run: its key, first instant and first instant after it in ISO 8601 (UTC), and its IANA time zone. */
export interface WindowParameter {
  readonly key: string
  readonly start: string
  readonly end: string
  readonly timezone: string
}

export interface Merged {
  readonly parameters: JsonObject
  readonly sources: { readonly [parameter: string]: Source }
}

/**
 * The parameters of a run and where each comes from (F68): defaults ← policy ← stored for the partition ← the derived
 * window, under `window` ← given with the run. A layer replaces whole values, as the run's always have: nothing is
 * merged inside them.
 */
export const merge = (layers: Layers): Merged => {
  const values = new Map<string, readonly [Schema.Json, Source]>()
  const lay = (source: Source, layer: JsonObject | undefined) => {
    for (const [parameter, value] of Object.entries(layer ?? {})) values.set(parameter, [value, source])
  }
  lay("defaults", layers.defaults)
  lay("policy", layers.policy)
  lay("partition", layers.partition)
  if (layers.window !== undefined) lay("window", { [windowParameter]: { ...layers.window } })
  lay("run", layers.run)
  return {
    parameters: Object.fromEntries([...values].map(([parameter, [value]]) => [parameter, value])),
    sources: Object.fromEntries([...values].map(([parameter, [, source]]) => [parameter, source]))
  }
}

/** The window of a partition key; undefined for any other partitioning, and for a key that is no window of it. */
export const windowOf = (
  partitioning: Partitioning | undefined,
  partitionKey: string | undefined
): WindowParameter | undefined => {
  if (partitioning?.type !== "timeWindow" || partitionKey === undefined) return undefined
  const window = Result.getOrUndefined(TimeWindow.windowOf(partitioning, partitionKey))
  if (window === undefined) return undefined
  const iso = (instantMs: number) => new Date(instantMs).toISOString()
  return { key: window.key, start: iso(window.start), end: iso(window.end), timezone: partitioning.timezone }
}
