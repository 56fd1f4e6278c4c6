import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { commandHeaders, done, mayReason, optionalBody, Reason, Text, WrittenReason } from "./Fields.ts"
import { Authorization, BodyRules, RequestRules } from "./Guards.ts"
import {
  ForbiddenProblem,
  IllegalTransitionProblem,
  KeyReusedProblem,
  NotFoundProblem,
  StaleInputsProblem,
  UnavailableProblem
} from "./Problems.ts"
import { Recovery } from "./RecoverySchemas.ts"
import { Run } from "./RunSchemas.ts"
import { Workflow } from "./Workflows.ts"

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

const commandedWorkflow = done(Workflow).pipe(HttpApiSchema.status(202))
const commandedRecovery = done(Recovery).pipe(HttpApiSchema.status(202))
const refusedWorkflow = [NotFoundProblem, KeyReusedProblem, UnavailableProblem] as const

/** What operators do to runs beside canceling and recovering them. */
export class SteeringApi extends HttpApiGroup.make("steering")
  .add(
    HttpApiEndpoint.post("retryStep", "/runs/:id/steps/:stepId/retry", {
      params: stepOfRun,
      headers: commandHeaders,
      payload: mayReason,
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
        reason: Schema.optionalKey(Reason),
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
      ),
    HttpApiEndpoint.post("replayRun", "/runs/:id/replay", {
      params: run,
      headers: commandHeaders,
      payload: optionalBody(
        Schema.Struct({ allowStale: Schema.optionalKey(Schema.Boolean), reason: Schema.optionalKey(Reason) })
      ),
      success: commanded,
      error: [NotFoundProblem, StaleInputsProblem, KeyReusedProblem, UnavailableProblem]
    })
      .middleware(BodyRules)
      .annotate(
        OpenApi.Description,
        "A new run of the same version with the same parameters; 409 where an input has a newer generation, unless allowStale."
      ),
    HttpApiEndpoint.post("forkRun", "/runs/:id/fork", {
      params: run,
      headers: commandHeaders,
      payload: Schema.Struct({ fromStep: Text(300), reason: Schema.optionalKey(Reason) }),
      success: commanded,
      error: [NotFoundProblem, KeyReusedProblem, UnavailableProblem]
    })
      .middleware(BodyRules)
      .annotate(
        OpenApi.Description,
        "A new run that executes fromStep and what depends on it, and keeps the results of the other steps."
      ),
    HttpApiEndpoint.post("pauseRun", "/runs/:id/pause", {
      params: run,
      headers: commandHeaders,
      payload: mayReason,
      success: commanded,
      error: refused
    })
      .middleware(BodyRules)
      .annotate(
        OpenApi.Description,
        "No step of the run begins until it is resumed; attempts under way end and are recorded."
      ),
    HttpApiEndpoint.post("resumeRun", "/runs/:id/resume", {
      params: run,
      headers: commandHeaders,
      payload: mayReason,
      success: commanded,
      error: refused
    })
      .middleware(BodyRules)
      .annotate(OpenApi.Description, "The run goes on."),
    HttpApiEndpoint.post("pauseWorkflow", "/workflows/:slug/pause", {
      params: { slug: Text(300) },
      headers: commandHeaders,
      payload: mayReason,
      success: commandedWorkflow,
      error: refusedWorkflow
    })
      .middleware(BodyRules)
      .annotate(
        OpenApi.Description,
        "No run of the workflow begins a step until it is resumed; new runs are accepted and stay pending."
      ),
    HttpApiEndpoint.post("resumeWorkflow", "/workflows/:slug/resume", {
      params: { slug: Text(300) },
      headers: commandHeaders,
      payload: mayReason,
      success: commandedWorkflow,
      error: refusedWorkflow
    })
      .middleware(BodyRules)
      .annotate(OpenApi.Description, "The runs of the workflow go on."),
    HttpApiEndpoint.post("pauseRecovery", "/recoveries/:id/pause", {
      params: run,
      headers: commandHeaders,
      payload: mayReason,
      success: commandedRecovery,
      error: refused
    })
      .middleware(BodyRules)
      .annotate(OpenApi.Description, "The recovery begins no attempt until it is resumed; its waiters wait."),
    HttpApiEndpoint.post("resumeRecovery", "/recoveries/:id/resume", {
      params: run,
      headers: commandHeaders,
      payload: mayReason,
      success: commandedRecovery,
      error: refused
    })
      .middleware(BodyRules)
      .annotate(OpenApi.Description, "The recovery goes on.")
  )
  .middleware(RequestRules)
  .middleware(Authorization)
  .prefix("/api/v1")
  .annotateMerge(
    OpenApi.annotations({ title: "Steering", description: "What operators do about runs, workflows and recoveries." })
  ) {}
