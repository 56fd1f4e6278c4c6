import { Result } from "effect"
import { isSameKey } from "./Id.ts"
import * as Template from "./Template.ts"

/** A cache: what a template names follows from its text. */
const namings = new Map<string, Naming>()
/** How many templates are remembered. */
const namingsMax = 10_000

/** What a `consumes[].partitionKey` names: the run's key, one key for all runs, text around the run's key, or anything. */
export type Naming =
  | { readonly _tag: "RunKey" }
  | { readonly _tag: "Constant"; readonly key: string }
  | { readonly _tag: "Around"; readonly prefix: string; readonly suffix: string }
  | { readonly _tag: "Other" }

/** What can be said about a template without a run. */
export const naming = (template: string): Naming => {
  const known = namings.get(template)
  if (known !== undefined) return known
  if (namings.size >= namingsMax) namings.clear()
  const made = readNaming(template)
  namings.set(template, made)
  return made
}

/** The run's key in a key of that form, at least one character, or undefined. */
export const inside = (
  { prefix, suffix }: Extract<Naming, { readonly _tag: "Around" }>,
  key: string
): string | undefined => {
  if (key.length <= prefix.length + suffix.length) return undefined
  const end = key.length - suffix.length
  return isSameKey(key.slice(0, prefix.length), prefix) && isSameKey(key.slice(end), suffix)
    ? key.slice(prefix.length, end)
    : undefined
}

const readNaming = (template: string): Naming => {
  const parts = Result.getOrElse(Template.parse(template), () => undefined)
  if (parts === undefined) return { _tag: "Other" }
  let prefix = ""
  let suffix: string | undefined
  for (const part of parts) {
    if (typeof part === "string" || part._tag === "Literal") {
      const text = typeof part === "string" ? part : part.value
      if (suffix === undefined) prefix += text
      else suffix += text
    } else if (suffix !== undefined || part.segments.join(".") !== "run.partitionKey" || part.segments.length !== 2) {
      return { _tag: "Other" }
    } else suffix = ""
  }
  if (suffix === undefined) return { _tag: "Constant", key: prefix }
  return prefix === "" && suffix === "" ? { _tag: "RunKey" } : { _tag: "Around", prefix, suffix }
}
