import { Clock, Duration, Effect, Layer, Option, Queue, Schedule } from "effect"
import { type Scope, scopeAssetsMax } from "../domain/integrity/Finding.ts"
import { actorId } from "../domain/integrity/IntegrityDemand.ts"
import type { CheckReason } from "../domain/integrity/IntegrityEvents.ts"
import { EventStore } from "../eventstore/EventStore.ts"
import { LogFollower } from "../eventstore/LogFollower.ts"
import * as Actors from "./Actors.ts"
import { IntegritySettings } from "./IntegritySettings.ts"
import { sleepUntil } from "./sleepUntil.ts"
import { StoreHealth } from "./StoreHealth.ts"

/** Ends of recoveries that are waited for together: a burst of them is one check. */
const burstMax = 1_000

/**
 * Asks for checks that nobody has to think of (F72): at start, on the schedule, when recoveries have settled, and when a
 * store has come back. It only asks; which checks there are is the Integrity actor's.
 */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { intervalMs, isAutomatic, isDeep, settleMs } = yield* IntegritySettings
    if (!isAutomatic) return
    const log = yield* EventStore
    const follower = yield* LogFollower
    const health = yield* StoreHealth
    const actor = yield* Actors.integrity.client
    const recoveries = yield* Actors.recovery.client

    const ask = (reason: CheckReason, scope: Scope = {}, deep = false) =>
      actor.execute(actorId, { _tag: "RequestCheck", reason, scope, deep })
    const told =
      (what: string) =>
      <A, E>(effect: Effect.Effect<A, E>) =>
        Effect.catchCause(effect, (cause) => Effect.logWarning(`no check is asked for ${what}`, cause))
    const settle = Effect.sleep(Duration.millis(settleMs))

    yield* Effect.forkScoped(told("at start")(Effect.andThen(settle, ask("start"))))

    // By what the log says of the last one: a process that starts again does not begin to count anew.
    const byTheClock = Effect.gen(function* () {
      const { state } = yield* actor.execute(actorId, { _tag: "Read" })
      const now = yield* Clock.currentTimeMillis
      const since = Math.min(now, state.running?.startedAt ?? state.wholeAt ?? now)
      yield* sleepUntil(since + intervalMs)
      const again = (yield* actor.execute(actorId, { _tag: "Read" })).state
      const isDue = (yield* Clock.currentTimeMillis) - (again.wholeAt ?? 0) >= intervalMs
      if (isDue && again.running === null) yield* ask("schedule", {}, isDeep)
      else yield* Effect.sleep(Duration.millis(Math.min(intervalMs, 60_000)))
    })
    if (intervalMs > 0) {
      yield* Effect.forkScoped(Effect.repeat(told("by the clock")(byTheClock), Schedule.spaced(Duration.seconds(1))))
    }

    yield* health.onReturn((store) => told(`after the outage of ${store}`)(ask("store", { store })))

    const ended = yield* Queue.bounded<string>(burstMax)
    const following = follower.follow({
      name: "integrity_v1",
      types: ["RecoverySucceeded", "RecoveryFailed"],
      begin: { after: yield* Effect.orDie(log.head) },
      handle: (events) =>
        Effect.forEach(events, ({ streamName }) => Queue.offer(ended, streamName.slice("recovery-".length)), {
          discard: true
        })
    })
    yield* Effect.forkScoped(
      Effect.catchCause(following, (cause) => Effect.logError("recoveries are no longer followed by checks", cause))
    )
    const afterRecoveries = Effect.gen(function* () {
      const first = yield* Queue.take(ended)
      yield* settle
      const ids = new Set([first])
      while (ids.size <= scopeAssetsMax) {
        const next = yield* Queue.poll(ended)
        if (Option.isNone(next)) break
        ids.add(next.value)
      }
      const assetIds = new Set<string>()
      for (const id of ids) {
        const { state } = yield* Effect.orDie(recoveries.execute(id, { _tag: "Read" }))
        assetIds.add(state.assetId)
      }
      const scope = ids.size > scopeAssetsMax ? {} : { assetIds: [...assetIds].sort() }
      // What a repair has asked for is confirmed by the check that follows the repair.
      const { state } = yield* actor.execute(actorId, { _tag: "Read" })
      if (state.repair === null) yield* ask("recovery", scope)
    })
    yield* Effect.forkScoped(Effect.forever(told("after recoveries")(afterRecoveries)))
  })
)
