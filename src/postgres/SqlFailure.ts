import { Predicate } from "effect"
import type { SqlError } from "effect/sql/SqlError"

/** The server's own code of an error; null when the server did not answer, or answered nothing that carries one. */
export const sqlStateOf = (error: SqlError): string | null => {
  const cause = causeOf(error)
  return Predicate.hasProperty(cause, "code") && typeof cause.code === "string" && sqlState.test(cause.code)
    ? cause.code
    : null
}

const sqlState = /^[0-9A-Z]{5}$/

/**
 * The server answered and ended the statement with an error, so nothing of it was written. Not so when it ended the
 * whole session (severity FATAL or PANIC), or when no answer came.
 */
export const isRolledBack = (error: SqlError): boolean => {
  const cause = causeOf(error)
  return sqlStateOf(error) !== null && Predicate.hasProperty(cause, "severityUnlocalized")
    ? cause.severityUnlocalized === "ERROR"
    : false
}

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
  const cause = causeOf(error)
  return cause instanceof Error && cause.message !== "" ? cause.message : error.message
}

const causeOf = (error: SqlError): unknown => error.reason.cause
