import { Effect, Result } from "effect"
import { parseDefinition } from "../domain/Definition.ts"
import * as WorkflowDefinition from "../domain/WorkflowDefinition.ts"
import * as EventCodec from "../eventstore/EventCodec.ts"
import { EventStore, type RecordedEvent } from "../eventstore/EventStore.ts"
import type { Behaviour } from "./Behaviour.ts"
import { Definitions } from "./Definitions.ts"
import { WorkflowPauses } from "./WorkflowPauses.ts"

const codec = EventCodec.make(WorkflowDefinition.Event, {})
export const decode = (recorded: RecordedEvent): WorkflowDefinition.Event => ({
  ...codec.decode(recorded),
  at: recorded.recordedAt
})

/** Takes one `WorkflowDefined` of the log into memory. */
const remember = (definitions: Definitions["Service"], event: WorkflowDefinition.Defined) => {
  const { definition: json, origin, slug, version } = event
  if (definitions.get(slug, version) !== undefined) return
  const parsed = parseDefinition(json, slug)
  // It was valid when it was put; a rule that is stricter now must not make its runs unreadable.
  if (Result.isFailure(parsed))
    throw new Error(`workflow ${slug} version ${version} in the log: ${parsed.failure.message}`)
  definitions.put({ slug, version, origin, json, definition: parsed.success, definedAt: event.at })
}

/** The WorkflowDefinition actor: every version of one workflow. What it records is in `Definitions` when it answers. */
export const make = Effect.gen(function* () {
  const definitions = yield* Definitions
  const pauses = yield* WorkflowPauses
  const behaviour: Behaviour<
    WorkflowDefinition.State,
    WorkflowDefinition.Command,
    WorkflowDefinition.Command,
    WorkflowDefinition.Event,
    WorkflowDefinition.Rejection,
    never
  > = {
    category: "workflow",
    decider: WorkflowDefinition.decider,
    encode: codec.encode,
    decode,
    stamp: (command, now) => ({ ...command, now }),
    creates: () => false,
    demands: () => [],
    key: () => "",
    isResident: () => false,
    activity: (demand) => demand,
    wakeAt: () => null,
    settled: (slug, state) => {
      // Read back after a fault it is empty for a moment, which says nothing.
      if (state.versions.length > 0) pauses.set(slug, state.paused)
      for (const version of state.versions) remember(definitions, version)
    }
  }
  return behaviour
})

/** Reads every definition of the log into memory: before anything that decodes a run. */
export const loadAll = Effect.gen(function* () {
  const log = yield* EventStore
  const definitions = yield* Definitions
  const pauses = yield* WorkflowPauses
  let after = null
  while (true) {
    const page: Effect.Success<ReturnType<typeof log.readAll>> = yield* log.readAll({
      after,
      limit: 500,
      category: "workflow"
    })
    for (const recorded of page.events) {
      const event = decode(recorded)
      if (event._tag === "WorkflowDefined") remember(definitions, event)
      else pauses.set(recorded.streamName.slice("workflow-".length), event._tag === "WorkflowPaused")
    }
    if (page.events.length < 500) return
    after = page.next
  }
})
