import { Effect } from "effect"
import type { Failure } from "../domain/Failure.ts"
import type { State } from "../domain/run/RunState.ts"
import * as Trace from "../eventstore/Trace.ts"
import { StepFailed, StepLinks } from "./ActorTrace.ts"

type Outcome = { readonly ok: true } | { readonly ok: false; readonly failure: Failure }

/** Carries an outcome that is no success through the span, which so ends as an error. */
class Failed<A> extends StepFailed {
  readonly outcome: A
  constructor(message: string, outcome: A) {
    super(message)
    this.outcome = outcome
  }
}

/** One execution of a step as a span of its run's trace, with the run, the step and the attempt on its log lines. */
export const attempt = <A extends Outcome, R>(
  run: State,
  stepId: string,
  number: number,
  executed: Effect.Effect<A, never, R>
): Effect.Effect<A, never, R> =>
  Effect.flatMap(StepLinks, (linksOf) => {
    const attributes = {
      "kintsugi.run.id": run.runId,
      "kintsugi.workflow": run.workflow,
      "kintsugi.step.id": stepId,
      "kintsugi.attempt": number
    }
    return executed.pipe(
      Effect.flatMap((outcome) => (outcome.ok ? Effect.succeed(outcome) : ended(outcome))),
      Trace.span(`step ${run.workflow}/${stepId}`, { attributes, links: linksOf(stepId) }),
      Effect.catch(({ outcome }: Failed<A>) => Effect.succeed(outcome))
    )
  }).pipe(Effect.annotateLogs({ stepId, workflow: run.workflow, attempt: number })) as Effect.Effect<A, never, R>

const ended = <A extends Outcome>(outcome: A) => {
  const { class: failureClass, code, message } = (outcome as Outcome & { readonly ok: false }).failure
  return Effect.andThen(
    Effect.annotateCurrentSpan({ "kintsugi.failure.class": failureClass, "kintsugi.failure.code": code }),
    Effect.fail(new Failed(message, outcome))
  )
}
