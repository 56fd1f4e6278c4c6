import { DateTime } from "effect"
import type { DefinedVersion } from "./Definitions.ts"
import type { WorkflowView } from "./Engine.ts"
import type { WorkflowPauses } from "./WorkflowPauses.ts"

/** The public Workflow of CONTRACT, section 4. */
export const workflowView = (
  { definedAt, json, origin, slug, version }: DefinedVersion,
  pauses: WorkflowPauses["Service"]
): WorkflowView => ({
  slug,
  version,
  origin,
  definition: json,
  definedAt: DateTime.formatIso(DateTime.makeUnsafe(definedAt)),
  paused: pauses.isPaused(slug)
})
