import { Duration, Effect, Layer, Schedule, Schema } from "effect"
import { declaredId } from "../domain/FanOut.ts"
import * as RunEvents from "../domain/run/RunEvents.ts"
import { EventStore, type LogUnavailable, type RecordedEvent } from "../eventstore/EventStore.ts"
import { LogFollower } from "../eventstore/LogFollower.ts"
import * as DatasetEvent from "../openlineage/DatasetEvent.ts"
import * as Receiver from "../openlineage/Receiver.ts"
import * as RunEvent from "../openlineage/RunEvent.ts"
import { untilTaken } from "./Outage.ts"
import * as Version from "./Version.ts"

/** Runs whose workflow is kept in memory. */
const runsMax = 1_000

/** Sends run events to an OpenLineage receiver, at least once and in order; null: to nobody, and nothing runs. */
export const layer = (
  settings: Receiver.ReceiverSettings | null
): Layer.Layer<never, never, EventStore | LogFollower> =>
  settings === null ? Layer.empty : Layer.effectDiscard(emitting(settings))

const emitting = Effect.fnUntraced(function* (settings: Receiver.ReceiverSettings) {
  const follower = yield* LogFollower
  const log = yield* EventStore
  const deliver = yield* untilTaken("the OpenLineage receiver")
  const names = { producer: `urn:kintsugi:${Version.read()}`, namespace: settings.namespace }
  const workflows = new Map<string, string>()

  const workflowOf = Effect.fnUntraced(function* (event: RecordedEvent) {
    const known = workflows.get(event.streamName)
    if (known !== undefined) return known
    const [first] = event.streamVersion === 1 ? [event] : yield* log.read(event.streamName, 0, 1)
    const workflow = first === undefined ? "" : (JSON.parse(first.payload) as { workflow: string }).workflow
    const [oldest] = workflows.keys()
    if (workflows.size >= runsMax && oldest !== undefined) workflows.delete(oldest)
    workflows.set(event.streamName, workflow)
    return workflow
  })

  const eventsOf = (
    recorded: RecordedEvent
  ): Effect.Effect<ReadonlyArray<RunEvent.RunEvent | DatasetEvent.DatasetEvent>, LogUnavailable> =>
    recorded.type === DatasetEvent.type
      ? Effect.sync(() =>
          DatasetEvent.of(JSON.parse(recorded.payload) as DatasetEvent.Production, recorded.recordedAt, names)
        )
      : runEventsOf(recorded)

  const runEventsOf = Effect.fnUntraced(function* (
    recorded: RecordedEvent
  ): Effect.fn.Return<ReadonlyArray<RunEvent.RunEvent>, LogUnavailable> {
    const event = decode(recorded)
    const workflow = yield* workflowOf(recorded)
    const open = aborting.has(event._tag) ? openAttempts(yield* log.read(recorded.streamName, 0), recorded) : []
    const runId = recorded.streamName.slice("run-".length)
    return RunEvent.of(event, recorded.recordedAt, { runId, workflow, open }, names)
  })

  const handle = Effect.fnUntraced(function* (events: ReadonlyArray<RecordedEvent>) {
    for (const recorded of events) {
      const found = yield* Effect.retry(eventsOf(recorded), Schedule.spaced(Duration.seconds(1)))
      for (const event of found) {
        const sent = Receiver.send(settings, event).pipe(
          Effect.catchTag("EventRefused", ({ message }) =>
            Effect.logError(`the OpenLineage receiver refuses an event of ${recorded.streamName}: ${message}`)
          )
        )
        yield* deliver(sent)
      }
    }
  })

  // Runs that were over before anybody listened are for nobody.
  const begin = { after: yield* Effect.orDie(log.head) }
  const following = follower.follow({
    name: "openlineage_v1",
    types: [...RunEvent.types, DatasetEvent.type],
    begin,
    handle
  })
  yield* following.pipe(
    Effect.tapCause((cause) => Effect.logError("OpenLineage events have stopped, and begin again", cause)),
    Effect.retry(Schedule.spaced(Duration.seconds(5))),
    Effect.forkScoped
  )
})

/** Events that end attempts which have not ended by themselves. */
const aborting: ReadonlySet<string> = new Set(["RunCanceled", "RunRestored", "StepSkipped"])

const decodeStored = Schema.decodeUnknownSync(RunEvents.Event)
const decode = ({ payload, type }: RecordedEvent): RunEvents.Stored =>
  decodeStored({ _tag: type, ...(JSON.parse(payload) as object) })

/** The attempts that had begun and not ended when this event was recorded. */
const openAttempts = (
  stream: ReadonlyArray<RecordedEvent>,
  { streamVersion }: RecordedEvent
): ReadonlyArray<RunEvent.Attempt> => {
  const open = new Map<string, RunEvent.Attempt>()
  for (const recorded of stream) {
    if (recorded.streamVersion >= streamVersion) break
    const event = decode(recorded)
    if (event._tag === "StepStarted" || event._tag === "StepExpanded")
      open.set(event.stepId, { stepId: event.stepId, attempt: event.attempt })
    if (event._tag === "RunRestored") open.clear()
    if (event._tag === "StepSkipped") {
      for (const stepId of open.keys()) {
        if (stepId === event.stepId || declaredId(stepId) === event.stepId) open.delete(stepId)
      }
    }
    if (event._tag === "RunInterrupted") for (const { stepId } of event.steps) open.delete(stepId)
    const isComplete =
      event._tag === "StepOutputsRecorded" || (event._tag === "StepSucceeded" && (event.produced ?? []).length === 0)
    if (isComplete || event._tag === "StepFailed") open.delete(event.stepId)
  }
  return [...open.values()]
}
