import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Backfill, BackfillPlan, BackfillRequest, BackfillStatus, BackfillSummary } from "./BackfillSchemas.ts"
import { At, commandHeaders, done, list, minPosition, mayReason, one, page, Text } from "./Fields.ts"
import { Authorization, BodyRules, RequestRules } from "./Guards.ts"
import {
  IllegalTransitionProblem,
  KeyReusedProblem,
  NotFoundProblem,
  ProjectionBehindProblem,
  UnavailableProblem
} from "./Problems.ts"

const path = { id: Text(300) }
const steering = [NotFoundProblem, IllegalTransitionProblem, KeyReusedProblem, UnavailableProblem] as const
const why = mayReason

export class BackfillsApi extends HttpApiGroup.make("backfills")
  .add(
    HttpApiEndpoint.post("requestBackfill", "/", {
      headers: commandHeaders,
      payload: BackfillRequest,
      success: [done(Backfill).pipe(HttpApiSchema.status(202)), one(BackfillPlan)],
      error: [NotFoundProblem, KeyReusedProblem, UnavailableProblem]
    })
      .middleware(BodyRules)
      .annotate(
        OpenApi.Description,
        "Runs the workflow once for each partition, a few at a time. With `dryRun` nothing starts: 200 says what would."
      ),
    HttpApiEndpoint.get("listBackfills", "/", {
      query: {
        status: Schema.optionalKey(BackfillStatus),
        workflow: Schema.optionalKey(Text(300)),
        ...page,
        ...minPosition
      },
      success: list(BackfillSummary),
      error: [ProjectionBehindProblem, UnavailableProblem]
    }),
    HttpApiEndpoint.get("readBackfill", "/:id", {
      params: path,
      query: { at: Schema.optionalKey(At) },
      success: one(Backfill),
      error: [NotFoundProblem, UnavailableProblem]
    }),
    HttpApiEndpoint.post("pauseBackfill", "/:id/pause", {
      params: path,
      headers: commandHeaders,
      payload: why,
      success: done(Backfill).pipe(HttpApiSchema.status(202)),
      error: steering
    }).middleware(BodyRules),
    HttpApiEndpoint.post("resumeBackfill", "/:id/resume", {
      params: path,
      headers: commandHeaders,
      payload: mayReason,
      success: done(Backfill).pipe(HttpApiSchema.status(202)),
      error: steering
    }).middleware(BodyRules),
    HttpApiEndpoint.post("cancelBackfill", "/:id/cancel", {
      params: path,
      headers: commandHeaders,
      payload: why,
      success: done(Backfill).pipe(HttpApiSchema.status(202)),
      error: steering
    }).middleware(BodyRules)
  )
  .middleware(RequestRules)
  .middleware(Authorization)
  .prefix("/api/v1/backfills")
  .annotateMerge(
    OpenApi.annotations({ title: "Backfills", description: "One run for each of many partitions, and their progress." })
  ) {}
