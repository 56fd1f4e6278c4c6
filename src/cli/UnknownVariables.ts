import * as Catalogue from "./SettingCatalogue.ts"
import type { Given } from "./SettingText.ts"

const prefix = "KINTSUGI_"
const known = Catalogue.groups
  .flatMap(({ settings }) => Object.values(settings))
  .map(({ variable }) => variable)
  .filter((variable) => variable.startsWith(prefix))

/**
 * One line about the variables that are named as ours and that nothing reads, with the setting that may have been
 * meant; null: there is none. No refusal: an app may have variables of its own, for its secrets.
 */
export const notice = ({ env }: Given): string | null => {
  const unknown = Object.entries(env)
    .filter(([name, text]) => name.startsWith(prefix) && !known.includes(name) && (text ?? "").trim() !== "")
    .map(([name]) => name)
    .sort()
  if (unknown.length === 0) return null
  const told = unknown.map((name) => {
    const near = nearest(name)
    return near === null ? name : `${name} (did you mean ${near}?)`
  })
  return `no setting is named so, and what it says is not heeded: ${told.join(", ")}; docs/CONFIGURATION.md lists them all`
}

/** Beyond as many edits, per character of the name without its prefix, it is another word. */
const editsPerCharacter = 0.4

const nearest = (name: string): string | null => {
  const [first] = known
    .map((variable) => ({ variable, edits: editsBetween(name, variable) }))
    .sort((left, right) => left.edits - right.edits)
  return first !== undefined && first.edits <= (name.length - prefix.length) * editsPerCharacter ? first.variable : null
}

/** Characters to insert, remove or replace between two names (Levenshtein). */
const editsBetween = (left: string, right: string): number => {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (const [index, letter] of [...left].entries()) {
    const next = [index + 1]
    for (let column = 1; column <= right.length; column++) {
      const replaced = row[column - 1]! + (letter === right[column - 1] ? 0 : 1)
      next.push(Math.min(replaced, row[column]! + 1, next[column - 1]! + 1))
    }
    row = next
  }
  return row[right.length]!
}
