import { Clock, Duration, Effect, Latch, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import * as Id from "../domain/Id.ts"
import * as Notification from "../domain/Notification.ts"
import { channelsOf, type NotificationConfig } from "../domain/NotificationConfig.ts"
import { EventStore, type RecordedEvent } from "../eventstore/EventStore.ts"
import { LogFollower } from "../eventstore/LogFollower.ts"
import * as NotificationsQuery from "../projections/NotificationsQuery.ts"
import type { Channel, Message } from "./Channel.ts"
import * as Outbox from "./Outbox.ts"
import * as Sending from "./Sending.ts"

/** A restart's runs are noted within moments: its summary goes out when it is whole. */
const summaryAfterMs = 5_000
const runsMax = 1_000

export interface NotifierSettings {
  readonly config: NotificationConfig
  readonly channels: ReadonlyArray<Channel>
  readonly timing?: Sending.Timing
}

/**
 * Takes notifications from the log at least once, from where it stood the last time, queues each once for each channel
 * that its routes name, and sends what is queued. Without channels nothing runs.
 */
export const layer = (
  settings: NotifierSettings | null
): Layer.Layer<never, never, EventStore | LogFollower | SqlClient.SqlClient> =>
  settings === null || settings.channels.length === 0 ? Layer.empty : Layer.effectDiscard(running(settings))

const running = Effect.fnUntraced(function* ({ channels, config, timing = Sending.timing }: NotifierSettings) {
  const follower = yield* LogFollower
  const log = yield* EventStore
  const sql = yield* SqlClient.SqlClient
  const outbox = yield* Outbox.make
  const hints = new Map<string, Latch.Latch>()
  for (const { name } of channels) hints.set(name, yield* Latch.make())
  const workflows = new Map<string, string | null>()

  const workflowOf = Effect.fnUntraced(function* (runId: string | null) {
    if (runId === null) return null
    const known = workflows.get(runId)
    if (known !== undefined) return known
    const [first] = yield* log.read(`run-${runId}`, 0, 1)
    const workflow = first === undefined ? null : (JSON.parse(first.payload) as { readonly workflow: string }).workflow
    const [oldest] = workflows.keys()
    if (workflows.size >= runsMax && oldest !== undefined) workflows.delete(oldest)
    workflows.set(runId, workflow)
    return workflow
  })

  const queue = Effect.fnUntraced(function* (event: RecordedEvent) {
    const now = yield* Clock.currentTimeMillis
    if (event.type === "NotificationDeliveryRetried") {
      const { channel, deliveryId } = JSON.parse(event.payload) as {
        readonly channel: string
        readonly deliveryId: string
      }
      yield* outbox.revive(deliveryId, now)
      return void (yield* hints.get(channel)?.open ?? Effect.void)
    }
    const note = Notification.of(notedOf(event))
    if (note === null) return
    const workflow = yield* workflowOf(note.runId)
    const notification = messageOf(note, workflow)
    for (const channel of channelsOf(config, { kind: note.kind, workflow })) {
      const id = Id.ofParts("delivery", channel, note.id)
      const dueAt = note.kind === "runs_interrupted" ? now + summaryAfterMs : now
      yield* outbox.put({ id, channel, place: event.position, runId: note.runId ?? "", notification, dueAt }, now)
      yield* hints.get(channel)?.open ?? Effect.void
    }
  })

  const handle = Effect.fnUntraced(function* (events: ReadonlyArray<RecordedEvent>) {
    for (const event of events) yield* Effect.retry(queue(event), Schedule.spaced(Duration.seconds(1)))
  })

  /** A restart's summary says how many runs it cut off, and what became of them by now. */
  const complete = (message: Message) =>
    message.kind !== "runs_interrupted"
      ? Effect.succeed(message)
      : NotificationsQuery.read(message.id).pipe(
          Effect.provideService(SqlClient.SqlClient, sql),
          Effect.map((found) => (found === null ? message : { ...message, message: found.message, data: found.data })),
          Effect.orElseSucceed(() => message)
        )

  for (const channel of channels) {
    yield* Effect.forkScoped(Sending.run(channel, outbox, complete, hints.get(channel.name)!, timing))
  }
  // What happened before anybody was to be told is for nobody.
  const begin = { after: yield* Effect.orDie(log.head) }
  yield* follower.follow({ ...Outbox.reader, begin, handle }).pipe(
    Effect.tapCause((cause) => Effect.logError("notifications have stopped, and begin again", cause)),
    Effect.retry(Schedule.spaced(Duration.seconds(5))),
    Effect.forkScoped
  )
})

const notedOf = ({ payload, position, recordedAt, streamName, type }: RecordedEvent): Notification.Noted => ({
  type,
  id: streamName.slice(streamName.indexOf("-") + 1),
  position,
  at: recordedAt,
  data: <A>() => JSON.parse(payload) as A
})

const messageOf = (
  { at, data, id, kind, message, runId, stepId }: Notification.Note,
  workflow: string | null
): Message => ({
  id,
  kind,
  message: kind === "runs_interrupted" ? "Runs were interrupted by a restart" : message,
  ...(workflow === null ? {} : { workflow }),
  ...(runId === null ? {} : { runId }),
  ...(stepId === null ? {} : { stepId }),
  at: new Date(at).toISOString(),
  data
})
