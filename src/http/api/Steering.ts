import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { commandHeaders, done, noInput, Reason, Text } from "./Fields.ts"
import { Authorization, BodyRules, RequestRules } from "./Guards.ts"
import {
  ForbiddenProblem,
  IllegalTransitionProblem,
  KeyReusedProblem,
  NotFoundProblem,
  UnavailableProblem
} from "./Problems.ts"
import { Run } from "./RunSchemas.ts"

/** A reason that has to be given. */
const WrittenReason = Reason.check(Schema.isPattern(/\S/, { message: "must say why, in words" }))

const Checkpoint = Schema.Struct({
  /** What `restore` takes. */
  checkpoint: Schema.Int,
  /** The step that had just finished. */
  stepId: Schema.String,
  position: Schema.String,
  at: Schema.String
}).annotate({ identifier: "Checkpoint" })

const run = { id: Text(300) }
const stepOfRun = { id: Text(300), stepId: Text(300) }
const commanded = done(Run).pipe(HttpApiSchema.status(202))
const refused = [NotFoundProblem, IllegalTransitionProblem, KeyReusedProblem, UnavailableProblem] as const

/** What operators do to runs beside canceling and recovering them. */
export class SteeringApi extends HttpApiGroup.make("steering")
  .add(
    HttpApiEndpoint.post("retryStep", "/runs/:id/steps/:stepId/retry", {
      params: stepOfRun,
      headers: commandHeaders,
      payload: noInput,
      success: commanded,
      error: refused
    })
      .middleware(BodyRules)
      .annotate(
        OpenApi.Description,
        "A failed step of a failed run goes on in place with a fresh budget; a step that waits for its retry begins at once."
      ),
    HttpApiEndpoint.post("skipStep", "/runs/:id/steps/:stepId/skip", {
      params: stepOfRun,
      headers: commandHeaders,
      payload: Schema.Struct({
        reason: WrittenReason,
        /** Stands in for the step's own result. */
        result: Schema.optionalKey(Schema.Json),
        force: Schema.optionalKey(Schema.Boolean)
      }),
      success: commanded,
      error: [...refused, ForbiddenProblem]
    })
      .middleware(BodyRules)
      .annotate(
        OpenApi.Description,
        "Optional steps; any other step with `force`, which needs the role admin. An attempt under way is interrupted."
      ),
    HttpApiEndpoint.get("listCheckpoints", "/runs/:id/checkpoints", {
      params: run,
      success: Schema.Struct({ data: Schema.Array(Checkpoint) }),
      error: [NotFoundProblem, UnavailableProblem]
    }).annotate(OpenApi.Description, "Every point to which the run can be restored, oldest first."),
    HttpApiEndpoint.post("restoreRun", "/runs/:id/restore", {
      params: run,
      headers: commandHeaders,
      payload: Schema.Struct({
        checkpoint: Schema.Int.check(
          Schema.isBetween({ minimum: 1, maximum: 2 ** 31 - 1 }, { message: "must be a checkpoint of the run" })
        )
      }),
      success: commanded,
      error: refused
    })
      .middleware(BodyRules)
      .annotate(
        OpenApi.Description,
        "In place: what had finished by the checkpoint is kept, the rest is done again. Whatever the run's status is."
      )
  )
  .middleware(RequestRules)
  .middleware(Authorization)
  .prefix("/api/v1")
  .annotateMerge(OpenApi.annotations({ title: "Steering", description: "What operators do about runs." })) {}
