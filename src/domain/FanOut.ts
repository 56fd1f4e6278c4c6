import type { StepDefinition } from "./Definition.ts"

/** How many items a fan-out may have, and how many of its children go on beside each other, when it does not say. */
export const limitDefault = 1_000
export const concurrencyDefault = 100

/** The id of a child: `<parent>[<index>]`. No id that a user writes has brackets. */
export const childId = (parent: string, index: number): string => `${parent}[${index}]`

const pattern = /^(.+)\[(\d+)\]$/

/** Whose child this is, and which; null of a step that is none. */
export const childOf = (stepId: string): { readonly parent: string; readonly index: number } | null => {
  // Asked of every step again and again: most ids end otherwise.
  if (!stepId.endsWith("]")) return null
  const match = pattern.exec(stepId)
  return match === null ? null : { parent: match[1]!, index: Number(match[2]) }
}

/** The id under which the definition has the step: of a child, its fan-out's. */
export const declaredId = (stepId: string): string => childOf(stepId)?.parent ?? stepId

/** What a child is, given its fan-out: a step that begins with it. */
export const childDefinition = (parent: StepDefinition, stepId: string): StepDefinition => {
  const { step: _, ...rest } = parent
  return { ...rest, id: stepId, type: parent.step?.type ?? "job" }
}

/** What templates of a child may name besides what those of every step may. */
export const itemContext = (
  { as }: Pick<StepDefinition, "as">,
  item: unknown,
  index: number
): { readonly [name: string]: unknown } => ({ item, index, ...(as === undefined ? {} : { [as]: item }) })
