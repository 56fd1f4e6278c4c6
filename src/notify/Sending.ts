import { Clock, Duration, Effect, type Latch } from "effect"
import { type Channel, MessageRefused, type Message } from "./Channel.ts"
import { backoff, type Delivery, type Outbox } from "./Outbox.ts"

/** How the sender paces itself, ms. */
export interface Timing {
  readonly backoffFirstMs: number
  readonly backoffMaxMs: number
  /** Within which a channel sends `perMinute` one by one. */
  readonly windowMs: number
  readonly pollMs: number
}

export const timing: Timing = { backoffFirstMs: 1_000, backoffMaxMs: 60_000, windowMs: 60_000, pollMs: 1_000 }

const pruneEveryMs = 3_600_000

/**
 * Sends what is queued for one channel, for ever: one at a time, in the order of the log within a run, with back-off
 * while the receiver is away. A message that has been tried for `giveUpAfterMs` is a dead letter.
 */
export const run = Effect.fnUntraced(function* (
  channel: Channel,
  outbox: Outbox,
  /** What there is to say of it only now. */
  complete: (message: Message) => Effect.Effect<Message>,
  hint: Latch.Latch,
  { backoffFirstMs, backoffMaxMs, pollMs, windowMs }: Timing
) {
  const sent: Array<number> = []
  let failures = 0
  let prunedAt = 0

  const failed = Effect.fnUntraced(function* (delivery: Delivery, error: { readonly message: string }) {
    const now = yield* Clock.currentTimeMillis
    const isHopeless = error instanceof MessageRefused || now - (delivery.firstTriedAt ?? now) >= channel.giveUpAfterMs
    if (isHopeless) {
      yield* outbox.failed(delivery, error.message, null, now)
      return yield* Effect.logError(
        `notification ${delivery.notification.id} to ${channel.name} is a dead letter: ${error.message}`
      )
    }
    if (failures === 0) {
      yield* Effect.logWarning(`channel ${channel.name} takes nothing now, notifications wait for it: ${error.message}`)
    }
    const delayMs = yield* backoff(delivery.attempts, backoffFirstMs, backoffMaxMs)
    yield* outbox.failed(delivery, error.message, now + delayMs, now)
    // The others would fare no better just now.
    yield* Effect.sleep(Duration.millis(yield* backoff(failures, backoffFirstMs, backoffMaxMs)))
    failures++
  })

  const deliver = Effect.fnUntraced(function* (delivery: Delivery) {
    const message = yield* complete(delivery.notification)
    return yield* Effect.matchEffect(channel.send(message), {
      onFailure: (error) => failed(delivery, error),
      onSuccess: () =>
        Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          yield* outbox.delivered(delivery, now)
          sent.push(now)
          if (failures === 0) return
          failures = 0
          yield* outbox.wake(channel.name, now)
          yield* Effect.logInfo(`channel ${channel.name} takes notifications again`)
        })
    })
  })

  const turn = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    if (now - prunedAt > pruneEveryMs) {
      yield* outbox.prune(now)
      prunedAt = now
    }
    yield* hint.close
    const delivery = yield* outbox.next(channel.name, now)
    if (delivery === null) return yield* Effect.raceFirst(hint.await, Effect.sleep(Duration.millis(pollMs)))
    while (sent.length > 0 && sent[0]! <= now - windowMs) sent.shift()
    if (sent.length >= channel.perMinute) {
      // A storm: what comes until the window is over is one message.
      yield* Effect.sleep(Duration.millis(sent[0]! + windowMs - now + 1))
      yield* outbox.digest(channel, yield* Clock.currentTimeMillis)
      return
    }
    yield* deliver(delivery)
  })
  return yield* Effect.forever(
    turn.pipe(
      Effect.catchTag("SqlError", ({ message }) =>
        Effect.andThen(
          Effect.logDebug(`channel ${channel.name} waits for the database: ${message}`),
          Effect.sleep(Duration.millis(pollMs))
        )
      )
    )
  )
})
