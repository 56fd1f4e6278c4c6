import { Context, Deferred, Duration, Effect, Layer } from "effect"
import * as Actors from "./Actors.ts"

/** How often a queued holder asks again by itself, in case that the grant was decided in another process. */
const askAgainMs = 5_000
/** How much longer than the step's own time-out a slot is kept for it. */
const leaseMarginMs = 60_000

/**
 * Slots of a workflow-wide limit (`concurrency`), granted by its Limit actor over all runs and processes.
 */
export class Limits extends Context.Service<
  Limits,
  {
    readonly acquire: (
      name: string,
      request: {
        readonly holder: string
        readonly priority: number
        readonly capacity: number
        readonly timeoutMs: number
      }
    ) => Effect.Effect<void>
    readonly release: (name: string, holder: string) => Effect.Effect<void>
    /** Called by the Limit actor after each decision: tells queued holders of this process that they have a slot. */
    readonly granted: (name: string, has: (holder: string) => boolean) => void
  }
>()("kintsugi/actors/Limits") {
  static readonly layer = Layer.effect(
    Limits,
    Effect.gen(function* () {
      const limits = yield* Actors.limit.client
      const waiting = new Map<string, Map<string, Deferred.Deferred<void>>>()

      const acquire: Limits["Service"]["acquire"] = Effect.fnUntraced(function* (name, request) {
        const { capacity, holder, priority, timeoutMs } = request
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
              leaseMs: timeoutMs + leaseMarginMs,
              now: 0
            })
            if (state.holders.some((granted) => granted.holder === holder)) return
            yield* Effect.timeoutOption(Deferred.await(told), Duration.millis(askAgainMs))
          }
        })
        // A step that gives up waiting must not be granted a slot that nobody will use.
        yield* Effect.onInterrupt(ask, () => release(name, holder))
        queued.delete(holder)
      })
      const release = (name: string, holder: string) =>
        Effect.asVoid(limits.execute(name, { _tag: "Release", holder, now: 0 }))

      return Limits.of({
        acquire,
        release,
        granted: (name, has) => {
          for (const [holder, told] of waiting.get(name) ?? []) {
            if (has(holder)) Deferred.doneUnsafe(told, Effect.void)
          }
        }
      })
    })
  )
}
