import { Effect, Logger, Schedule } from "effect"
import type { CloudEvent } from "../../src/bus/CloudEvent.ts"
import type { BusUnavailable, EventBus } from "../../src/bus/EventBus.ts"

type Bus = EventBus["Service"]

/** The n-th production of an asset. */
export const producedEvent = (assetId: string, n: number): CloudEvent => ({
  specversion: "1.0",
  id: `asset-${assetId}/${n}`,
  source: "/kintsugi",
  type: "asset.produced",
  subject: assetId,
  time: "2024-01-05T06:00:00.000Z",
  datacontenttype: "application/json",
  position: `00000001-0000000000000001-${n.toString(16).padStart(16, "0")}`,
  data: {
    assetId,
    partitionKey: "",
    generation: n,
    workflowSlug: "orders",
    workflowId: "orders",
    workflowVersion: 1,
    runId: `run-${n}`,
    runKey: null,
    stepId: "load",
    source: null,
    producedAt: "2024-01-05T06:00:00.000Z",
    payload: null,
    parameters: {},
    freshness: null
  }
})

/** Asset and generation of an event: `a/3`. */
export const nameOf = (event: CloudEvent): string =>
  event.type === "workflow.definition.updated"
    ? event.data.workflowSlug
    : `${event.data.assetId}/${event.data.generation}`

/** Publishes as whoever holds a checkpoint does: the same events again until it succeeds. */
export const publish = (bus: Bus, ...[first, ...rest]: ReadonlyArray<CloudEvent>): Effect.Effect<void> =>
  first === undefined
    ? Effect.void
    : bus.publish([first, ...rest]).pipe(
        Effect.retry({
          while: (error: BusUnavailable) => error._tag === "BusUnavailable",
          schedule: Schedule.spaced("20 millis")
        }),
        Effect.orDie
      )

/** The warnings are about what the test does on purpose. */
export const quiet = Effect.provide(Logger.layer([]))

/** Waits until it holds; the test's own time limit ends a wait in vain. */
export const until = (holds: () => boolean): Effect.Effect<void> =>
  Effect.gen(function* () {
    while (!holds()) yield* Effect.sleep("5 millis")
  })

/** Without later repetitions: what is left is the order in which each was handled first. */
export const firsts = (names: ReadonlyArray<string>): ReadonlyArray<string> => [...new Set(names)]
