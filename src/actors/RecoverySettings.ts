import { Context } from "effect"
import type { Definition } from "../domain/Definition.ts"
import { declaredId } from "../domain/FanOut.ts"

/** Whether recovery is on in this process (`KINTSUGI_RECOVERY`). */
export const RecoveryEnabled = Context.Reference<boolean>("kintsugi/actors/RecoveryEnabled", {
  defaultValue: () => true
})

/** The off switches of process, workflow and step together (F40). */
export const healsStep = (enabled: boolean, definition: Definition | null, stepId: string): boolean => {
  if (!enabled || definition?.recovery.enabled !== true) return false
  const declared = declaredId(stepId)
  return definition.steps.find(({ id }) => id === declared)?.recovery.enabled === true
}
