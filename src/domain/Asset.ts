import { Result, Schema } from "effect"
import type { Decider } from "./Decider.ts"
import { AssetRef } from "./Failure.ts"
import { type Expiry, expiryOf, Freshness } from "./Freshness.ts"
import * as Id from "./Id.ts"
import { PulledFor } from "./Trigger.ts"
import { ObservedRead, Part, sameContent, UsedInput } from "./Production.ts"

// ------------------------------------------------------------------ events

/** The workflow, run and run partition that made a generation: whom its refresh concerns. */
const maker = {
  workflow: Schema.String,
  runId: Schema.String,
  runPartitionKey: Schema.optionalKey(Schema.String)
}

/** Provenance of one generation: who made it, from what, with which parameters (F9). */
const provenance = {
  workflow: Schema.String,
  version: Schema.Int,
  stepId: Schema.String,
  runId: Schema.String,
  attempt: Schema.Int,
  parameters: Schema.Record(Schema.String, Schema.Unknown),
  runPartitionKey: Schema.optionalKey(Schema.String),
  inputs: Schema.Array(UsedInput),
  reads: Schema.Array(ObservedRead),
  payload: Schema.optionalKey(Schema.Unknown),
  parts: Schema.Array(Part)
}

/** Stored forever. Add a field only with a decoding default; never rename. Times are in the envelope (`at`). */
export const Event = Schema.TaggedUnion({
  AssetProduced: {
    ...AssetRef.fields,
    /** The n-th production of this asset partition; the first is 1. */
    generation: Schema.Int,
    ...provenance,
    /** Epoch ms; never later than the record's own time. */
    producedAt: Schema.Int,
    /** Made by a Recovery; `contentChanged`: its bytes differ from the generation before. */
    restored: Schema.Boolean,
    contentChanged: Schema.Boolean,
    recoveryId: Schema.optionalKey(Schema.String),
    /** What makes a repeated record of this production the same one, where the attempt alone does not. */
    productionKey: Schema.optionalKey(Schema.String),
    /** How long this generation is fresh: as its step declares, or as the attempt's result says. */
    freshness: Schema.optionalKey(Freshness),
    /** Who announced it, when no run of ours made it. */
    source: Schema.optionalKey(Schema.String),
    pulledFor: Schema.optionalKey(PulledFor)
  },
  AssetMissingDetected: {
    ...AssetRef.fields,
    generation: Schema.Int,
    reason: Schema.Literals(["missing", "corrupt"]),
    store: Schema.optionalKey(Schema.String),
    key: Schema.optionalKey(Schema.String),
    reportedBy: Schema.optionalKey(Schema.String)
  },
  /** A generation that was reported missing has been probed and is there. */
  AssetVerified: { ...AssetRef.fields, generation: Schema.Int },
  /** The current generation is no longer fresh: once a generation. `expiresAt`: epoch ms. */
  AssetExpired: {
    ...AssetRef.fields,
    generation: Schema.Int,
    reason: Schema.Literals(["ttl", "cadence"]),
    expiresAt: Schema.Int,
    ...maker
  },
  /** Somebody says that the generation should be made again, and why; the next production ends it. */
  AssetMarkedStale: { ...AssetRef.fields, generation: Schema.Int, note: Schema.String, ...maker },
  AssetStaleCleared: { ...AssetRef.fields, generation: Schema.Int }
})
export type Stored = typeof Event.Type
export type Event = Stored & { readonly at: number }
type ProducedEvent = Extract<Event, { readonly _tag: "AssetProduced" }>

// ---------------------------------------------------------------- commands

export interface Produce {
  readonly _tag: "Produce"
  readonly assetId: string
  readonly partitionKey: string
  readonly workflow: string
  readonly version: number
  readonly stepId: string
  readonly runId: string
  readonly attempt: number
  readonly parameters: Readonly<Record<string, unknown>>
  readonly runPartitionKey?: string | undefined
  readonly inputs: ReadonlyArray<UsedInput>
  readonly reads: ReadonlyArray<ObservedRead>
  readonly payload?: unknown
  readonly parts: ReadonlyArray<Part>
  readonly producedAt?: number | undefined
  readonly recoveryId?: string | undefined
  readonly productionKey?: string | undefined
  readonly freshness?: Freshness | undefined
  readonly source?: string | undefined
  readonly pulledFor?: PulledFor | undefined
}

