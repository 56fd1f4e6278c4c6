import { Result } from "effect"
import type { StepDefinition } from "../Definition.ts"
import type { Failure } from "../Failure.ts"
import { limitDefault } from "../FanOut.ts"
import * as Template from "../Template.ts"
import * as RunChildren from "./RunChildren.ts"
import type { Event } from "./RunEvents.ts"
import { evolve, hasFailed, type State, step, unblockedSteps } from "./RunState.ts"
import { templateContext } from "./RunTemplates.ts"

/** Largest collection that is fanned out, and largest result of all children together, in bytes of UTF-8 JSON. */
export const fanOutBytesMax = 256 * 1024

/**
 * What fan-outs do by themselves, whatever led to it: one whose dependencies have finished is expanded to its children;
 * one whose children have all succeeded succeeds with their results; one of whose children has failed fails once none
 * of the others executes. A child that waits finishes nothing (T14). Answers the events and the state after them.
 */
export const settle = (state: State, now: number): { readonly events: ReadonlyArray<Event>; readonly state: State } => {
  const events: Array<Event> = []
  let current = state
  // An expansion to no children ends at once, and what depends on it may be a fan-out too.
  while (true) {
    const more = nextEvents(current, now)
    if (more.length === 0) return { events, state: current }
    events.push(...more)
    current = more.reduce(evolve, current)
  }
}

const nextEvents = (state: State, now: number): ReadonlyArray<Event> => {
  if (state.ended !== null || state.definition === null) return []
  const fanOuts = state.definition.steps.filter(({ type }) => type === "fanOut")
  if (fanOuts.length === 0) return []
  const ends = fanOuts.flatMap(({ id }) => (step(state, id).status === "expanded" ? end(state, id, now) : []))
  if (ends.length > 0 || state.paused !== undefined || hasFailed(state)) return ends
  return unblockedSteps(state).flatMap((definition) =>
    definition.type === "fanOut" ? [expand(state, definition, now)] : []
  )
}

const failed = (state: State, stepId: string, failure: Failure, at: number): Event => ({
  _tag: "StepFailed",
  stepId,
  attempt: step(state, stepId).attempt,
  failure,
  final: true,
  at
})

const expand = (state: State, definition: StepDefinition, now: number): Event => {
  const { id, limit = limitDefault, over = "" } = definition
  const fail = (code: string, message: string) => failed(state, id, { class: "permanent", code, message }, now)
  const rendered = Template.render(over, templateContext(state), `steps.${id}.over`)
  if (Result.isFailure(rendered)) return fail("template_unresolved", rendered.failure.message)
  const items = rendered.success
  if (!Array.isArray(items)) {
    return fail("fan_out_not_a_list", `over of step ${id} must be a list, not ${described(items)}`)
  }
  if (items.length > limit) {
    return fail("fan_out_limit", `over of step ${id} has ${items.length} items, more than its limit of ${limit}`)
  }
  const bytes = Buffer.byteLength(JSON.stringify(items))
  if (bytes > fanOutBytesMax) {
    return fail("fan_out_too_large", `over of step ${id} is ${bytes} bytes of JSON, more than ${fanOutBytesMax}`)
  }
  return { _tag: "StepExpanded", stepId: id, attempt: step(state, id).attempt + 1, items, at: now }
}

const described = (value: unknown): string => {
  if (value === null) return "null"
  return typeof value === "object" ? "an object" : `${typeof value} ${JSON.stringify(value).slice(0, 100)}`
}

const end = (state: State, stepId: string, now: number): ReadonlyArray<Event> => {
  const { attempt, children } = step(state, stepId)
  if (children === undefined) return []
  // The result of what still executes counts: it is kept when the run is recovered.
  if (RunChildren.count(children, "executing", "recording") > 0) return []
  const [broken] = RunChildren.withStatus(children, ["failed"], 1)
  if (broken !== undefined) {
    const failure = step(state, broken).failure ?? {
      class: "permanent",
      code: "unknown",
      message: "it is not known why"
    }
    return [failed(state, stepId, { ...failure, message: `${broken} failed: ${failure.message}` }, now)]
  }
  if (RunChildren.count(children, "succeeded", "skipped") < children.ids.length) return []
  const result = [...RunChildren.entries(children)].map(([, child]) => child.result ?? null)
  const bytes = Buffer.byteLength(JSON.stringify(result))
  if (bytes <= fanOutBytesMax) return [{ _tag: "StepSucceeded", stepId, attempt, result, at: now }]
  const message = `the results of the ${children.ids.length} children of step ${stepId} are ${bytes} bytes of JSON, more than ${fanOutBytesMax}: let each answer less, or write an asset`
  return [failed(state, stepId, { class: "permanent", code: "result_too_large", message }, now)]
}
