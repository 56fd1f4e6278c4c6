import { Clock, Duration, Effect, Layer, Schedule } from "effect"
import { EventStore } from "../eventstore/EventStore.ts"
import { leaseMs } from "../domain/run/RunDemand.ts"
import { allSteps } from "../domain/run/RunState.ts"
import { type State as RecoveryState, isTerminal } from "../domain/recovery/RecoveryState.ts"
import * as Actors from "./Actors.ts"
import { ActorSystem, wakeStream } from "./ActorSystem.ts"
import { StoreHealth } from "./StoreHealth.ts"

const sweepMs = 1_000
const lostWakesMs = 30_000
const claimMax = 1_000
const wakesAtOnce = 16
/** `wakeAt` of work in progress is at most two leases ahead: one, rounded up to the grid of leases. */
const startHorizonMs = 2 * leaseMs

/**
 * Brings back actors whose time has come: timers, and work that was in progress when its process died. It claims due
 * rows by pushing them one lease ahead, so that two processes never wake the same actor and a lost wake comes back.
 */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const log = yield* EventStore
    const system = yield* ActorSystem

    const sweep = (horizonMs: number) =>
      Effect.gen(function* () {
        // Claimed rows go just beyond what this sweep looks at, or a lease ahead, and never beyond what the first sweep
        // of the next process looks at: it has to find them if this one dies before they have committed anything.
        const now = yield* Clock.currentTimeMillis
        const aheadMs = Math.max(horizonMs + 1, leaseMs)
        while (true) {
          const due = yield* log.claimDue({ now, horizonMs, leaseMs: aheadMs, limit: claimMax })
          yield* Effect.forEach(
            due,
            (streamName) => Effect.provideService(wakeStream(streamName), ActorSystem, system),
            {
              concurrency: wakesAtOnce,
              discard: true
            }
          )
          if (due.length < claimMax) return
        }
      }).pipe(Effect.catchCause((cause) => Effect.logWarning("a sweep of due actors failed", cause)))

    // The first sweep looks ahead: whatever was in progress when the process before this one ended is found at once.
    // Each later one looks as far as the next: a timer is in memory when it is due, and fires to the millisecond.
    const sweeps = Effect.repeat(Effect.delay(sweep(sweepMs), Duration.millis(sweepMs)), Schedule.forever)
    yield* Effect.forkScoped(Effect.andThen(sweep(startHorizonMs), sweeps))
    yield* Effect.forkScoped(Effect.repeat(Effect.delay(findLostWakes, Duration.millis(lostWakesMs)), Schedule.forever))
  })
)

/** Steps and recoveries that wait for a recovery to which nothing is owed any more: their wake-up was lost. */
const findLostWakes = Effect.gen(function* () {
  const log = yield* EventStore
  const runs = yield* Actors.run.client
  const recoveries = yield* Actors.recovery.client
  for (const streamName of yield* log.lostWakes(claimMax)) {
    const dash = streamName.indexOf("-")
    const id = streamName.slice(dash + 1)
    yield* Effect.logWarning(`${streamName} waits for something that has ended: it looks again`)
    if (streamName.slice(0, dash) === "run") {
      const { state } = yield* Effect.orDie(runs.execute(id, { _tag: "Read" }))
      for (const [, { waitingFor }] of allSteps(state)) {
        if (waitingFor?.recoveryId === undefined) continue
        const waitsOn = `recovery-${waitingFor.recoveryId}`
        const awaited = yield* Effect.orDie(recoveries.execute(waitingFor.recoveryId, { _tag: "Read" }))
        if (isTerminal(awaited.state)) yield* Effect.orDie(runs.execute(id, { _tag: "Recheck", waitsOn }))
      }
    } else if (streamName.slice(0, dash) === "recovery") {
      const { state } = yield* Effect.orDie(recoveries.execute(id, { _tag: "Read" }))
      for (const recoveryId of state.parents) yield* settleParent(id, recoveryId)
    }
  }
}).pipe(Effect.catchCause((cause) => Effect.logWarning("the search for lost wake-ups failed", cause)))

const settleParent = Effect.fnUntraced(function* (id: string, recoveryId: string) {
  const recoveries = yield* Actors.recovery.client
  const parent: { readonly state: RecoveryState } = yield* Effect.orDie(
    recoveries.execute(recoveryId, { _tag: "Read" })
  )
  if (!isTerminal(parent.state)) return
  const failure = parent.state.status === "succeeded" ? undefined : (parent.state.failure ?? undefined)
  yield* Effect.orDie(recoveries.execute(id, { _tag: "SettleParent", recoveryId, failure }))
})

/** Releases the steps that wait for a store when it is ready again, at a paced rate. */
export const layerStoreReleases = Layer.effectDiscard(
  Effect.gen(function* () {
    const log = yield* EventStore
    const health = yield* StoreHealth
    const runs = yield* Actors.run.client
    const pageMax = 100

    const rates = new Map<string, number>()
    const draining = new Set<string>()
    const isReady = (store: string) =>
      Effect.map(health.list, (stores) => stores.some(({ name, status }) => name === store && status === "ready"))

    const drain = Effect.fnUntraced(function* (store: string, perSecond: number) {
      let after = ""
      // A store that has gone away again needs no more steps: they would only come back to wait.
      while (yield* isReady(store)) {
        const waiting = yield* log.waitingOn(`store:${store}`, after, Math.min(pageMax, perSecond))
        if (waiting.length === 0) return
        const tell = Effect.forEach(
          waiting,
          (streamName) => Effect.ignore(runs.execute(streamName.slice("run-".length), { _tag: "ReleaseStore", store })),
          { concurrency: wakesAtOnce, discard: true }
        )
        after = waiting[waiting.length - 1]!
        yield* Effect.all([tell, Effect.sleep(Duration.millis((waiting.length / perSecond) * 1_000))], {
          concurrency: 2
        })
      }
    })

    /** One drain a store at a time: two together would go beyond its rate (T40). */
    const release = (store: string, perSecond: number) =>
      Effect.suspend(() => {
        rates.set(store, perSecond)
        if (draining.has(store)) return Effect.void
        draining.add(store)
        return drain(store, perSecond).pipe(
          Effect.catchCause((cause) => Effect.logWarning(`releasing the steps that wait for ${store} failed`, cause)),
          Effect.ensuring(Effect.sync(() => draining.delete(store)))
        )
      })

    yield* health.onReady(release)
    // A step may record that it waits just after the drain has passed: stores that are ready are drained again.
    const again = Effect.gen(function* () {
      const waited = (yield* log.waitedStores).map((key) => key.slice("store:".length))
      const known = [...rates].filter(([store]) => waited.includes(store))
      yield* Effect.forEach(known, ([store, perSecond]) => release(store, perSecond), {
        concurrency: "unbounded",
        discard: true
      })
    }).pipe(
      Effect.catchCause((cause) => Effect.logWarning("looking for steps that wait for ready stores failed", cause))
    )
    yield* Effect.forkScoped(Effect.repeat(Effect.delay(again, Duration.millis(sweepMs)), Schedule.forever))
  })
)
