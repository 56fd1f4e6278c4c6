import { metadataText } from "../../src/eventstore/EventCodec.ts"
import type { RecordedEvent } from "../../src/eventstore/EventStore.ts"
import * as HashChain from "../../src/eventstore/HashChain.ts"
import { assetFaults } from "./assetInvariants.ts"
import { categoryOf, type Fact, factOf, type Facts, type History } from "./history.ts"
import { keyFaults, recoveryFaults } from "./recoveryInvariants.ts"
import { type GraphStep, type Graphs, runFaults } from "./runInvariants.ts"
import { commandFaults, limitFaults, runKeyFaults } from "./sharingInvariants.ts"

export type { History } from "./history.ts"

/** Every fault of a history, one line each; an empty history is a fault, because it would prove nothing. */
export const check = ({ acknowledged, events, isOver, lengths }: History): ReadonlyArray<string> => {
  if (events.length === 0) return ["the history is empty"]
  if (acknowledged.length === 0) return ["no run was acknowledged: there is nothing to prove"]
  const streams = streamsOf(events)
  const facts = factsOf(streams)
  const of = (category: string): Facts => facts.get(category) ?? new Map()
  const runs = of("run")
  const graphs = graphsOf(of("workflow"))
  const faults: Array<string> = [...orderFaults(events), ...commandFaults(events)]
  for (const runId of acknowledged) {
    if (!runs.has(`run-${runId}`)) faults.push(`run-${runId}: was acknowledged and is not in the log`)
  }
  for (const [streamName, recorded] of streams) {
    faults.push(...chainFaults(streamName, recorded, lengths?.get(streamName)))
  }
  for (const streamName of lengths?.keys() ?? []) {
    if (!streams.has(streamName)) faults.push(`${streamName}: none of its events is in the log`)
  }
  for (const [name, stream] of runs) faults.push(...runFaults(name, stream, graphs, isOver))
  for (const [name, stream] of of("recovery")) faults.push(...recoveryFaults(name, stream, isOver))
  faults.push(...keyFaults(of("recovery"), runs))
  for (const [, stream] of of("asset")) faults.push(...assetFaults(stream, runs))
  for (const [, stream] of of("limit")) faults.push(...limitFaults(stream))
  for (const [name, stream] of of("runkey")) faults.push(...runKeyFaults(name, stream, runs, isOver))
  return faults
}

const streamsOf = (events: ReadonlyArray<RecordedEvent>): ReadonlyMap<string, ReadonlyArray<RecordedEvent>> => {
  const streams = new Map<string, Array<RecordedEvent>>()
  for (const event of events) {
    const stream = streams.get(event.streamName)
    if (stream === undefined) streams.set(event.streamName, [event])
    else stream.push(event)
  }
  return streams
}

const factsOf = (
  streams: ReadonlyMap<string, ReadonlyArray<RecordedEvent>>
): ReadonlyMap<string, ReadonlyMap<string, ReadonlyArray<Fact>>> => {
  const facts = new Map<string, Map<string, ReadonlyArray<Fact>>>()
  for (const [streamName, recorded] of streams) {
    const category = categoryOf(streamName)
    const ofCategory = facts.get(category) ?? new Map<string, ReadonlyArray<Fact>>()
    facts.set(category, ofCategory.set(streamName, recorded.map(factOf)))
  }
  return facts
}

interface Defined {
  readonly slug: string
  readonly version: number
  readonly definition: {
    readonly steps: ReadonlyArray<
      Partial<GraphStep> & { id: string; retryPolicy?: Retries; step?: { retryPolicy?: Retries } }
    >
  }
}

interface Retries {
  readonly maxAttempts?: number
}

/** Attempts of a step that says nothing about them (CONTRACT, section 3). */
const maxAttemptsDefault = 4

const graphsOf = (workflows: Facts): Graphs => {
  const graphs = new Map<string, ReadonlyArray<GraphStep>>()
  for (const { data, type } of [...workflows.values()].flat()) {
    if (type !== "WorkflowDefined") continue
    const { definition, slug, version } = data as unknown as Defined
    const steps = definition.steps.map(({ dependsOn, id, retryPolicy, step }) => ({
      id,
      dependsOn: dependsOn ?? [],
      maxAttempts: (retryPolicy ?? step?.retryPolicy)?.maxAttempts ?? maxAttemptsDefault
    }))
    graphs.set(`${slug}@${version}`, steps)
  }
  return graphs
}

const orderFaults = (events: ReadonlyArray<RecordedEvent>): ReadonlyArray<string> => {
  const faults: Array<string> = []
  let before = ""
  for (const { position, streamName, streamVersion } of events) {
    if (position <= before) faults.push(`${streamName}@${streamVersion}: out of log order`)
    before = position
  }
  return faults
}

/** Versions without a gap, every hash as computed anew, and the length that the stream itself says. */
const chainFaults = (
  streamName: string,
  events: ReadonlyArray<RecordedEvent>,
  length: number | undefined
): ReadonlyArray<string> => {
  const faults: Array<string> = []
  let version = 0
  let hash = HashChain.genesis
  for (const event of events) {
    if (event.streamVersion !== version + 1) faults.push(`${streamName}@${version + 1}: the event is absent`)
    const linked = HashChain.link(hash, { ...event, metadata: metadataText(event.metadata) })
    if (linked !== event.hash) faults.push(`${streamName}@${event.streamVersion}: the hash chain is broken`)
    version = event.streamVersion
    hash = event.hash
  }
  if (length !== undefined && length !== version) {
    faults.push(`${streamName}: says that it has ${length} events, and its last is ${version}`)
  }
  return faults
}
