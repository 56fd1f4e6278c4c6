import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { RunSteering } from "../actors/RunSteering.ts"
import { StaleInputs } from "../actors/RunCopies.ts"
import { NotOptional } from "../domain/run/RunCommands.ts"
import { shownPartition } from "../domain/run/RunView.ts"
import { answer } from "./Answer.ts"
import { Api } from "./api/Api.ts"
import { mayAct, Principal, PrincipalRole } from "./api/Guards.ts"
import { ForbiddenProblem, InvalidInputProblem, StaleInputsProblem } from "./api/Problems.ts"
import { callerOf, type CommandRequest } from "./Command.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "steering",
  Effect.fnUntraced(function* (handlers) {
    const steering = yield* RunSteering

    const caller = (route: string, ids: ReadonlyArray<string>, headers: CommandRequest["headers"], body: unknown) =>
      Effect.map(Principal, (principal) => callerOf({ principal, route: `POST ${route}`, ids, headers, body }))
    const told = <E, R>(steered: Effect.Effect<Effect.Success<ReturnType<RunSteering["Service"]["restore"]>>, E, R>) =>
      Effect.map(steered, ({ position, run }) => ({ data: run, position }))

    return handlers.handleAll({
      retryStep: Effect.fnUntraced(function* ({ headers, params: { id, stepId }, payload }) {
        const by = yield* caller("/runs/{id}/steps/{stepId}/retry", [id, stepId], headers, payload)
        return yield* told(answer(steering.retryStep(id, stepId, by)))
      }),

      skipStep: Effect.fnUntraced(function* ({ headers, params: { id, stepId }, payload }) {
        const role = yield* PrincipalRole
        const forbidden = (detail: string) => new ForbiddenProblem({ detail, requiredRole: "admin", role })
        if (payload.force === true && !mayAct(role, "admin")) {
          return yield* forbidden("To skip with force needs the role admin")
        }
        const by = yield* caller("/runs/{id}/steps/{stepId}/skip", [id, stepId], headers, payload)
        const skipped = Effect.catch(steering.skipStep(id, stepId, payload, by), (refusal) =>
          refusal instanceof NotOptional ? Effect.succeed(refusal) : Effect.fail(refusal)
        )
        const outcome = yield* answer(skipped)
        if (!(outcome instanceof NotOptional)) return { data: outcome.run, position: outcome.position }
        const detail = `The step ${JSON.stringify(stepId)} is not optional: only an admin skips it, with force`
        if (!mayAct(role, "admin")) return yield* forbidden(detail)
        const message = "must be true to skip a step that is not optional"
        return yield* new InvalidInputProblem({ detail, errors: [{ in: "body", path: "force", message }] })
      }),

      listCheckpoints: ({ params: { id } }) => Effect.map(answer(steering.checkpoints(id)), (data) => ({ data })),

      restoreRun: Effect.fnUntraced(function* ({ headers, params: { id }, payload }) {
        const by = yield* caller("/runs/{id}/restore", [id], headers, payload)
        return yield* told(answer(steering.restore(id, payload.checkpoint, by)))
      }),

      replayRun: Effect.fnUntraced(function* ({ headers, params: { id }, payload }) {
        const by = yield* caller("/runs/{id}/replay", [id], headers, payload)
        const replayed = Effect.catchTag(
          steering.replay(id, payload?.allowStale ?? false, by),
          "StaleInputs",
          (stale) => Effect.succeed(stale)
        )
        const outcome = yield* answer(replayed)
        if (!(outcome instanceof StaleInputs)) return { data: outcome.run, position: outcome.position }
        return yield* new StaleInputsProblem({
          detail: "Inputs of the run have newer generations now; send allowStale to replay it with them",
          inputs: outcome.inputs.map(({ partitionKey, ...input }) => ({
            ...input,
            partitionKey: shownPartition(partitionKey)
          }))
        })
      }),
      forkRun: Effect.fnUntraced(function* ({ headers, params: { id }, payload }) {
        const by = yield* caller("/runs/{id}/fork", [id], headers, payload)
        return yield* told(answer(steering.fork(id, payload.fromStep, by)))
      }),

      pauseRun: Effect.fnUntraced(function* ({ headers, params: { id }, payload }) {
        const by = yield* caller("/runs/{id}/pause", [id], headers, payload)
        return yield* told(answer(steering.pauseRun(id, payload?.reason ?? "", by)))
      }),
      resumeRun: Effect.fnUntraced(function* ({ headers, params: { id }, payload }) {
        const by = yield* caller("/runs/{id}/resume", [id], headers, payload)
        return yield* told(answer(steering.resumeRun(id, by)))
      }),

      pauseWorkflow: Effect.fnUntraced(function* ({ headers, params: { slug }, payload }) {
        const by = yield* caller("/workflows/{slug}/pause", [slug], headers, payload)
        const { position, workflow } = yield* answer(steering.pauseWorkflow(slug, payload?.reason ?? "", by))
        return { data: workflow, position }
      }),
      resumeWorkflow: Effect.fnUntraced(function* ({ headers, params: { slug }, payload }) {
        const by = yield* caller("/workflows/{slug}/resume", [slug], headers, payload)
        const { position, workflow } = yield* answer(steering.resumeWorkflow(slug, by))
        return { data: workflow, position }
      }),

      pauseRecovery: Effect.fnUntraced(function* ({ headers, params: { id }, payload }) {
        const by = yield* caller("/recoveries/{id}/pause", [id], headers, payload)
        const { position, recovery } = yield* answer(steering.pauseRecovery(id, payload?.reason ?? "", by))
        return { data: recovery, position }
      }),
      resumeRecovery: Effect.fnUntraced(function* ({ headers, params: { id }, payload }) {
        const by = yield* caller("/recoveries/{id}/resume", [id], headers, payload)
        const { position, recovery } = yield* answer(steering.resumeRecovery(id, by))
        return { data: recovery, position }
      })
    })
  })
)
