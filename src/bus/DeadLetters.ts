import { Context, Effect } from "effect"
import type { BusUnavailable, DeadLetter } from "./EventBus.ts"

/** A dead letter with the name by which it is retried or discarded. */
export interface StoredLetter extends DeadLetter {
  readonly id: string
}

/** Whether a letter may have this name: a number in the process; `inbound:` or `events:`, and an entry's id, on Redis. */
export const isLetterId = (id: string): boolean => /^(?:\d{1,16}|(?:inbound|events):\d{1,16}-\d{1,16})$/.test(id)

/** Where one may look at what could not be handled, and say what becomes of it. Without a bus there is nothing. */
export interface DeadLettersOf {
  /** Newest first, at most `limit`, older than the letter `before`, which need not be there any more. */
  readonly list: (limit: number, before?: string) => Effect.Effect<ReadonlyArray<StoredLetter>, BusUnavailable>
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
    has: () => Effect.succeed(false),
    retry: () => Effect.succeed(false),
    discard: () => Effect.succeed(false)
  })
})