export type Unstamped =
  | Produce
  /** The time has come at which the current generation may no longer be fresh. */
  | { readonly _tag: "Expire" }
  | {
      readonly _tag: "MarkStale"
      readonly assetId: string
      readonly partitionKey: string
      readonly note: string
    }
  | { readonly _tag: "ClearStale" }
  /** A probe of `generation` found it absent or its bytes wrong. */
  | {
      readonly _tag: "ReportMissing"
      readonly assetId: string
      readonly partitionKey: string
      readonly generation: number
      readonly reason: "missing" | "corrupt"
      readonly store?: string | undefined
      readonly key?: string | undefined
      readonly reportedBy?: string | undefined
    }
  /** A probe of `generation` found it complete. */
  | {
      readonly _tag: "ReportPresent"
      readonly assetId: string
      readonly partitionKey: string
      readonly generation: number
    }
  | { readonly _tag: "Read" }
export type Command = Unstamped & { readonly now: number }

// ------------------------------------------------------------------- state

export type Generation = Omit<ProducedEvent, "_tag" | "at">

export interface State {
  readonly assetId: string
  readonly partitionKey: string
  /** How many generations were produced; 0: never. */
  readonly generations: number
  /** The newest by `producedAt`, then by arrival (F10, T8); null: never produced. */
  readonly latest: Generation | null
  /** The current generation is known to be gone or unusable. */
  readonly missing: {
    readonly generation: number
    readonly since: number
    readonly reason: "missing" | "corrupt"
  } | null
  /** When the current generation stops being fresh; null: never, or it has expired already. */
  readonly expiry: Expiry | null
  /** The current generation has expired, epoch ms; null: it has not. */
  readonly expiredAt: number | null
  readonly stale: { readonly since: number; readonly note: string } | null
  /** Which attempts' productions are recorded already: the newest 256, with the generation each was given. */
  readonly recorded: ReadonlyMap<string, number>
}

export const initial: State = {
  assetId: "",
  partitionKey: "",
  generations: 0,
  latest: null,
  missing: null,
  expiry: null,
  expiredAt: null,
  stale: null,
  recorded: new Map()
}

const recordedMax = 256
interface By {
  readonly runId: string
  readonly stepId: string
  readonly attempt: number
  readonly productionKey?: string | undefined
}
const attemptKey = (by: By): string => by.productionKey ?? `${by.runId}/${by.stepId}/${by.attempt}`

/** The generation that consumers use now; 0 when there was never one. */
export const currentGeneration = (state: State): number => state.latest?.generation ?? 0

/** The generation that this attempt's production was recorded as; null when it is not recorded. */
export const generationOf = (state: State, by: By): number | null => state.recorded.get(attemptKey(by)) ?? null

/** Whether this Recovery is the one of the current generation, so that what it makes takes that generation's place. */
const healsCurrent = (
  state: State,
  { assetId, partitionKey, recoveryId }: { assetId: string; partitionKey: string; recoveryId?: string | undefined }
): boolean => recoveryId !== undefined && recoveryId === Id.recovery(assetId, partitionKey, currentGeneration(state))

/** Whether this Recovery was asked for a generation newer than the current one. */
const refreshesCurrent = (state: State, { assetId, partitionKey, recoveryId }: Produce): boolean =>
  recoveryId !== undefined && recoveryId === Id.refresh(assetId, partitionKey, currentGeneration(state))

// ----------------------------------------------------------------- decider

/** Names are compared without case; the log has each as it was first written, so that readers see one. */
const spelled = (state: State, { assetId, partitionKey }: AssetRef): AssetRef =>
  state.assetId === "" ? { assetId, partitionKey } : { assetId: state.assetId, partitionKey: state.partitionKey }

/** An asset without parts is its payload. */
const isSameContent = (before: Pick<Generation, "parts" | "payload">, after: Pick<Produce, "parts" | "payload">) =>
  before.parts.length + after.parts.length === 0
    ? JSON.stringify(before.payload) === JSON.stringify(after.payload)
    : sameContent(before.parts, after.parts)

const produce = (state: State, command: Produce & { readonly now: number }): ReadonlyArray<Event> => {
  if (state.recorded.has(attemptKey(command))) return []
  const { _tag, freshness, now, payload, producedAt, productionKey, ...rest } = command
  const { pulledFor = [], recoveryId, runPartitionKey, source, ...given } = rest
  const fields = { ...given, ...spelled(state, command) }
  const contentChanged = state.latest === null || !isSameContent(state.latest, command)
  // A recovery's run also remakes the other outputs of its step: with equal bytes they are not new generations. What it
  // was asked to heal or refresh always is one, even when a probe saw the new bytes before this record and took it for present.
  const isOther = recoveryId !== undefined && !healsCurrent(state, command) && !refreshesCurrent(state, command)
  if (isOther && !contentChanged && state.missing === null) return []
  return [
    {
      _tag: "AssetProduced",
      ...fields,
      generation: state.generations + 1,
      ...(runPartitionKey === undefined ? {} : { runPartitionKey }),
      ...(payload === undefined ? {} : { payload }),
      producedAt: Math.min(producedAt ?? now, now),
      restored: recoveryId !== undefined,
      contentChanged,
      ...(recoveryId === undefined ? {} : { recoveryId }),
      ...(productionKey === undefined ? {} : { productionKey }),
      ...(freshness === undefined ? {} : { freshness }),
      ...(source === undefined ? {} : { source }),
      ...(pulledFor.length === 0 ? {} : { pulledFor }),
      at: now
    }
  ]
}

