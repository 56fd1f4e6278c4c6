import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Action, Target } from "../../domain/bulk/BulkEvents.ts"
import { Bulk, BulkPlan, BulkRequest, BulkStatus, BulkSummary } from "./BulkSchemas.ts"
import { At, commandHeaders, done, list, minPosition, one, optionalBody, page, Reason, Text } from "./Fields.ts"
import { Authorization, BodyRules, RequestRules } from "./Guards.ts"
import {
  IllegalTransitionProblem,
  KeyReusedProblem,
  NotFoundProblem,
  ProjectionBehindProblem,
  UnavailableProblem
} from "./Problems.ts"

const path = { id: Text(300) }

export class BulkApi extends HttpApiGroup.make("bulk")
  .add(
    HttpApiEndpoint.post("requestBulk", "/", {
      headers: commandHeaders,
      payload: BulkRequest,
      success: [done(Bulk).pipe(HttpApiSchema.status(202)), one(BulkPlan)],
      error: [KeyReusedProblem, UnavailableProblem]
    })
      .middleware(BodyRules)
      .annotate(
        OpenApi.Description,
        "Does one thing to each run or recovery that the filter matches, newest first. With `dryRun` nothing is done: 200 says what would be."
      ),
    HttpApiEndpoint.get("listBulks", "/", {
      query: {
        status: Schema.optionalKey(BulkStatus),
        target: Schema.optionalKey(Target),
        action: Schema.optionalKey(Action),
        ...page,
        ...minPosition
      },
      success: list(BulkSummary),
      error: [ProjectionBehindProblem, UnavailableProblem]
    }),
    HttpApiEndpoint.get("readBulk", "/:id", {
      params: path,
      query: { at: Schema.optionalKey(At) },
      success: one(Bulk),
      error: [NotFoundProblem, UnavailableProblem]
    }),
    HttpApiEndpoint.post("cancelBulk", "/:id/cancel", {
      params: path,
      headers: commandHeaders,
      payload: optionalBody(Schema.Struct({ reason: Schema.optionalKey(Reason) })),
      success: done(Bulk).pipe(HttpApiSchema.status(202)),
      error: [NotFoundProblem, IllegalTransitionProblem, KeyReusedProblem, UnavailableProblem]
    }).middleware(BodyRules)
  )
  .middleware(RequestRules)
  .middleware(Authorization)
  .prefix("/api/v1/bulk")
  .annotateMerge(
    OpenApi.annotations({ title: "Bulk", description: "One command for many runs or recoveries, and its progress." })
  ) {}
