import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { FindingKind } from "../../domain/integrity/Finding.ts"
import { AssetId, commandHeaders, done, mayReason, minPosition, one, optionalBody, page } from "./Fields.ts"
import { Authorization, BodyRules, RequestRules } from "./Guards.ts"
import { CheckRequest, Findings, Integrity, Repair } from "./IntegritySchemas.ts"
import { KeyReusedProblem, ProjectionBehindProblem, UnavailableProblem } from "./Problems.ts"

export class IntegrityApi extends HttpApiGroup.make("integrity")
  .add(
    HttpApiEndpoint.post("requestCheck", "/checks", {
      headers: commandHeaders,
      payload: optionalBody(CheckRequest),
      success: done(Integrity).pipe(HttpApiSchema.status(202)),
      error: [KeyReusedProblem, UnavailableProblem]
    })
      .middleware(BodyRules)
      .annotate(OpenApi.Description, "Asks for a check of what is declared. One that waits already is enough for all."),
    HttpApiEndpoint.get("listFindings", "/findings", {
      query: { kind: Schema.optionalKey(FindingKind), assetId: Schema.optionalKey(AssetId), ...page, ...minPosition },
      success: Findings,
      error: [ProjectionBehindProblem, UnavailableProblem]
    }).annotate(
      OpenApi.Description,
      "What the last checks have found, by asset and partition. It looks into no store and asks for no check."
    ),
    HttpApiEndpoint.post("recoverFindings", "/recover", {
      headers: commandHeaders,
      payload: mayReason,
      success: [done(Repair).pipe(HttpApiSchema.status(202)), one(Repair)],
      error: [KeyReusedProblem, UnavailableProblem]
    })
      .middleware(BodyRules)
      .annotate(
        OpenApi.Description,
        "Checks, then asks for the recovery of everything that can be recovered. 200: everything is in order."
      )
  )
  .middleware(RequestRules)
  .middleware(Authorization)
  .prefix("/api/v1/integrity")
  .annotateMerge(
    OpenApi.annotations({ title: "Integrity", description: "Whether what is declared is there, and its repair." })
  ) {}
