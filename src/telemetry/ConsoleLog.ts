import { Cause, Layer, Logger, References } from "effect"
import * as Trace from "../eventstore/Trace.ts"
import * as RedactedLog from "./RedactedLog.ts"
import * as Redaction from "./Redaction.ts"
import type { LogSettings } from "./TelemetrySettings.ts"

/**
 * Log lines on stderr: one JSON object a line for machines, colours for people. stdout belongs to what a command
 * answers.
 */
export const layer = ({ format, level }: LogSettings, isTerminal: boolean): Layer.Layer<never> => {
  const isPretty = format === null ? isTerminal : format === "pretty"
  const logger = isPretty
    ? RedactedLog.before(Logger.consolePretty({ mode: "tty", colors: isTerminal }))
    : Logger.withConsoleError(json)
  return Layer.mergeAll(
    Logger.layer([logger]),
    Layer.succeed(References.MinimumLogLevel, level),
    Layer.succeed(Logger.LogToStderr, true)
  )
}

/** One line, whose fields beside `timestamp`, `level` and `message` are there when they are known. */
export const json: Logger.Logger<unknown, string> = Logger.make(({ cause, date, fiber, logLevel, message }) => {
  const [first, ...rest] = Array.isArray(message) ? message : [message]
  const span = fiber.cache.span
  const line = {
    timestamp: date.toISOString(),
    level: logLevel.toUpperCase(),
    message: Redaction.deep(first instanceof Error ? first.message : first),
    ...(Redaction.deep({ ...fiber.getRef(References.CurrentLogAnnotations) }) as object),
    ...(span !== undefined && Trace.isReal(span) ? { traceId: span.traceId, spanId: span.spanId } : {}),
    ...(rest.length === 0 ? {} : { data: Redaction.deep(rest.length === 1 ? rest[0] : rest) }),
    ...(cause.reasons.length === 0 ? {} : { error: Redaction.text(Cause.pretty(cause)) })
  }
  return stringify(line)
})

/** A job may log what JSON has no form for: a line that says so is better than none. */
const stringify = (line: { readonly message: unknown }): string => {
  const seen = new Set<unknown>()
  try {
    return JSON.stringify(line, (_, value) => {
      if (typeof value === "bigint") return String(value)
      if (typeof value !== "object" || value === null) return value
      if (seen.size > valuesMax) return "[left out]"
      seen.add(value)
      return value
    })
  } catch {
    return JSON.stringify({ ...line, message: String(line.message), data: "[cannot be shown as JSON]" })
  }
}

/** Objects of one line; what is beyond is left out. */
const valuesMax = 1_000
