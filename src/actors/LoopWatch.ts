import { Clock, Context, Duration, Effect, Layer } from "effect"

const tickMs = 250
/** A pause of the event loop that is worth a line in the log. */
const noticeMs = 2_000
/** Steps that one line names. */
const namesMax = 20

interface Entry {
  readonly name: string
  /** Epoch ms. */
  readonly enteredAt: number
}

/**
 * Notices when a job keeps the event loop to itself: everything else of the process stands still meanwhile.
 */
export class LoopWatch extends Context.Service<
  LoopWatch,
  {
    /** How long the loop has been blocked, or was at the last look, ms. */
    readonly blockedMs: () => number
    /** The steps that execute now, as one text: the first 20 by name. Empty when there is none. */
    readonly executing: () => string
    /** A step of this name begins to execute; call what it answers when it has ended. */
    readonly enter: (name: string) => () => void
  }
>()("kintsugi/actors/LoopWatch") {
  static readonly layer = Layer.effect(
    LoopWatch,
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const executing = new Set<Entry>()
      // Whoever executed at the last tick or has begun since. The one that blocks may well have ended when the loop is
      // free again, and others have begun, before this looks.
      let suspects = new Set<Entry>()
      let lastTick = clock.currentTimeMillisUnsafe()
      let blockedMs = 0
      yield* Effect.forkScoped(
        Effect.gen(function* () {
          while (true) {
            yield* Effect.sleep(Duration.millis(tickMs))
            const now = clock.currentTimeMillisUnsafe()
            blockedMs = Math.max(0, now - lastTick - tickMs)
            lastTick = now
            if (blockedMs >= noticeMs) yield* Effect.logWarning(told(blockedMs, now, suspects))
            suspects = new Set(executing)
          }
        })
      )
      return LoopWatch.of({
        blockedMs: () => Math.max(blockedMs, clock.currentTimeMillisUnsafe() - lastTick - tickMs),
        executing: () => listed([...executing].map(({ name }) => name)),
        enter: (name) => {
          const entry = { name, enteredAt: clock.currentTimeMillisUnsafe() }
          executing.add(entry)
          suspects.add(entry)
          return () => void executing.delete(entry)
        }
      })
    })
  )
}

/** Nothing begins while the loop is blocked, so a step that began just now did so after it. */
const told = (blockedMs: number, now: number, suspects: ReadonlySet<Entry>): string => {
  const names = [...suspects].filter(({ enteredAt }) => enteredAt <= now - noticeMs / 2).map(({ name }) => name)
  const blocked = `the event loop was blocked for ${blockedMs} ms`
  if (names.length === 0) return `${blocked} while no step executed`
  return names.length === 1 ? `${blocked} by ${listed(names)}` : `${blocked} by one of ${listed(names)}`
}

const listed = (names: ReadonlyArray<string>): string =>
  `${names.slice(0, namesMax).join(", ")}${names.length > namesMax ? ` and ${names.length - namesMax} more` : ""}`
