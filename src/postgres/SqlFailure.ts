import { Predicate } from "effect"
import type { SqlError } from "effect/sql/SqlError"

interface ServerError {
  readonly code: string
  readonly severityUnlocalized: string
}

/** What the server answered; null when it did not answer. System errors have codes too (EPIPE looks like SQLSTATE). */
const serverErrorOf = (error: SqlError): ServerError | null => {
  const cause = error.reason.cause
  return Predicate.hasProperty(cause, "severityUnlocalized") ? (cause as ServerError) : null
}

/** The server's own code of an error; null when the server did not answer. */
export const sqlStateOf = (error: SqlError): string | null => serverErrorOf(error)?.code ?? null

/**
 * The server answered and ended the statement with an error, so nothing of it was written. Not so when it ended the
 * whole session (severity FATAL or PANIC), or when no answer came.
 */
export const isRolledBack = (error: SqlError): boolean => serverErrorOf(error)?.severityUnlocalized === "ERROR"

/** The data of the statement is at fault (SQLSTATE 22, 23, 54): sending it again cannot help. */
export const isDataFault = (error: SqlError): boolean => /^(22|23|54)/.test(sqlStateOf(error) ?? "")

/**
 * The database is away, starting, stopping, full, out of connections, or too slow; later it may answer. A socket that
 * breaks has no code of the server's.
 */
export const isUnavailable = (error: SqlError): boolean => {
  const code = sqlStateOf(error)
  if (code !== null) return /^(08|53|57P0|57014|40|55P03|58|25006)/.test(code)
  return error.reason._tag === "ConnectionError"
}

/** The innermost message: what the server or the socket said. */
export const messageOf = (error: SqlError): string => {
  const { cause } = error.reason
  return cause instanceof Error && cause.message !== "" ? cause.message : error.message
}
