import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { RunDiff } from "./AssetSchemas.ts"
import { EventView } from "./EventSchema.ts"
import {
  At,
  commandHeaders,
  done,
  IsoTime,
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
import { Run, RunStatus, RunSummary, TriggerType } from "./RunSchemas.ts"

/** `kept` and `rerun` name the run's steps. */
export const Recovered = Schema.Struct({
  data: Run,
  kept: Schema.Array(Schema.String),
  rerun: Schema.Array(Schema.String),
  position: Schema.String
})

/** What a list of runs can be narrowed to. `from` (inclusive) and `to` (exclusive) are times of creation. */
export const runFilters = {
  workflow: Schema.optionalKey(Text(300)),
  status: Schema.optionalKey(RunStatus),
  trigger: Schema.optionalKey(TriggerType),
  partitionKey: Schema.optionalKey(PartitionKey),
  from: Schema.optionalKey(IsoTime),
  to: Schema.optionalKey(IsoTime)
}

const path = { id: Text(300) }

export class RunsApi extends HttpApiGroup.make("runs")
  .add(
    HttpApiEndpoint.get("listRuns", "/", {
      query: { ...runFilters, ...page, ...minPosition },
      success: list(RunSummary),
      error: [ProjectionBehindProblem, UnavailableProblem]
    }),
    HttpApiEndpoint.get("readRun", "/:id", {
      params: path,
      query: { at: Schema.optionalKey(At) },
      success: one(Run),
      error: [NotFoundProblem, UnavailableProblem]
    }),
    HttpApiEndpoint.get("runEvents", "/:id/events", {
      params: path,
      query: { ...page, ...minPosition },
      success: list(EventView),
      error: [NotFoundProblem, ProjectionBehindProblem, UnavailableProblem]
    }),
    HttpApiEndpoint.get("runDiff", "/:id/diff", {
      params: path,
      query: { with: Text(300) },
      success: one(RunDiff),
      error: [NotFoundProblem, UnavailableProblem]
    }).annotate(OpenApi.Description, "What differs in this run from run `with`."),
    HttpApiEndpoint.post("cancelRun", "/:id/cancel", {
      params: path,
      headers: commandHeaders,
      payload: mayReason,
      success: done(Run).pipe(HttpApiSchema.status(202)),
      error: [NotFoundProblem, IllegalTransitionProblem, KeyReusedProblem, UnavailableProblem]
    }).middleware(BodyRules),
    HttpApiEndpoint.post("recoverRun", "/:id/recover", {
      params: path,
      headers: commandHeaders,
      payload: mayReason,
      success: Recovered.pipe(HttpApiSchema.status(202)),
      error: [NotFoundProblem, IllegalTransitionProblem, KeyReusedProblem, UnavailableProblem]
    }).middleware(BodyRules)
  )
  .middleware(RequestRules)
  .middleware(Authorization)
  .prefix("/api/v1/runs")
  .annotateMerge(
    OpenApi.annotations({ title: "Runs", description: "What was started, how far it is, and its events." })
  ) {}
