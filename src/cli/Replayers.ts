import { Effect, HashMap, HashSet, Result } from "effect"
import * as AssetActor from "../actors/AssetActor.ts"
import * as BackfillActor from "../actors/BackfillActor.ts"
import * as BulkActor from "../actors/BulkActor.ts"
import { Definitions } from "../actors/Definitions.ts"
import * as DeadLetterActor from "../actors/DeadLetterActor.ts"
import * as DeliveryActor from "../actors/DeliveryActor.ts"
import * as IntegrityActor from "../actors/IntegrityActor.ts"
import * as MaterializationActor from "../actors/MaterializationActor.ts"
import * as PartitionKeysActor from "../actors/PartitionKeysActor.ts"
import * as RecoveryActor from "../actors/RecoveryActor.ts"
import * as RunActor from "../actors/RunActor.ts"
import { decode as decodeToken } from "../actors/TokenDirectory.ts"
import * as WorkflowActor from "../actors/WorkflowActor.ts"
import * as AccessToken from "../domain/AccessToken.ts"
import * as Asset from "../domain/Asset.ts"
import * as Attention from "../domain/Attention.ts"
import * as BackfillDecide from "../domain/backfill/BackfillDecide.ts"
import * as BulkDecide from "../domain/bulk/BulkDecide.ts"
import * as DeadLetter from "../domain/DeadLetter.ts"
import * as Delivery from "../domain/Delivery.ts"
import { parseDefinition } from "../domain/Definition.ts"
import * as IntegrityDecide from "../domain/integrity/IntegrityDecide.ts"
import * as Limit from "../domain/Limit.ts"
import * as MaterializationDecide from "../domain/materialization/MaterializationDecide.ts"
import * as PartitionKeys from "../domain/PartitionKeys.ts"
import * as PartitionParameters from "../domain/PartitionParameters.ts"
import * as RecoveryDecide from "../domain/recovery/RecoveryDecide.ts"
import * as RunDecide from "../domain/run/RunDecide.ts"
import * as RunKey from "../domain/RunKey.ts"
import * as WorkflowDefinition from "../domain/WorkflowDefinition.ts"
import * as WorkflowSchedule from "../domain/WorkflowSchedule.ts"
import * as EventCodec from "../eventstore/EventCodec.ts"
import { EventStore, type LogUnavailable, type RecordedEvent } from "../eventstore/EventStore.ts"

/** A fold that goes on: feed it a stream's events in order. */
export interface Replayer {
  readonly feed: (
    events: ReadonlyArray<RecordedEvent>
  ) => Effect.Effect<void, LogUnavailable | EventCodec.UndecodableEvent, EventStore>
  /** The state so far, as JSON. */
  readonly state: () => unknown
}

/** The replayer of a category, by the same deciders that the actors run; null: its streams have no folded state. */
export const of = (category: string): Replayer | null => {
  switch (category) {
    case "run":
      return run()
    case "asset":
      return plain(Asset.decider, AssetActor.decode)
    case "recovery":
      return plain(RecoveryDecide.decider, RecoveryActor.decode)
    case "workflow":
      return plain(WorkflowDefinition.decider, WorkflowActor.decode)
    case "limit":
      return plain(Limit.decider, (recorded) => ({ ...limitCodec.decode(recorded), at: recorded.recordedAt }))
    case "runkey":
      return plain(RunKey.decider, (recorded) => ({ ...runKeyCodec.decode(recorded), at: recorded.recordedAt }))
    case "integrity":
      return plain(IntegrityDecide.decider, IntegrityActor.decode)
    case "backfill":
      return plain(BackfillDecide.decider, BackfillActor.decode)
    case "bulk":
      return plain(BulkDecide.decider, BulkActor.decode)
    case "materialization":
      return plain(MaterializationDecide.decider, MaterializationActor.decode)
    case "schedule":
      return plain(WorkflowSchedule.decider, (recorded) => ({
        ...scheduleCodec.decode(recorded),
        at: recorded.recordedAt
      }))
    case "partition":
      return plain(PartitionParameters.decider, (recorded) => ({
        ...partitionCodec.decode(recorded),
        at: recorded.recordedAt
      }))
    case "deadletter":
      return plain(DeadLetter.decider, DeadLetterActor.decode)
    case "delivery":
      return plain(Delivery.decider, DeliveryActor.decode)
    case "attention":
      return plain(Attention.decider, (recorded) => ({
        ...attentionCodec.decode(recorded),
        at: recorded.recordedAt
      }))
    case "keys":
      return plain(PartitionKeys.decider, PartitionKeysActor.decode)
    case "token":
      return plain(AccessToken.decider, decodeToken)
    default:
      return null
  }
}

