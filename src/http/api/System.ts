import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Authorization, RequestRules } from "./Guards.ts"
import { NotReadyProblem } from "./Problems.ts"

/** Open to everybody: what an orchestrator asks, and the description of the API. */
export class SystemApi extends HttpApiGroup.make("system")
  .add(
    HttpApiEndpoint.get("live", "/livez", { success: Schema.Struct({ status: Schema.Literal("live") }) }),
    HttpApiEndpoint.get("ready", "/readyz", {
      success: Schema.Struct({ status: Schema.Literal("ready") }),
      error: NotReadyProblem
    }),
    HttpApiEndpoint.get("openApi", "/openapi.json", { success: Schema.Record(Schema.String, Schema.Unknown) }),
    HttpApiEndpoint.get("docs", "/docs", {
      success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/html; charset=utf-8" }))
    }).annotate(OpenApi.Description, "This description as a page for people.")
  )
  .annotateMerge(OpenApi.annotations({ title: "System", description: "Health, and this description." })) {}

export class MetricsApi extends HttpApiGroup.make("metrics")
  .add(
    HttpApiEndpoint.get("metrics", "/metrics", {
      success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/plain; version=0.0.4; charset=utf-8" }))
    })
  )
  .middleware(RequestRules)
  .middleware(Authorization)
  .annotateMerge(OpenApi.annotations({ title: "Metrics", description: "Prometheus text." })) {}
