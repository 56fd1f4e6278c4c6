import { Effect } from "effect"
import * as ProjectionSteering from "../domain/ProjectionSteering.ts"
import * as EventCodec from "../eventstore/EventCodec.ts"
import { EventStore, type LogUnavailable } from "../eventstore/EventStore.ts"

/** An event that somebody decided a projection should go on without. */
export interface Skip {
  readonly position: string
  readonly reason: string
  readonly error: string
  readonly principal: string | null
  /** Epoch ms. */
  readonly at: number
}

export const codec = EventCodec.make(ProjectionSteering.Event, {})

/** What a projection leaves out, by position: what the log says was decided. */
export const of = Effect.fnUntraced(function* (
  name: string
): Effect.fn.Return<Map<string, Skip>, LogUnavailable, EventStore> {
  const log = yield* EventStore
  const skips = new Map<string, Skip>()
  for (const recorded of yield* log.read(ProjectionSteering.streamName(name), 0)) {
    const event = codec.decode(recorded)
    if (event._tag !== "ProjectionEventSkipped") continue
    const { error, position, reason } = event
    skips.set(position, {
      ...{ position, reason, error },
      principal: recorded.metadata.principal ?? null,
      at: recorded.recordedAt
    })
  }
  return skips
})
