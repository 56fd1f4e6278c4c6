import { Clock, Context, Deferred, Duration, Effect, Fiber, Layer } from "effect"
import { leaseMs } from "../domain/run/RunDemand.ts"
import * as Actors from "./Actors.ts"

/** How often a queued holder asks again by itself, in case that the grant was decided in another process. */
const askAgainMs = 5_000
/** How often a slot in use is renewed. What a crash leaves behind is taken back when its lease ends. */
const renewMs = leaseMs / 3

/**
 * Slots of a workflow-wide limit (`concurrency`), granted by its Limit actor over all runs and processes.
 */
export class Limits extends Context.Service<
  Limits,
  {
    readonly acquire: (
      name: string,
      request: { readonly holder: string; readonly priority: number; readonly capacity: number }
    ) => Effect.Effect<void>
    /** Renews the holder's slot for as long as `use` goes on. */
    readonly during: <A, E, R>(name: string, holder: string, use: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
    readonly release: (name: string, holder: string) => Effect.Effect<void>
    /** Whether the holder has asked this process for its slot and not given it back. */
    readonly isKnown: (holder: string) => boolean
    /** Called by the Limit actor after each decision: tells queued holders of this process that they have a slot. */
    readonly granted: (name: string, has: (holder: string) => boolean) => void
  }
>()("kintsugi/actors/Limits") {
  static readonly layer = Layer.effect(
    Limits,
    Effect.gen(function* () {
      const limits = yield* Actors.limit.client
      const waiting = new Map<string, Map<string, Deferred.Deferred<void>>>()
      const known = new Set<string>()

      const acquire: Limits["Service"]["acquire"] = Effect.fnUntraced(function* (name, request) {
        const { capacity, holder, priority } = request
        known.add(holder)
        const told = Deferred.makeUnsafe<void>()
        const queued = waiting.get(name) ?? new Map<string, Deferred.Deferred<void>>()
        waiting.set(name, queued.set(holder, told))
        const ask = Effect.gen(function* () {
          while (true) {
            const { state } = yield* limits.execute(name, {
              _tag: "Acquire",
              holder,
              priority,
              capacity,
              leaseMs,
              now: 0
            })
            const slot = state.holders.find((granted) => granted.holder === holder)
            if (slot !== undefined) {
              // It may be one that this step had before a crash, and about to end.
              const leftMs = slot.leaseUntil - (yield* Clock.currentTimeMillis)
              return leftMs > leaseMs - renewMs ? undefined : yield* renew(name, holder)
            }
            yield* Effect.timeoutOption(Deferred.await(told), Duration.millis(askAgainMs))
          }
        })
        // A step that gives up waiting must not be granted a slot that nobody will use.
        yield* Effect.ensuring(
          Effect.onInterrupt(ask, () => release(name, holder)),
          Effect.sync(() => queued.delete(holder))
        )
      })
      const renew = (name: string, holder: string) =>
        Effect.asVoid(limits.execute(name, { _tag: "Renew", holder, leaseMs, now: 0 }))
      const during: Limits["Service"]["during"] = (name, holder, use) =>
        Effect.gen(function* () {
          const renewing = Effect.forever(Effect.delay(renew(name, holder), Duration.millis(renewMs)))
          const fiber = yield* Effect.forkChild(renewing)
          return yield* Effect.ensuring(use, Fiber.interrupt(fiber))
        })
      const release = (name: string, holder: string) =>
        Effect.ensuring(
          Effect.asVoid(limits.execute(name, { _tag: "Release", holder, now: 0 })),
          Effect.sync(() => known.delete(holder))
        )

      return Limits.of({
        acquire,
        during,
        release,
        isKnown: (holder) => known.has(holder),
        granted: (name, has) => {
          for (const [holder, told] of waiting.get(name) ?? []) {
            if (has(holder)) Deferred.doneUnsafe(told, Effect.void)
          }
        }
      })
    })
  )
}
