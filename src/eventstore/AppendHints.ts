import { Effect, type Scope } from "effect"
import type { Append } from "./EventStore.ts"

/** Who is to be woken by what. */
export interface AppendHints {
  /**
   * Calls `wake` after each append with an event of one of the types, for as long as the scope lives. It is called by
   * the writer: it must be short and must not throw.
   */
  readonly on: (types: ReadonlyArray<string>, wake: () => void) => Effect.Effect<void, never, Scope.Scope>
  /** These were answered; of one that has lost its compare-and-set nothing is in the log, and to look is no harm. */
  readonly tell: (appends: ReadonlyArray<Append>) => void
}

export const make = (): AppendHints => {
  const listeners = new Set<{ readonly types: ReadonlySet<string>; readonly wake: () => void }>()
  return {
    on: (types, wake) => {
      const listener = { types: new Set(types), wake }
      return Effect.acquireRelease(
        Effect.sync(() => void listeners.add(listener)),
        () => Effect.sync(() => void listeners.delete(listener))
      )
    },
    tell: (appends) => {
      for (const { types, wake } of listeners) {
        if (appends.some(({ events }) => events.some(({ type }) => types.has(type)))) wake()
      }
    }
  }
}
