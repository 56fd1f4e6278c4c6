import { Duration, Effect } from "effect"
import type { EventStore, LogUnavailable, Position } from "../eventstore/EventStore.ts"
import { ProjectionBehind } from "../projections/ProjectionRunner.ts"

/** As long as a read model is waited for. */
const waitMs = 5_000
const pollMs = 50

/**
 * Waits up to 5 s until `stands` answers `minPosition` or what comes after it, and fails as a list does that has not
 * reached it. `what` is named in the refusal.
 */
export const reachedBy = <E>(
  what: string,
  stands: (minPosition: Position) => Effect.Effect<Position, E>,
  minPosition: Position | undefined
): Effect.Effect<void, E | ProjectionBehind> =>
  minPosition === undefined ? Effect.void : waited(what, stands, minPosition)

const waited = Effect.fnUntraced(function* <E>(
  what: string,
  stands: (minPosition: Position) => Effect.Effect<Position, E>,
  minPosition: Position
): Effect.fn.Return<void, E | ProjectionBehind> {
  for (let waitedMs = 0; ; waitedMs += pollMs) {
    const position = yield* stands(minPosition)
    if (position >= minPosition) return
    if (waitedMs >= waitMs) return yield* new ProjectionBehind({ projection: what, minPosition, position, error: null })
    yield* Effect.sleep(Duration.millis(pollMs))
  }
})

/** For a list that is current, as what is in memory and single streams are: it is as far as the log. */
export const reached = (
  store: EventStore["Service"],
  minPosition: Position | undefined
): Effect.Effect<void, LogUnavailable | ProjectionBehind> => reachedBy("the log", () => store.head, minPosition)
