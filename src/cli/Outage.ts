import { Effect, Schedule } from "effect"

const again = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")]).pipe(Schedule.jittered)

/**
 * Delivers to somebody outside who may be away: tried again for ever with back-off, up to 5 s apart. An outage is said
 * once when it begins and once when it is over.
 */
export const untilTaken = (receiver: string) =>
  Effect.sync(() => {
    let isAway = false
    return <E extends { readonly message: string }>(delivery: Effect.Effect<void, E>): Effect.Effect<void> =>
      delivery.pipe(
        Effect.tapError(({ message }) => {
          if (isAway) return Effect.logDebug(`${receiver} still takes nothing: ${message}`)
          isAway = true
          return Effect.logWarning(`${receiver} takes nothing now, what happens is kept for it: ${message}`)
        }),
        Effect.retry(again),
        Effect.orDie,
        Effect.andThen(
          Effect.suspend(() => {
            if (!isAway) return Effect.void
            isAway = false
            return Effect.logInfo(`${receiver} takes events again`)
          })
        )
      )
  })