export const decide = (command: Command, state: State): Result.Result<ReadonlyArray<Event>, never> => {
  switch (command._tag) {
    case "Produce":
      return Result.succeed(produce(state, command))
    case "ReportMissing": {
      const { _tag, now, ...given } = command
      const fields = { ...given, ...spelled(state, command) }
      // A report about an older generation says nothing about the current one: the reporter just tries again.
      if (command.generation !== currentGeneration(state) || state.missing !== null) return Result.succeed([])
      const present = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
      return Result.succeed([{ _tag: "AssetMissingDetected", ...(present as typeof fields), at: now } as Event])
    }
    case "ReportPresent": {
      if (state.missing?.generation !== command.generation) return Result.succeed([])
      const { generation, now } = command
      return Result.succeed([{ _tag: "AssetVerified", ...spelled(state, command), generation, at: now }])
    }
    case "Expire": {
      const { assetId, expiry, latest, partitionKey } = state
      if (latest === null || expiry === null || expiry.at > command.now) return Result.succeed([])
      const { generation } = latest
      const subject = { assetId, partitionKey, generation, ...makerOf(latest) }
      return Result.succeed([
        { _tag: "AssetExpired", ...subject, reason: expiry.reason, expiresAt: expiry.at, at: command.now }
      ])
    }
    case "MarkStale": {
      const { note, now } = command
      const { assetId, latest, partitionKey } = state
      if (latest === null || state.stale?.note === note) return Result.succeed([])
      const { generation } = latest
      return Result.succeed([
        { _tag: "AssetMarkedStale", assetId, partitionKey, generation, note, ...makerOf(latest), at: now }
      ])
    }
    case "ClearStale": {
      const { assetId, partitionKey } = state
      const generation = currentGeneration(state)
      if (state.stale === null) return Result.succeed([])
      return Result.succeed([{ _tag: "AssetStaleCleared", assetId, partitionKey, generation, at: command.now }])
    }
    case "Read":
      return Result.succeed([])
  }
}

const makerOf = ({ runId, runPartitionKey, workflow }: Generation) => ({
  workflow,
  runId,
  ...(runPartitionKey === undefined ? {} : { runPartitionKey })
})

/** A heal takes the place of what was lost whatever its time says, else the asset would stay lost with its bytes there. */
const isNewer = (state: State, produced: ProducedEvent): boolean =>
  state.latest === null || produced.producedAt >= state.latest.producedAt || healsCurrent(state, produced)

export const evolve = (state: State, event: Event): State => {
  const { assetId, partitionKey } = event
  switch (event._tag) {
    case "AssetProduced": {
      const { _tag, at: _at, ...generation } = event
      const recorded = new Map(state.recorded).set(attemptKey(event), event.generation)
      const oldest = recorded.size > recordedMax ? recorded.keys().next().value : undefined
      if (oldest !== undefined) recorded.delete(oldest)
      const newer = isNewer(state, event)
      return {
        assetId,
        partitionKey,
        generations: event.generation,
        latest: newer ? generation : state.latest,
        missing: newer ? null : state.missing,
        expiry: newer ? expiryOf(event) : state.expiry,
        expiredAt: newer ? null : state.expiredAt,
        stale: newer ? null : state.stale,
        recorded
      }
    }
    case "AssetMissingDetected":
      return {
        ...state,
        assetId,
        partitionKey,
        missing: { generation: event.generation, since: event.at, reason: event.reason }
      }
    case "AssetVerified":
      return { ...state, missing: null }
    case "AssetExpired":
      return { ...state, expiry: null, expiredAt: event.expiresAt }
    case "AssetMarkedStale":
      return { ...state, stale: { since: event.at, note: event.note } }
    case "AssetStaleCleared":
      return { ...state, stale: null }
  }
}

export const decider: Decider<State, Command, Event, never> = { initial, decide, evolve }
