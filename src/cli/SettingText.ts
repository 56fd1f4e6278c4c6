import { Schema } from "effect"

/** A flag or an environment variable has a value that cannot be used; `message` is one line that names it. */
export class SettingInvalid extends Schema.TaggedError<SettingInvalid>()("SettingInvalid", {
  setting: Schema.String,
  message: Schema.String
}) {}

/** What was given: flags by name without dashes, and the process's environment. Flags override. */
export interface Given {
  readonly flags: { readonly [flag: string]: string | undefined }
  readonly env: { readonly [variable: string]: string | undefined }
}

interface Common {
  readonly variable: string
  readonly flag?: string
  /** What `--help` shows for the flag's value. */
  readonly metavar?: string
  /** One line for `--help` and the reference, without a full stop. */
  readonly meaning: string
  /** What holds where it is left out, when that is no value of its own. */
  readonly absent?: string
  /** Its value is never repeated. */
  readonly secret?: boolean
}

/** A setting as it is read, helped with and documented; its bounds and default stand here and nowhere else. */
export type Described =
  | (Common & WholeNumber & { readonly kind: "whole" })
  | (Common & { readonly kind: "choice"; readonly choices: ReadonlyArray<string>; readonly otherwise: string })
  | (Common & { readonly kind: "text"; readonly right: string; readonly otherwise: string | null })

interface WholeNumber {
  readonly variable: string
  readonly flag?: string
  readonly minimum: number
  readonly maximum: number
  readonly otherwise: number
  readonly unit?: string
}

/** The text of a described setting. */
export const textOf = (given: Given, setting: Described) => find(given, setting.variable, setting.flag)

/** A setting's text and the name under which it was given; undefined when it was not, or is empty. */
export const find = (
  given: Given,
  variable: string,
  flag?: string
): { readonly text: string; readonly name: string } | undefined => {
  const fromFlag = flag === undefined ? undefined : given.flags[flag]
  if (fromFlag !== undefined) return { text: fromFlag.trim(), name: `--${flag}` }
  const fromEnv = given.env[variable]?.trim()
  // An empty variable is how shells and compose files say "not set".
  return fromEnv === undefined || fromEnv === "" ? undefined : { text: fromEnv, name: variable }
}

/** `name` must be what `right` says. `shown` is null for secrets, which are not repeated. */
export const invalid = (name: string, right: string, shown: string | null): SettingInvalid =>
  new SettingInvalid({
    setting: name,
    message: `${name}: must be ${right}${shown === null ? "" : `, not ${JSON.stringify(shown)}`}`
  })

/** A whole number from `minimum` to `maximum`. Throws `SettingInvalid`. */
export const wholeNumber = (given: Given, setting: WholeNumber): number => {
  const found = find(given, setting.variable, setting.flag)
  if (found === undefined) return setting.otherwise
  const value = Number(found.text)
  if (/^\d+$/.test(found.text) && value >= setting.minimum && value <= setting.maximum) return value
  const unit = setting.unit === undefined ? "" : ` of ${setting.unit}`
  throw invalid(found.name, `a whole number${unit} from ${setting.minimum} to ${setting.maximum}`, found.text)
}

/** One of the words that the setting knows. Throws `SettingInvalid`. */
export const choice = <const Word extends string>(
  given: Given,
  setting: { readonly variable: string; readonly choices: ReadonlyArray<Word>; readonly otherwise: Word }
): Word => {
  const found = find(given, setting.variable)
  if (found === undefined) return setting.otherwise
  const word = setting.choices.find((known) => known === found.text)
  if (word !== undefined) return word
  throw invalid(found.name, setting.choices.join(" or "), found.text)
}
