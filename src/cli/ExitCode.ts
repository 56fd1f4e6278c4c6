import { Cause, Exit, Predicate } from "effect"

/** All went well. */
export const fine = 0
/** It was tried and failed, or what was checked is not in order. */
export const failure = 1
/** What was asked for cannot be: a wrong command, flag or setting, or a place that is taken. Nothing was done. */
export const usage = 2
/** Ended by Ctrl-C, as shells have it. */
export const interrupted = 130

/** Errors that are about what the user gave us, by tag; each message names the setting. */
const usageTags: ReadonlySet<unknown> = new Set([
  "SettingInvalid",
  "AppModuleInvalid",
  "AppRefused",
  "AdminTokenUnusable",
  "DatabaseUnusable",
  "EmbeddedFailed",
  "BinariesMissing",
  "SchemaNewer",
  "LogMissing",
  "AlreadyServed",
  "ListenFailed",
  "FileUnusable",
  "NoSuchStream",
  "NotBegun",
  "ImportRefused",
  "RemoteRefused",
  "ShowHelp"
])

/** How the process says what came of it. */
export const of = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit)) return fine
  if (Cause.hasInterruptsOnly(exit.cause)) return interrupted
  const error = Cause.squash(exit.cause)
  if (isHelp(error)) return error.errors.length === 0 ? fine : usage
  return Predicate.hasProperty(error, "_tag") && usageTags.has(error._tag) ? usage : failure
}

/** What stderr is told about a cause: one line, and a trace where somebody's code is at fault. Null: nothing to tell. */
export const told = (cause: Cause.Cause<unknown>): string | null => {
  if (Cause.hasInterruptsOnly(cause)) return null
  const error = Cause.squash(cause)
  // The wrong use of a flag or a command has been told by the parser's presenter already.
  if (isHelp(error)) return null
  const isExpected = !Cause.hasDies(cause) && error instanceof Error && error.message !== ""
  // A defect is a bug of ours: its whole trace is what a report needs.
  if (!isExpected) return `kintsugi: internal error\n${Cause.pretty(cause)}`
  const trace = Predicate.hasProperty(error, "trace") && typeof error.trace === "string" ? `\n${error.trace}` : ""
  return `${line(error)}${trace}`
}

/** An error as one line. */
export const line = (error: Error): string => `kintsugi: ${oneLine(error.message)}`

const oneLine = (text: string): string => text.replace(/\s*\n\s*/g, " ").trim()

const isHelp = (error: unknown): error is { readonly errors: ReadonlyArray<unknown> } =>
  Predicate.isTagged(error, "ShowHelp") && Predicate.hasProperty(error, "errors") && Array.isArray(error.errors)
