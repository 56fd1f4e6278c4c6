import { Clock, Context, Deferred, Duration, Effect, Fiber, Layer, Schedule, Scope } from "effect"
import type { ObjectStore } from "../capabilities/ObjectStore.ts"
import { StoreError } from "../capabilities/ObjectStore.ts"
import { onWiped } from "../capabilities/StoreConfig.ts"
import { Stores } from "../capabilities/Stores.ts"
import type { Failure } from "../domain/Failure.ts"

/** Waiting steps released per second after an outage, when the store's configuration does not say. */
const drainPerSecondDefault = 200
/** More losses of one store than this within a second are a sign of the store, not of the assets. */
const vanishedMax = 5
const vanishedWindowMs = 1_000
const probeTimeoutMs = 10_000
/** How long a start waits for the first look at its stores. */
const beginMsMax = 1_000
/** A store that fails again within `relapseMs` of its return answers probes but does not serve: it is held back. */
const relapseMs = 30_000
const holdMsMin = 250
const holdMsMax = 15_000
/** After a settle time the store's further losses are believed for this long. */
const calmMs = 5_000

export type StoreStatus = "ready" | "unavailable" | "wiped" | "unknown"

interface Health {
  status: StoreStatus
  since: number
  error: string | null
  /** Completed when the store is ready again; null while it is ready or unknown. */
  ready: Deferred.Deferred<void> | null
  /** When a probe last ended an outage, epoch ms; and how often in a row another began soon after. */
  returnedAt: number
  relapses: number
  /** When the next of those who waited for the store may go on, epoch ms. */
  nextTurnAt: number
  /** When the settle time that is going on ends, and until when no other begins; epoch ms. */
  settlesAt: number
  calmUntil: number
  /** Probe results of the last second. */
  probes: Array<{ readonly at: number; readonly asset: string; readonly vanished: boolean }>
}

/**
 * The breaker of each store (F35). While a store is unavailable nothing is attempted against it: a probe with back-off
 * closes the breaker, then whoever waits is released at a paced rate. It also tells the loss of an asset from the loss
 * of a store: a root without its marker, or many assets gone within a second.
 */
export class StoreHealth extends Context.Service<
  StoreHealth,
  {
    /** Fails `store_unavailable` at once while the breaker is open. */
    readonly guard: (store: string) => Effect.Effect<void, StoreError>
    /** Opens the breaker if the failure says that the store is away. */
    readonly observe: (failure: Failure) => Effect.Effect<void>
    /** Whether the store's root answers and bears its marker now: only then does an absent object mean a loss. */
    readonly confirmRoot: (store: string) => Effect.Effect<"ready" | "unavailable">
    /** Returns at once while the store is ready; who had to wait goes on at the pace of the store's drain. */
    readonly awaitReady: (store: string) => Effect.Effect<void>
    readonly noteProbe: (store: string, asset: string, vanished: boolean) => Effect.Effect<void>
    /** Waits for the settle time when too much of the store has vanished at once; whether it had to. */
    readonly settle: (store: string) => Effect.Effect<boolean>
    readonly list: Effect.Effect<
      ReadonlyArray<{
        readonly name: string
        readonly status: StoreStatus
        readonly since: number
        readonly error: string | null
      }>
    >
    /** Called with a store's name each time that it is ready again, and once for each store that is ready at start. */
    readonly onReady: (release: (store: string, perSecond: number) => Effect.Effect<void>) => Effect.Effect<void>
    /** Called with a store's name each time that it is ready again after an outage. */
    readonly onReturn: (tell: (store: string) => Effect.Effect<void>) => Effect.Effect<void>
  }
>()("kintsugi/actors/StoreHealth") {
  static readonly layer = (options: {
    readonly settleMs: number
    /** Whether the log says that the store was used before, and what notes that it is from now on. */
    readonly wasUsed: (store: string) => Effect.Effect<boolean>
    readonly noteUsed: (store: string) => Effect.Effect<void>
  }) => Layer.effect(StoreHealth, make(options))
}