const attentionCodec = EventCodec.make(Attention.Event, {})
const scheduleCodec = EventCodec.make(WorkflowSchedule.Event, {})
const partitionCodec = EventCodec.make(PartitionParameters.Event, {})
const limitCodec = EventCodec.make(Limit.Event, {})
const runKeyCodec = EventCodec.make(RunKey.Event, {})

interface Folding<State, Event> {
  readonly initial: State
  readonly evolve: (state: State, event: Event) => State
}

const plain = <State, Event>(
  { evolve, initial }: Folding<State, Event>,
  decode: (recorded: RecordedEvent) => Event
): Replayer => {
  let state = initial
  return {
    feed: (events) =>
      decoding(() => {
        for (const recorded of events) state = evolve(state, decode(recorded))
      }),
    state: () => toJson(state)
  }
}

/** A run's first event names the definition that it is pinned to, which is in a stream of its own. */
const run = (): Replayer => {
  const definitions = Effect.runSync(Effect.provide(Definitions, Definitions.layer))
  const folding = plain(RunDecide.decider, (recorded) => RunActor.decode(definitions, recorded))
  return {
    feed: Effect.fnUntraced(function* (events) {
      if (events.some(({ type }) => type === "RunRequested")) yield* loadDefinitions(definitions, events)
      yield* folding.feed(events)
    }),
    state: folding.state
  }
}

const loadDefinitions = Effect.fnUntraced(function* (
  definitions: Definitions["Service"],
  events: ReadonlyArray<RecordedEvent>
) {
  const log = yield* EventStore
  for (const recorded of events) {
    if (recorded.type !== "RunRequested") continue
    const { workflow } = JSON.parse(recorded.payload) as { readonly workflow: string }
    const recordedVersions = yield* log.read(`workflow-${workflow}`, 0)
    for (const event of yield* decoding(() => recordedVersions.map(WorkflowActor.decode))) {
      if (event._tag !== "WorkflowDefined") continue
      const { definition: json, origin, slug, version } = event
      const parsed = parseDefinition(json, slug)
      // A rule that is stricter now than when it was put; versions that this run does not need may stay unread.
      if (Result.isFailure(parsed)) continue
      definitions.put({ slug, version, origin, json, definition: parsed.success, definedAt: event.at })
    }
  }
})

/** An event of a newer or unknown program is the user's to know about; anything else that is thrown is a bug. */
const decoding = <A>(decode: () => A): Effect.Effect<A, EventCodec.UndecodableEvent> =>
  Effect.try({ try: decode, catch: (thrown) => thrown }).pipe(
    Effect.catch((thrown) => (thrown instanceof EventCodec.UndecodableEvent ? Effect.fail(thrown) : Effect.die(thrown)))
  )

/** Maps and sets as JSON has them: objects and arrays. */
const toJson = (state: unknown): unknown =>
  JSON.parse(
    JSON.stringify(state, (_, value: unknown) => {
      if (value instanceof Map) return Object.fromEntries(value)
      if (value instanceof Set || HashSet.isHashSet(value)) return [...value]
      if (HashMap.isHashMap(value)) return Object.fromEntries(value)
      return value
    }) ?? "null"
  )
