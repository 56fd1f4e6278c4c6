import { Duration, Effect } from "effect"
import { type EventStore, LogUnavailable, type Metadata, Position } from "../eventstore/EventStore.ts"
import type { Answer } from "./Behaviour.ts"
import { type Caller, CommandReused, Unavailable } from "./Engine.ts"

/** How long a command waits for the log before it answers that it is unavailable; it may still happen. */
const commandTimeoutMs = 10_000

/** Who asks, as the first event of the command keeps it. */
export const metadataOf = (caller: Caller | undefined): Metadata =>
  caller === undefined
    ? {}
    : (Object.fromEntries(Object.entries(caller).filter(([, value]) => value !== undefined)) as Metadata)

/** A read of the log that failed is a command that cannot be taken now. */
export const unavailable = <A, E>(
  effect: Effect.Effect<A, E>
): Effect.Effect<A, Exclude<E, LogUnavailable> | Unavailable> =>
  Effect.mapError(effect, (error) =>
    error instanceof LogUnavailable
      ? new Unavailable({ message: error.message })
      : (error as Exclude<E, LogUnavailable>)
  )

/** What every command from outside keeps to. */
export const commandRules = (log: EventStore["Service"]) => ({
  /** Commands wait for the log for a bounded time. The wait is given up, the command is not. */
  timely: <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | Unavailable> =>
    Effect.flatMap(log.available, (isAvailable) => {
      if (!isAvailable) return Effect.fail(new Unavailable({ message: "the database is away; try again" }))
      return Effect.timeoutOrElse(effect, {
        duration: Duration.millis(commandTimeoutMs),
        orElse: () =>
          Effect.fail(
            new Unavailable({ message: `no answer within ${commandTimeoutMs} ms; the command may still happen` })
          )
      })
    }),

  /** The place of the stream's newest event: for a command that had nothing left to do. */
  positionOf: <State>(
    streamName: string,
    { position, streamVersion }: Answer<State>
  ): Effect.Effect<Position, LogUnavailable> =>
    position !== null
      ? Effect.succeed(position)
      : Effect.map(log.read(streamName, Math.max(0, streamVersion - 1), 1), (events) =>
          events.length === 0 ? Position.make("00000000-0000000000000000-0000000000000000") : events[0]!.position
        ),

  /** Whether this very command was done before; with another body it is refused. */
  isRepeat: Effect.fnUntraced(function* (caller: Caller | undefined) {
    if (caller?.commandId === undefined) return false
    const known = yield* log.findCommand(caller.commandId)
    if (known === null) return false
    if (known.metadata.requestHash !== caller.requestHash) {
      return yield* new CommandReused({ commandId: caller.commandId })
    }
    return true
  })
})
