import { Effect } from "effect"

/**
 * Jobs run in this thread: an error in a timer or a promise that a job left behind belongs to no attempt any more. It is
 * told, and does not end the server for everybody else.
 */
export const contain = Effect.gen(function* () {
  const log = Effect.runForkWith(yield* Effect.context<never>())
  const told = (error: unknown) => {
    log(Effect.logError("an error that no attempt waits for, from a timer or promise that a job left behind", error))
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => process.on("unhandledRejection", told).on("uncaughtException", told)),
    () => Effect.sync(() => process.off("unhandledRejection", told).off("uncaughtException", told))
  )
})
