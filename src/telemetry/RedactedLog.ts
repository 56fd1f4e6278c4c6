import { Cause, Logger } from "effect"
import * as Redaction from "./Redaction.ts"

/** A logger that is told what it is told, without secrets. */
export const before = <Output>(logger: Logger.Logger<unknown, Output>): Logger.Logger<unknown, Output> =>
  Logger.make((line) => logger.log({ ...line, message: Redaction.deep(line.message), cause: causeOf(line.cause) }))

const causeOf = (cause: Cause.Cause<unknown>): Cause.Cause<unknown> =>
  cause.reasons.length === 0 || Cause.hasInterruptsOnly(cause)
    ? cause
    : Cause.fail(
        Object.assign(new Error(), {
          name: Cause.prettyErrors(cause)[0]?.name ?? "Error",
          message: Redaction.text(Cause.prettyErrors(cause)[0]?.message ?? "failed"),
          stack: Redaction.text(Cause.pretty(cause))
        })
      )
