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
  Effect.gen(function* () {
    const links = (yield* StepLinks)(stepId)
    const attributes = {
      "kintsugi.run.id": run.runId,
      "kintsugi.workflow": run.workflow,
      "kintsugi.step.id": stepId,
      "kintsugi.attempt": number
    }
    return yield* executed.pipe(
      Effect.flatMap((outcome) => (outcome.ok ? Effect.succeed(outcome) : ended(outcome))),
      Trace.span(`step ${run.workflow}/${stepId}`, { attributes, links }),
      Effect.catch(({ outcome }: Failed<A>) => Effect.succeed(outcome))
    )
  }).pipe(Effect.annotateLogs({ stepId, workflow: run.workflow, attempt: number })) as Effect.Effect<A, never, R>

const ended = <A extends Outcome>(outcome: A) =>
  Effect.gen(function* () {
    const { class: failureClass, code, message } = (outcome as Outcome & { readonly ok: false }).failure
    yield* Effect.annotateCurrentSpan({ "kintsugi.failure.class": failureClass, "kintsugi.failure.code": code })
    return yield* Effect.fail(new Failed(message, outcome))
  })
