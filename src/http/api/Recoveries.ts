import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import {
  AssetId,
  At,
  commandHeaders,
  done,
  list,
  minPosition,
  one,
  mayReason,
  page,
  PartitionKey,
  Text
} from "./Fields.ts"
import { Authorization, BodyRules, RequestRules } from "./Guards.ts"
import {
  IllegalTransitionProblem,
  KeyReusedProblem,
  NotFoundProblem,
  ProjectionBehindProblem,
  UnavailableProblem
} from "./Problems.ts"
import { RecoveryChain } from "./RecoveryChain.ts"
import { Recovery, RecoveryPlan, RecoveryStatus, RecoverySummary } from "./RecoverySchemas.ts"

const path = { id: Text(300) }

/** What a list of recoveries can be narrowed to; asset ids are compared without case. */
export const recoveryFilters = {
  status: Schema.optionalKey(RecoveryStatus),
  assetId: Schema.optionalKey(AssetId)
}

export class RecoveriesApi extends HttpApiGroup.make("recoveries")
  .add(
    HttpApiEndpoint.get("listRecoveries", "/", {
      query: { ...recoveryFilters, ...page, ...minPosition },
      success: list(RecoverySummary),
      error: [ProjectionBehindProblem, UnavailableProblem]
    }),
    HttpApiEndpoint.get("readRecovery", "/:id", {
      params: path,
      query: { at: Schema.optionalKey(At) },
      success: one(Recovery),
      error: [NotFoundProblem, UnavailableProblem]
    }),
    HttpApiEndpoint.get("recoveryChain", "/:id/chain", {
      params: path,
      success: one(RecoveryChain),
      error: [NotFoundProblem, UnavailableProblem]
    }).annotate(
      OpenApi.Description,
      "Who waited, what was lost, who noticed, the root cause, what ran and what went on, each with position and time."
    ),
    HttpApiEndpoint.post("planRecovery", "/plan", {
      headers: commandHeaders,
      payload: Schema.Struct({ assetId: AssetId, partitionKey: Schema.optionalKey(PartitionKey) }),
      success: one(RecoveryPlan),
      error: [NotFoundProblem, UnavailableProblem]
    })
      .middleware(BodyRules)
      .annotate(OpenApi.Description, "A dry run: what would run, in which order, and why. Nothing is changed."),
    HttpApiEndpoint.post("retryRecovery", "/:id/retry", {
      params: path,
      headers: commandHeaders,
      payload: mayReason,
      success: done(Recovery).pipe(HttpApiSchema.status(202)),
      error: [NotFoundProblem, IllegalTransitionProblem, KeyReusedProblem, UnavailableProblem]
    }).middleware(BodyRules),
    HttpApiEndpoint.post("cancelRecovery", "/:id/cancel", {
      params: path,
      headers: commandHeaders,
      payload: mayReason,
      success: done(Recovery).pipe(HttpApiSchema.status(202)),
      error: [NotFoundProblem, IllegalTransitionProblem, KeyReusedProblem, UnavailableProblem]
    }).middleware(BodyRules)
  )
  .middleware(RequestRules)
  .middleware(Authorization)
  .prefix("/api/v1/recoveries")
  .annotateMerge(OpenApi.annotations({ title: "Recoveries", description: "How lost generations are brought back." })) {}
