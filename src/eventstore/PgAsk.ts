import { Effect, Fiber } from "effect"
import type { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import * as SqlFailure from "../postgres/SqlFailure.ts"
import { LogUnavailable } from "./EventStore.ts"

export type Values = ReadonlyArray<ReadonlyArray<unknown>>

/** Runs one statement over the pool and answers its rows; any failure but the database's absence is a defect. */
export type Ask = (text: string, params: ReadonlyArray<unknown>) => Effect.Effect<Values, LogUnavailable>

/** A server that stays silent this long is taken to be away. */
const answerMsMax = 10_000

/** `onAvailable` hears whether the database answered. */
export const make =
  (sql: SqlClient.SqlClient, onAvailable: (available: boolean) => void): Ask =>
  (text, params) =>
    answerSoon(sql.unsafe(text, params).values as Effect.Effect<Values, SqlError>).pipe(
      Effect.tap(() => Effect.sync(() => onAvailable(true))),
      Effect.catchTag("SqlError", (error) => {
        if (!SqlFailure.isUnavailable(error)) return Effect.die(error)
        onAvailable(false)
        return Effect.fail(new LogUnavailable({ message: SqlFailure.messageOf(error), cause: error }))
      }),
      Effect.tapError(() => Effect.sync(() => onAvailable(false)))
    )

/** Interrupting a statement waits for the server, which may be silent; so it is left alone with that. */
const answerSoon = (statement: Effect.Effect<Values, SqlError>): Effect.Effect<Values, SqlError | LogUnavailable> =>
  Effect.flatMap(Effect.forkDetach(statement, { startImmediately: true }), (fiber) =>
    Fiber.join(fiber).pipe(
      Effect.timeoutOrElse({
        duration: answerMsMax,
        orElse: () => {
          const message = `the database has not answered for ${answerMsMax} ms`
          return Effect.fail(new LogUnavailable({ message, cause: message }))
        }
      }),
      Effect.onExit(() => Effect.sync(() => fiber.interruptUnsafe()))
    )
  )
