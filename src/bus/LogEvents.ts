import { DateTime, Schema } from "effect"
import * as Asset from "../domain/Asset.ts"
import { assetName } from "../domain/Failure.ts"
import * as WorkflowDefinition from "../domain/WorkflowDefinition.ts"
import type { CloudEvent } from "./CloudEvent.ts"

/** A recorded event of the log; `payload` is its JSON text, `recordedAt` epoch ms. */
export interface LogEvent {
  readonly position: string
  readonly streamName: string
  /** Count of events in the stream up to and including this one. */
  readonly streamVersion: number
  readonly type: string
  readonly payload: string
  readonly recordedAt: number
}

/** What an event about a production says that the log's event does not. */
export interface Surroundings {
  /** The key that the producing run was started with; null when it has none. */
  readonly runKey: string | null
}

/** An asset partition's generation is no longer fresh; `expiresAt` in epoch ms. */
export const Expired = Schema.Struct({
  assetId: Schema.String,
  partitionKey: Schema.String,
  generation: Schema.Int,
  reason: Schema.Literals(["ttl", "cadence"]),
  expiresAt: Schema.Int
})
export type Expired = typeof Expired.Type

/** Types of the log's events that become events on the bus. */
export const types = ["AssetProduced", "AssetExpired", "WorkflowDefined"] as const

/** `source` of the events of a Kintsugi that was not given a name. */
export const sourceDefault = "/kintsugi"

/** The payloads of the log's events. They were written by this program: one that it cannot read is a defect. */
export const production = (event: LogEvent): Asset.Generation =>
  decodeProduced({ _tag: "AssetProduced", ...(JSON.parse(event.payload) as object) })
export const expiry = (event: LogEvent): Expired => decodeExpired(JSON.parse(event.payload))
const definition = (event: LogEvent) =>
  decodeDefined({ _tag: "WorkflowDefined", ...(JSON.parse(event.payload) as object) })

const decodeProduced = Schema.decodeUnknownSync(Asset.Event.cases.AssetProduced)
const decodeExpired = Schema.decodeUnknownSync(Expired)
const decodeDefined = Schema.decodeUnknownSync(WorkflowDefinition.Event.cases.WorkflowDefined)

/** `asset.produced` of a recorded `AssetProduced`. */
export const produced = (event: LogEvent, surroundings: Surroundings, source = sourceDefault): CloudEvent => {
  const generation = production(event)
  return {
    ...envelope(event, source, assetName(generation)),
    type: "asset.produced",
    data: productionData(generation, surroundings)
  }
}

/** `asset.expired` of a recorded `AssetExpired`; `generation` is the production that expired. */
export const expired = (
  event: LogEvent,
  generation: Asset.Generation,
  surroundings: Surroundings,
  source = sourceDefault
): CloudEvent => {
  const { expiresAt, reason } = expiry(event)
  return {
    ...envelope(event, source, assetName(generation)),
    type: "asset.expired",
    data: { ...productionData(generation, surroundings), expiresAt: isoTime(expiresAt), reason }
  }
}

/** `workflow.definition.updated` of a recorded `WorkflowDefined`. */
export const updated = (event: LogEvent, source = sourceDefault): CloudEvent => {
  const { contentHash, definition: written, origin, slug, version } = definition(event)
  return {
    ...envelope(event, source, slug),
    type: "workflow.definition.updated",
    data: { workflowSlug: slug, workflowId: slug, workflowVersion: version, contentHash, origin, definition: written }
  }
}

const envelope = (event: LogEvent, source: string, subject: string) => ({
  specversion: "1.0" as const,
  id: `${event.streamName}/${event.streamVersion}`,
  source,
  subject,
  time: isoTime(event.recordedAt),
  datacontenttype: "application/json" as const,
  position: event.position
})

const productionData = (generation: Asset.Generation, { runKey }: Surroundings) => ({
  assetId: generation.assetId,
  partitionKey: generation.partitionKey,
  generation: generation.generation,
  ...makerOf(generation),
  runKey,
  source: generation.source ?? null,
  producedAt: isoTime(generation.producedAt),
  // From the log's JSON, so they are JSON.
  payload: (generation.payload ?? null) as Schema.Json,
  parameters: generation.parameters as { readonly [name: string]: Schema.Json },
  freshness: generation.freshness ?? null
})

/** Of an announced production no workflow is known: null says so, where the log has empty text. */
const makerOf = ({ runId, source, stepId, version, workflow }: Asset.Generation) =>
  source === undefined
    ? { workflowSlug: workflow, workflowId: workflow, workflowVersion: version, runId, stepId }
    : { workflowSlug: null, workflowId: null, workflowVersion: null, runId: null, stepId: null }

const isoTime = (epochMs: number): string => DateTime.formatIso(DateTime.makeUnsafe(epochMs))
