import { Result } from "effect"
import { RE2JS } from "re2js"

/** Longest source of a pattern, in UTF-16 units. */
export const patternLengthMax = 1_000

/** Largest compiled pattern, in instructions of its program: `[a-z]{1000}` has about as many. */
const programSizeMax = 5_000

/** A regular expression whose search takes at most `steps(text)` steps, whatever it says and whatever the text is. */
export interface LinearPattern {
  readonly source: string
  readonly test: (text: string) => boolean
  /** Program size times length: the bound of one search. */
  readonly steps: (text: string) => number
}

/**
 * Compiles a regular expression of ECMAScript's Unicode mode that also is one of RE2, whose search is linear in the
 * text (Russ Cox, "Regular Expression Matching Can Be Simple And Fast"). Fails with the reason, as `must …`: look-around
 * and back-references have no linear search. `\s` is white space of ASCII, and `.` is any character but a line feed.
 */
export const compile = (source: string): Result.Result<LinearPattern, string> => {
  if (source.length > patternLengthMax) {
    return Result.fail(`must be at most ${patternLengthMax} characters long, not ${source.length}`)
  }
  return Result.flatMap(isEcmaScript(source), () =>
    Result.flatMap(translated(source), (text) =>
      Result.flatMap(compileRe2(text), (compiled) => {
        const size = compiled.programSize()
        if (size > programSizeMax) {
          return Result.fail(
            `must be a smaller regular expression: with its repetitions written out it has ${size} parts, at most ${programSizeMax} are allowed`
          )
        }
        return Result.succeed({
          source,
          test: (text: string) => compiled.test(text),
          steps: (text: string) => size * (text.length + 1)
        })
      })
    )
  )
}

/** Only compiled, never run: JSON Schema has its patterns from ECMAScript, and a misspelt one is told in its words. */
const isEcmaScript = (source: string): Result.Result<unknown, string> =>
  Result.try({
    try: () => new RegExp(source, "u"),
    catch: (cause) => `must be a regular expression: ${messageOf(cause)}`
  })

const compileRe2 = (source: string): Result.Result<RE2JS, string> =>
  Result.try({
    try: () => RE2JS.compile(source),
    catch: (cause) =>
      `must be a regular expression of RE2, which has a search in linear time, so without look-around and back-references: ${messageOf(cause)}`
  })

const messageOf = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause))

const escapes = /\\(?:u\{([0-9a-f]+)\}|u([0-9a-f]{4})|c([a-z])|([\s\S]))/giu

/** The escapes that RE2 spells differently. */
const translated = (source: string): Result.Result<string, string> => {
  let fault: string | undefined
  const text = source.replace(escapes, (escape, braced?: string, four?: string, control?: string, other?: string) => {
    const hex = braced ?? four
    if (hex !== undefined) {
      if (/^d[89a-f]/i.test(four ?? "")) fault = `must write ${escape} as a whole character: \\u{1F600}, not its halves`
      return `\\x{${hex}}`
    }
    if (control !== undefined) return `\\x{${(control.charCodeAt(0) % 32).toString(16)}}`
    if (other !== undefined && /[k1-9]/.test(other)) fault = `must not have the back-reference ${escape}`
    return escape
  })
  return fault === undefined ? Result.succeed(text) : Result.fail(fault)
}
