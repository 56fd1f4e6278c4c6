import { Effect, Layer } from "effect"
import { writeSync } from "node:fs"
import { LoopWatch } from "../actors/LoopWatch.ts"
import * as ExitCode from "./ExitCode.ts"

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

let isWanted = false

/** Ends the process at once on our own account, so that nobody takes it for a job's doing. */
export const exit = (code: number): never => {
  isWanted = true
  return process.exit(code)
}

/**
 * A job that calls `process.exit` ends the server for everybody. It cannot be held up, but it is told, and the process
 * ends with 1 whatever the job wanted. An orderly stop and a failed start have closed this layer before they exit.
 */
export const exitIsTold = Layer.effectDiscard(
  Effect.gen(function* () {
    const loop = yield* LoopWatch
    const told = (code: number) => {
      if (isWanted) return
      const steps = loop.executing()
      const when =
        steps === "" ? "while no step executed: a job left it behind" : `while these steps executed: ${steps}`
      writeSync(
        process.stderr.fd,
        `kintsugi: the server was ended by process.exit(${code}) ${when}. A job must not call process.exit: throw instead\n`
      )
      process.exitCode = ExitCode.failure
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => process.on("exit", told)),
      () => Effect.sync(() => process.off("exit", told))
    )
  })
).pipe(Layer.provide(LoopWatch.layer))
