import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Kind, Severity } from "../../domain/Attention.ts"
import { AssetId, commandHeaders, done, IsoTime, list, minPosition, mayReason, Nullable, page, Text } from "./Fields.ts"
import { Authorization, BodyRules, RequestRules } from "./Guards.ts"
import { KeyReusedProblem, NotFoundProblem, ProjectionBehindProblem, UnavailableProblem } from "./Problems.ts"

const Ancestor = Schema.Struct({ assetId: Schema.String, partitionKey: Nullable, why: Schema.String })

/** What to do: in words, as a command line, and as the same request. */
const Action = Schema.Struct({
  text: Schema.String,
  command: Schema.String,
  request: Schema.Struct({
    method: Schema.Literals(["GET", "POST"]),
    path: Schema.String,
    body: Schema.optionalKey(Schema.Unknown)
  })
})

/** `count`: how often it has come up; `rootCause`: the ancestor that is to blame. */
export const AttentionItem = Schema.Struct({
  id: Schema.String,
  kind: Kind,
  severity: Severity,
  reasonCode: Schema.String,
  message: Schema.String,
  since: Schema.String,
  count: Schema.Int,
  workflow: Nullable,
  assetId: Nullable,
  partitionKey: Nullable,
  runId: Nullable,
  recoveryId: Nullable,
  stepId: Nullable,
  rootCause: Schema.NullOr(Ancestor),
  muted: Schema.NullOr(Schema.Struct({ until: Schema.String, reason: Schema.String, by: Nullable })),
  action: Action
}).annotate({ identifier: "AttentionItem" })
export type AttentionItem = typeof AttentionItem.Type

const path = { id: Text(300) }
const MuteReason = Schema.String.check(
  Schema.isPattern(/^(?=[\s\S]*\S)[\s\S]{1,2000}$/, { message: "must say why, in 1 to 2000 characters" })
)

export class AttentionApi extends HttpApiGroup.make("attention")
  .add(
    HttpApiEndpoint.get("listAttention", "/", {
      query: {
        kind: Schema.optionalKey(Kind),
        severity: Schema.optionalKey(Severity),
        reasonCode: Schema.optionalKey(Text(100)),
        workflow: Schema.optionalKey(Text(300)),
        assetId: Schema.optionalKey(AssetId),
        muted: Schema.optionalKey(Schema.Literals(["true", "false", "all"])),
        ...page,
        ...minPosition
      },
      success: list(AttentionItem),
      error: [ProjectionBehindProblem, UnavailableProblem]
    }).annotate(OpenApi.Description, "What needs a human now, newest first, each with what to do about it."),
    HttpApiEndpoint.post("muteAttention", "/:id/mute", {
      params: path,
      headers: commandHeaders,
      payload: Schema.Struct({ reason: MuteReason, until: IsoTime }),
      success: done(AttentionItem).pipe(HttpApiSchema.status(202)),
      error: [NotFoundProblem, KeyReusedProblem, UnavailableProblem]
    })
      .middleware(BodyRules)
      .annotate(
        OpenApi.Description,
        "Leaves it out of the list until then, at most 90 days; the log says who and why."
      ),
    HttpApiEndpoint.post("unmuteAttention", "/:id/unmute", {
      params: path,
      headers: commandHeaders,
      payload: mayReason,
      success: done(AttentionItem).pipe(HttpApiSchema.status(202)),
      error: [NotFoundProblem, KeyReusedProblem, UnavailableProblem]
    }).middleware(BodyRules)
  )
  .middleware(RequestRules)
  .middleware(Authorization)
  .prefix("/api/v1/admin/attention")
  .annotateMerge(OpenApi.annotations({ title: "Attention", description: "What needs a human." })) {}
