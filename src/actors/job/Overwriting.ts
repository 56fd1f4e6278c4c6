import { Effect } from "effect"
import { StoreError } from "../../capabilities/ObjectStore.ts"
import type { ObjectRef } from "../../domain/run/RunEvents.ts"
import type * as Actors from "../Actors.ts"
import type { LocationIndex } from "../LocationIndex.ts"
import { type Attempt, locationKey } from "./Attempt.ts"

/**
 * Called before the attempt writes or deletes an object: one that the log records is noted in the run's own log first.
 * If the attempt then ends without recording what it wrote, a crash included, the bytes are known to be ours. A key that
 * the log does not record costs one question, and no event. Fails `attempt_ended` when the attempt is no longer the
 * current one: what it writes would be settled by nobody.
 */
export const make = (options: {
  readonly attempt: Attempt
  /** Noted by earlier attempts of the step. */
  readonly noted: ReadonlyArray<ObjectRef>
  /** Without recovery nothing is noted, and nothing moved aside (F40). */
  readonly heals: boolean
  readonly index: LocationIndex["Service"]
  readonly runs: Effect.Success<typeof Actors.run.client>
}) => {
  const { attempt, heals, index, runs } = options
  const known = new Set(options.noted.map(({ key, store }) => locationKey(store, key)))
  const hasEnded = (store: string, cause: unknown) => {
    const message = "the attempt has ended: its capabilities may no longer be used"
    return new StoreError({ failure: { class: "permanent", code: "attempt_ended", message, store }, cause })
  }

  return Effect.fnUntraced(function* (store: string, key: string): Effect.fn.Return<void, StoreError> {
    const name = locationKey(store, key)
    if (!heals || known.has(name)) return
    if ((yield* index.recorded(store, key)) !== null) {
      const { runId, stepId } = attempt.writer
      yield* Effect.mapError(
        runs.execute(runId, {
          _tag: "NoteOverwriting",
          stepId,
          attempt: attempt.number,
          objects: [{ store, key }]
        }),
        (refused) => hasEnded(store, refused)
      )
    }
    known.add(name)
    // It may have been closed while it waited.
    if (!attempt.isOpen()) return yield* hasEnded(store, name)
  })
}
export type Overwriting = ReturnType<typeof make>
