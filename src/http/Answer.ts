import { Duration, Effect, Fiber } from "effect"
import type { CommandReused, DefinedByApp, InvalidInput, NotFound, Unavailable } from "../actors/Engine.ts"
import type { IllegalRecoveryTransition } from "../domain/recovery/RecoveryDecide.ts"
import type { IllegalTransition } from "../domain/run/RunCommands.ts"
import type { LogUnavailable } from "../eventstore/EventStore.ts"
import type { InvalidCursor } from "../projections/Page.ts"
import type { BeforeHistory } from "../projections/QueueHealthHistory.ts"
import type { ProjectionBehind } from "../projections/ProjectionRunner.ts"
import {
  DefinedByAppProblem,
  IllegalTransitionProblem,
  InvalidInputProblem,
  KeyReusedProblem,
  NotFoundProblem,
  ProjectionBehindProblem,
  UnavailableProblem
} from "./api/Problems.ts"

/** How long a request waits for the engine or a read model. */
export const patience = Duration.seconds(10)

type Refusal =
  | InvalidInput
  | NotFound
  | DefinedByApp
  | CommandReused
  | Unavailable
  | IllegalTransition
  | IllegalRecoveryTransition
  | LogUnavailable
  | InvalidCursor
  | BeforeHistory
  | ProjectionBehind

type ProblemOf<E> = E extends InvalidInput | InvalidCursor | BeforeHistory
  ? InvalidInputProblem
  : E extends NotFound
    ? NotFoundProblem
    : E extends DefinedByApp
      ? DefinedByAppProblem
      : E extends CommandReused
        ? KeyReusedProblem
        : E extends IllegalTransition | IllegalRecoveryTransition
          ? IllegalTransitionProblem
          : E extends ProjectionBehind
            ? ProjectionBehindProblem
            : E extends Unavailable | LogUnavailable
              ? UnavailableProblem
              : never

/**
 * What the engine or a read model answers, as the API says it: refusals become problems, and after 10 s of silence the
 * request gives up with 503. A command that was given up on may still happen; its Idempotency-Key tells.
 */
export const answer = <A, E extends Refusal, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, ProblemOf<E> | UnavailableProblem, R> => answerWithin(patience, effect)

/** `answer` for what takes longer by its nature. */
export const answerWithin = <A, E extends Refusal, R>(
  limit: Duration.Duration,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, ProblemOf<E> | UnavailableProblem, R> => {
  const seconds = Duration.toSeconds(limit)
  return within(
    limit,
    effect,
    `there was no answer within ${seconds} seconds; a command may still be carried out`
  ).pipe(Effect.mapError((error) => (error instanceof UnavailableProblem ? error : (problemOf(error) as ProblemOf<E>))))
}

/**
 * Waits at most `limit`. The work is a fiber of its own, because an interruption waits for what cannot be interrupted
 * (a query to a server that hangs takes 5 s) and the caller's limit would not hold.
 */
export const within = <A, E, R>(
  limit: Duration.Duration,
  effect: Effect.Effect<A, E, R>,
  detail: string
): Effect.Effect<A, E | UnavailableProblem, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkDetach(Effect.interruptible(effect)), (fiber) =>
      restore(
        Fiber.join(fiber).pipe(
          Effect.timeoutOrElse({
            duration: limit,
            orElse: () => Effect.fail(new UnavailableProblem({ detail }))
          })
        )
      ).pipe(Effect.ensuring(Effect.sync(() => fiber.interruptUnsafe())))
    )
  )

const problemOf = (error: Refusal) => {
  switch (error._tag) {
    case "InvalidInput":
      return new InvalidInputProblem({
        detail: "The input is not valid; every fault is listed",
        errors: error.problems.map(({ message, path }) => ({ in: "body" as const, path, message }))
      })
    case "InvalidCursor":
      return new InvalidInputProblem({
        detail: "The cursor was not given out by this list",
        errors: [{ in: "query", path: "cursor", message: "must be the nextCursor of an answer of this list" }]
      })
    case "BeforeHistory": {
      const began = error.oldest === null ? "has no entry yet" : `begins at ${error.oldest}`
      return new InvalidInputProblem({
        detail: "There is nothing so old",
        errors: [{ in: "query", path: "at", message: `is before the history, which ${began}` }]
      })
    }
    case "NotFound":
      return new NotFoundProblem({
        detail: `There is no ${error.kind} ${JSON.stringify(error.id)}`,
        kind: error.kind,
        id: error.id
      })
    case "DefinedByApp":
      return new DefinedByAppProblem({
        detail: `The app module defines the workflow ${JSON.stringify(error.slug)}; change it there`,
        slug: error.slug
      })
    case "CommandReused":
      return new KeyReusedProblem({
        detail: "This Idempotency-Key came before with another body; use a new key for another command"
      })
    case "IllegalTransition":
    case "IllegalRecoveryTransition":
      return new IllegalTransitionProblem({
        detail: `${error.command} is not possible: the status is ${error.status}`,
        command: error.command,
        currentStatus: error.status
      })
    case "ProjectionBehind":
      return new ProjectionBehindProblem({
        detail:
          error.error === null
            ? `${error.projection} has not reached minPosition; it stands at ${error.position ?? "the start"}`
            : `${error.projection} has stopped and will not reach minPosition: ${error.error}`,
        minPosition: error.minPosition
      })
    case "Unavailable":
    case "LogUnavailable":
      return new UnavailableProblem({ detail: error.message })
  }
}
