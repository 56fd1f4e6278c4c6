import { Duration, Effect, Layer, Schedule } from "effect"
import { Announcements } from "../actors/Announcements.ts"
import * as AssetHistory from "../actors/AssetHistory.ts"
import { DeadLetters } from "../bus/DeadLetters.ts"
import { EventBus, Refused, Unavailable } from "../bus/EventBus.ts"
import * as Inbound from "../bus/Inbound.ts"
import * as InlineBus from "../bus/InlineBus.ts"
import * as Publisher from "../bus/Publisher.ts"
import * as RedisBus from "../bus/RedisBus.ts"
import * as RedisDeadLetters from "../bus/RedisDeadLetters.ts"
import type { RedisAddress } from "../bus/RedisUrl.ts"
import { faultText } from "../domain/Definition.ts"
import { assetName } from "../domain/Failure.ts"
import type { Problem } from "../domain/JsonBounds.ts"
import { EventStore, type LogUnavailable } from "../eventstore/EventStore.ts"
import { LogFollower } from "../eventstore/LogFollower.ts"
import { untilTaken } from "./Outage.ts"

/** The bus of these settings; building it waits for no server. */
export const backend = (redis: RedisAddress | null): Layer.Layer<EventBus> =>
  redis === null
    ? InlineBus.layer()
    : Layer.merge(RedisBus.layer({ address: redis }), Layer.effect(DeadLetters, RedisDeadLetters.make(redis)))

/**
 * Publishes what the log says to the bus, for as long as the layer lives, from where it stood the last time. While the
 * bus is away its place in the log waits, so that an outage of any length loses nothing.
 */
export const publishing: Layer.Layer<never, never, EventBus | EventStore | LogFollower> = Layer.effectDiscard(
  Effect.gen(function* () {
    const bus = yield* EventBus
    const follower = yield* LogFollower
    const log = yield* EventStore
    const { publishBatch } = Publisher.make({ bus, facts: factsOf(log) })
    const deliver = yield* untilTaken("the event bus")
    // What was before anybody could have subscribed is for nobody.
    const begin = { after: yield* Effect.orDie(log.head) }
    const following = follower.follow({
      ...Publisher.subscription,
      begin,
      handle: (events) => deliver(publishBatch(events))
    })
    yield* following.pipe(
      Effect.tapCause((cause) => Effect.logError("publishing to the event bus has stopped, and begins again", cause)),
      Effect.retry(Schedule.spaced(Duration.seconds(5))),
      Effect.forkScoped
    )
  })
)

/** Records what other systems announce on the server's inbound stream; without a server there is none. */
export const inbound = (
  redis: RedisAddress | null,
  settings: Omit<Inbound.InboundSettings, "address"> = {}
): Layer.Layer<never, never, Announcements> =>
  redis === null
    ? Layer.empty
    : Layer.effectDiscard(
        Effect.gen(function* () {
          const { announce } = yield* Announcements
          const receive = Inbound.run({ ...settings, address: redis }, ({ id, ...announcement }) =>
            announce({ ...announcement, eventId: id }).pipe(
              Effect.asVoid,
              Effect.catchTags({
                // Nobody gives an announcement on the bus an Idempotency-Key.
                CommandReused: Effect.die,
                InvalidInput: ({ problems }) => Effect.fail(refusalOf(problems)),
                Unavailable: (cause) => Effect.fail(new Unavailable({ message: cause.message, cause }))
              })
            )
          )
          yield* Effect.forkScoped(receive)
        })
      )

/** The bus with what publishes to it, and what comes in by it. */
export const layer = (
  redis: RedisAddress | null
): Layer.Layer<EventBus, never, EventStore | LogFollower | Announcements> =>
  Layer.merge(publishing, inbound(redis)).pipe(Layer.provideMerge(backend(redis)))

/** The first fault's path, and all faults as the reason. */
const refusalOf = (problems: ReadonlyArray<Problem>): Refused => {
  const [first, ...others] = problems
  const path = first === undefined ? "data" : `data.${first.path}`
  const reason = others.length === 0 ? (first?.message ?? "") : problems.map(faultText).join("; ")
  return new Refused({ reason, path })
}

/** What the events of the log do not say themselves, from the streams that do. */
const factsOf = (log: EventStore["Service"]): Publisher.Facts => ({
  surroundings: ({ runId, source }) =>
    source !== undefined
      ? Effect.succeed({ runKey: null })
      : Effect.map(away(log.read(`run-${runId}`, 0, 1)), ([first]) => {
          const { runKey = null } = first === undefined ? {} : (JSON.parse(first.payload) as { runKey?: string })
          return { runKey }
        }),
  production: (expired) =>
    Effect.flatMap(away(AssetHistory.productionOf(log, expired, expired.generation)), (production) =>
      production === null
        ? Effect.die(new Error(`the log has no generation ${expired.generation} of ${assetName(expired)}`))
        : Effect.succeed(production)
    )
})

const away = <A>(read: Effect.Effect<A, LogUnavailable>): Effect.Effect<A, Unavailable> =>
  Effect.mapError(read, (cause) => new Unavailable({ message: cause.message, cause }))