const make = Effect.fnUntraced(function* (options: {
  readonly settleMs: number
  readonly wasUsed: (store: string) => Effect.Effect<boolean>
  readonly noteUsed: (store: string) => Effect.Effect<void>
}) {
  const stores = yield* Stores
  const clock = yield* Clock.Clock
  const scope = yield* Scope.Scope
  const states = new Map<string, Health>()
  let releaser: ((store: string, perSecond: number) => Effect.Effect<void>) | null = null
  const returned: Array<(store: string) => Effect.Effect<void>> = []

  const now = () => clock.currentTimeMillisUnsafe()
  const health = (store: string): Health => {
    const known = states.get(store)
    if (known !== undefined) return known
    const fresh: Health = {
      status: "unknown",
      since: now(),
      error: null,
      ready: null,
      settlesAt: 0,
      calmUntil: 0,
      probes: [],
      returnedAt: 0,
      relapses: 0,
      nextTurnAt: 0
    }
    states.set(store, fresh)
    return fresh
  }
  const config = (store: string) => Effect.orDie(stores.config(store))

  const unavailable = (store: string, why: string): StoreError =>
    new StoreError({
      failure: {
        class: "store_unavailable",
        code: "breaker_open",
        message: `store ${store} is unavailable: ${why}`,
        store
      },
      cause: why
    })

  const probeOnce = Effect.fnUntraced(function* (store: string) {
    const driver = yield* Effect.orDie(stores.get(store))
    return yield* driver.probe.pipe(
      Effect.timeoutOrElse({
        duration: Duration.millis(probeTimeoutMs),
        orElse: () => Effect.fail(unavailable(store, `no answer to a probe within ${probeTimeoutMs} ms`))
      })
    )
  })

  /** A root without its marker: accepted as wiped after the settle time, or left for a human to look at. */
  const acceptWipe = Effect.fnUntraced(function* (store: string, driver: ObjectStore) {
    if (onWiped(yield* config(store)) === "wait") return false
    yield* Effect.sleep(Duration.millis(options.settleMs))
    const again = yield* probeOnce(store)
    if (again.status === "wiped") {
      yield* Effect.logWarning(`store ${store} answers without its marker: it was wiped, and is healed from now on`)
      yield* driver.ensureMarker
    }
    return true
  })

  const close = (store: string) =>
    Effect.gen(function* () {
      const state = health(store)
      const { ready } = state
      if (ready !== null) state.returnedAt = now()
      state.status = "ready"
      state.since = now()
      state.error = null
      state.ready = null
      state.probes = []
      if (ready !== null) {
        yield* Deferred.succeed(ready, undefined)
        for (const tell of returned) yield* Effect.forkIn(tell(store), scope)
      }
      const { drainPerSecond } = yield* config(store)
      // In a fiber of its own: whoever has waited for the store goes on while the drain is still being paced.
      if (releaser !== null) yield* Effect.forkIn(releaser(store, drainPerSecond ?? drainPerSecondDefault), scope)
    })

  const probeUntilReady = (store: string) =>
    Effect.gen(function* () {
      const state = health(store)
      const driver = yield* Effect.orDie(stores.get(store))
      const { status } = yield* probeOnce(store)
      if (status === "ready") return
      state.status = "wiped"
      state.error = `the root of store ${store} answers without its marker .kintsugi/store (wiped, or not mounted)`
      const accepted = yield* acceptWipe(store, driver)
      if (!accepted) return yield* unavailable(store, `${state.error}; its onWiped is "wait"`)
    }).pipe(
      Effect.tapError((error) =>
        Effect.sync(() => {
          health(store).error = error.failure.message
        })
      ),
      Effect.retry(
        Schedule.min([Schedule.exponential("100 millis", 1.6), Schedule.spaced("5 seconds")]).pipe(Schedule.jittered)
      ),
      Effect.andThen(close(store)),
      Effect.catchCause((cause) => Effect.logError(`probing store ${store} failed`, cause))
    )

  const open = (store: string, why: string) =>
    Effect.suspend(() => {
      const state = health(store)
      if (state.ready !== null) return Effect.void
      state.relapses = now() - state.returnedAt < relapseMs ? state.relapses + 1 : 0
      state.status = "unavailable"
      state.since = now()
      state.error = why
      state.ready = Deferred.makeUnsafe<void>()
      // It answered a probe and fails again (a full disk, say): its waiters come back to it less and less often.
      const holdMs = state.relapses === 0 ? 0 : Math.min(holdMsMin * 2 ** state.relapses, holdMsMax)
      return Effect.logWarning(`store ${store} is unavailable: ${why}`).pipe(
        Effect.andThen(Effect.forkIn(Effect.delay(probeUntilReady(store), Duration.millis(holdMs)), scope)),
        Effect.asVoid
      )
    })

  const observe = (failure: Failure) =>
    failure.class === "store_unavailable" && failure.store !== undefined && stores.names.includes(failure.store)
      ? open(failure.store, failure.message)
      : Effect.void

  const confirmRoot = Effect.fnUntraced(
    function* (store: string) {
      if (health(store).ready !== null) return "unavailable" as const
      const { status } = yield* probeOnce(store)
      if (status === "ready") return "ready" as const
      yield* open(store, `the root of store ${store} answers without its marker`)
      return "unavailable" as const
    },
    (effect, store) =>
      Effect.catch(effect, (error) => Effect.as(open(store, error.failure.message), "unavailable" as const))
  )

  const awaitReady = Effect.fnUntraced(function* (store: string) {
    const state = health(store)
    if (state.ready === null) return
    yield* Deferred.await(state.ready)
    const { drainPerSecond } = yield* config(store)
    const turn = Math.max(now(), state.nextTurnAt)
    state.nextTurnAt = turn + 1_000 / (drainPerSecond ?? drainPerSecondDefault)
    yield* Effect.sleep(Duration.millis(turn - now()))
  })

  const recent = (store: string) => {
    const state = health(store)
    const oldest = now() - vanishedWindowMs
    state.probes = state.probes.filter(({ at }) => at >= oldest)
    return state.probes
  }

  // A store is marked when it is first used; a store that the log knows must still bear its mark.
  const begin = Effect.fnUntraced(function* (store: string) {
    const driver = yield* Effect.orDie(stores.get(store))
    if (yield* options.wasUsed(store)) {
      const root = yield* confirmRoot(store)
      return root === "ready" ? yield* close(store) : undefined
    }
    yield* Effect.matchEffect(driver.ensureMarker, {
      onFailure: (error) => open(store, error.failure.message),
      onSuccess: () => Effect.andThen(options.noteUsed(store), close(store))
    })
  })

  return StoreHealth.of({
    guard: (store) =>
      Effect.suspend(() => {
        const { error, ready } = health(store)
        return ready === null ? Effect.void : Effect.fail(unavailable(store, error ?? "unknown"))
      }),
    observe,
    confirmRoot,
    awaitReady,
    noteProbe: (store, asset, vanished) =>
      Effect.sync(() => {
        const kept = recent(store).filter((probe) => probe.asset !== asset)
        kept.push({ at: now(), asset, vanished })
        health(store).probes = kept.slice(-1_000)
      }),
    settle: (store) =>
      Effect.suspend(() => {
        const state = health(store)
        // Losses that were looked at again after a settle time belong to the same burst: once is enough for all of it.
        if (now() < state.calmUntil) return Effect.succeed(false)
        const probes = recent(store)
        const vanished = probes.filter((probe) => probe.vanished).length
        // One lone asset that was probed and is gone is a loss; two or more, and nothing left of them, is a sign.
        const suspicious = vanished > vanishedMax || (probes.length >= 2 && vanished === probes.length)
        if (!suspicious && now() >= state.settlesAt) return Effect.succeed(false)
        if (now() >= state.settlesAt) state.settlesAt = now() + options.settleMs
        return Effect.sleep(Duration.millis(Math.max(0, state.settlesAt - now()))).pipe(
          Effect.andThen(
            Effect.sync(() => {
              state.calmUntil = now() + Math.max(calmMs, options.settleMs)
              return true
            })
          )
        )
      }),
    list: Effect.sync(() =>
      stores.names.map((name) => {
        const { error, since, status } = health(name)
        return { name, status, since, error }
      })
    ),
    onReturn: (tell) => Effect.sync(() => void returned.push(tell)),
    onReady: (release) =>
      Effect.gen(function* () {
        releaser = release
        const begun = yield* Effect.forEach(stores.names, (store) => Effect.forkIn(begin(store), scope))
        // A store that is slow to answer does not hold up the start: it counts as unknown until it does.
        yield* Effect.timeoutOption(Effect.forEach(begun, Fiber.await, { discard: true }), Duration.millis(beginMsMax))
      }).pipe(Effect.asVoid)
  })
})
