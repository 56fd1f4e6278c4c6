import type { ObjectRef } from "./RunEvents.ts"

/** Objects noted of one step; of more nothing is known after a restart. */
export const overwritingMax = 1_000

/**
 * By step: recorded objects that its attempts may have written over, until its outputs are recorded or what it left has
 * been moved aside. At most `overwritingMax` a step.
 */
export interface Overwriting {
  readonly [stepId: string]: ReadonlyArray<ObjectRef>
}

/** Those of the objects that the step has not noted, as far as there is room for them. */
export const fresh = (
  overwriting: Overwriting,
  stepId: string,
  objects: ReadonlyArray<ObjectRef>
): ReadonlyArray<ObjectRef> => {
  const known = overwriting[stepId] ?? []
  const names = new Set(known.map(({ key, store }) => `${store}/${key}`))
  return objects.filter(({ key, store }) => !names.has(`${store}/${key}`)).slice(0, overwritingMax - known.length)
}

export const note = (overwriting: Overwriting, stepId: string, objects: ReadonlyArray<ObjectRef>): Overwriting => ({
  ...overwriting,
  [stepId]: [...(overwriting[stepId] ?? []), ...fresh(overwriting, stepId, objects)]
})

/** Without what the step had noted; the same where that is nothing. */
export const settle = (overwriting: Overwriting, stepId: string): Overwriting => {
  if (!Object.hasOwn(overwriting, stepId)) return overwriting
  const { [stepId]: _, ...others } = overwriting
  return others
}
