import { Context, Effect } from "effect"
import type { BusUnavailable, DeadLetter } from "./EventBus.ts"

/** A dead letter with the name by which it is retried or discarded. */
export interface StoredLetter extends DeadLetter {
  readonly id: string
}

/** Where one may look at what could not be handled, and say what becomes of it. Without a bus there is nothing. */
export interface DeadLettersOf {
  /** Newest first, at most `limit`, older than the letter `before`, which need not be there any more. */
  readonly list: (limit: number, before?: string) => Effect.Effect<ReadonlyArray<StoredLetter>, BusUnavailable>
  /** Whether the text has the form of a letter's id. */
  readonly isId: (text: string) => boolean
  /** Whether there is such a letter. */
  readonly has: (id: string) => Effect.Effect<boolean, BusUnavailable>
  /**
   * Hands the event over again and forgets the letter, as one step; false: there is no such letter. What is refused again
   * becomes a letter of a new id.
   */
  readonly retry: (id: string) => Effect.Effect<boolean, BusUnavailable>
  /** Forgets the letter; false: there is no such letter. */
  readonly discard: (id: string) => Effect.Effect<boolean, BusUnavailable>
}

export const DeadLetters = Context.Reference<DeadLettersOf>("kintsugi/bus/DeadLetters", {
  defaultValue: () => ({
    list: () => Effect.succeed([]),
    isId: () => false,
    has: () => Effect.succeed(false),
    retry: () => Effect.succeed(false),
    discard: () => Effect.succeed(false)
  })
})
