import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { commandHeaders, done, list, mayReason, minPosition, one, optionalBody, page, Reason, Text } from "./Fields.ts"
import { Authorization, BodyRules, RequestRules, RequiredRole } from "./Guards.ts"
import {
  DefinedByAppProblem,
  IllegalTransitionProblem,
  KeyReusedProblem,
  NotFoundProblem,
  ProjectionBehindProblem,
  UnavailableProblem
} from "./Problems.ts"
import { Recovered } from "./Runs.ts"
import { Run } from "./RunSchemas.ts"

export const Workflow = Schema.Struct({
  slug: Schema.String,
  version: Schema.Int,
  origin: Schema.Literals(["app", "http"]),
  /** As it was put. */
  definition: Schema.Unknown,
  definedAt: Schema.String,
  /** No run of it begins a step. */
  paused: Schema.Boolean
}).annotate({ identifier: "Workflow" })

const path = { slug: Text(300) }

export class WorkflowsApi extends HttpApiGroup.make("workflows")
  .add(
    HttpApiEndpoint.get("listWorkflows", "/", {
      query: { ...page, ...minPosition },
      success: list(Workflow),
      error: [ProjectionBehindProblem, UnavailableProblem]
    }),
    HttpApiEndpoint.get("readWorkflow", "/:slug", { params: path, success: one(Workflow), error: NotFoundProblem }),
    HttpApiEndpoint.put("define", "/:slug", {
      params: path,
      headers: commandHeaders,
      payload: Schema.Unknown.annotate({ description: "A workflow definition" }),
      success: [done(Workflow), done(Workflow).pipe(HttpApiSchema.status(201))],
      error: [DefinedByAppProblem, KeyReusedProblem, UnavailableProblem]
    })
      .middleware(BodyRules)
      .annotate(RequiredRole, "admin"),
    HttpApiEndpoint.post("startRun", "/:slug/run", {
      params: path,
      headers: commandHeaders,
      payload: optionalBody(
        Schema.Struct({
          parameters: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)),
          partitionKey: Schema.optionalKey(Schema.String),
          runKey: Schema.optionalKey(Text(120)),
          triggeredBy: Schema.optionalKey(Text(200)),
          reason: Schema.optionalKey(Reason)
        })
      ),
      success: done(Run).pipe(HttpApiSchema.status(202)),
      error: [NotFoundProblem, KeyReusedProblem, UnavailableProblem]
    }).middleware(BodyRules),
    HttpApiEndpoint.post("recoverRunAlias", "/:runId/recover", {
      params: { runId: Text(300) },
      headers: commandHeaders,
      payload: mayReason,
      success: Recovered.pipe(HttpApiSchema.status(202)),
      error: [NotFoundProblem, IllegalTransitionProblem, KeyReusedProblem, UnavailableProblem]
    })
      .middleware(BodyRules)
      .annotate(OpenApi.Description, "The same as POST /api/v1/runs/{id}/recover.")
  )
  .middleware(RequestRules)
  .middleware(Authorization)
  .prefix("/api/v1/workflows")
  .annotateMerge(
    OpenApi.annotations({ title: "Workflows", description: "Define workflows and start runs of them." })
  ) {}
