import { Effect } from "effect"
import type * as Asset from "../domain/Asset.ts"
import type { CloudEvent } from "./CloudEvent.ts"
import { BusUnavailable, type EventBus, type Unavailable } from "./EventBus.ts"
import * as LogEvents from "./LogEvents.ts"

/** What has to be looked up to describe a production in full (F53). */
export interface Facts {
  /** The run key of a production. */
  readonly surroundings: (generation: Asset.Generation) => Effect.Effect<LogEvents.Surroundings, Unavailable>
  /** The production that expired; the log has it, since the expiry names it. */
  readonly production: (expired: LogEvents.Expired) => Effect.Effect<Asset.Generation, Unavailable>
}

export interface Publisher {
  /**
   * Publishes what these recorded events mean to others, in their order; other types are passed over. The checkpoint is
   * moved past them only after this has succeeded: a crash between the two publishes again, and nothing is left out.
   */
  readonly publishBatch: (events: ReadonlyArray<LogEvents.LogEvent>) => Effect.Effect<void, BusUnavailable>
}

/** The reader of the log that publishes: where it stands is where the bus stands. */
export const subscription = { name: "bus_v1", types: LogEvents.types } as const

const describedAtOnce = 16

/** `source`: the `source` attribute of the events, a URI reference that names this Kintsugi to others. */
export const make = (options: {
  readonly bus: EventBus["Service"]
  readonly facts: Facts
  readonly source?: string
}): Publisher => {
  const { bus, facts, source = LogEvents.sourceDefault } = options

  const eventOf = Effect.fnUntraced(function* (
    event: LogEvents.LogEvent
  ): Effect.fn.Return<CloudEvent | null, Unavailable> {
    switch (event.type) {
      case "AssetProduced":
        return LogEvents.produced(event, yield* facts.surroundings(LogEvents.production(event)), source)
      case "AssetExpired": {
        const generation = yield* facts.production(LogEvents.expiry(event))
        return LogEvents.expired(event, generation, yield* facts.surroundings(generation), source)
      }
      case "WorkflowDefined":
        return LogEvents.updated(event, source)
      default:
        return null
    }
  })

  const publishBatch = Effect.fn("Publisher.publishBatch")(function* (events: ReadonlyArray<LogEvents.LogEvent>) {
    const found = yield* Effect.forEach(events, eventOf, { concurrency: describedAtOnce }).pipe(
      Effect.catchTag("Unavailable", (error) =>
        Effect.fail(new BusUnavailable({ message: `an event cannot be described yet: ${error.message}`, cause: error }))
      )
    )
    const [first, ...rest] = found.filter((event) => event !== null)
    if (first !== undefined) yield* bus.publish([first, ...rest])
  })

  return { publishBatch }
}
