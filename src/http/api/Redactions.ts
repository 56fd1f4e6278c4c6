import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { commandHeaders, done, Reason, Text } from "./Fields.ts"
import { Authorization, BodyRules, RequestRules, RequiredRole } from "./Guards.ts"
import { IllegalTransitionProblem, KeyReusedProblem, NotFoundProblem, UnavailableProblem } from "./Problems.ts"

const Pointer = Schema.String.check(
  Schema.isPattern(/^(?:\/(?:[^~/]|~[01]){0,500}){1,50}$/, {
    message: "must be a JSON pointer, such as /parameters/key"
  })
)
const pointersMessage = "must have 1 to 100 JSON pointers"

const Redacted = Schema.Struct({
  stream: Schema.String,
  version: Schema.Int,
  type: Schema.String,
  payloadHash: Schema.String.annotate({ description: "SHA-256 of the payload as it was written: the chain covers it" }),
  redactedHash: Schema.String,
  projections: Schema.Array(Schema.String).annotate({ description: "Read models that are built anew now" })
}).annotate({ identifier: "Redacted" })

export class RedactionsApi extends HttpApiGroup.make("redactions")
  .add(
    HttpApiEndpoint.post("redact", "/redact", {
      headers: commandHeaders,
      payload: Schema.Struct({
        stream: Text(500),
        version: Schema.Int.check(
          Schema.isBetween(
            { minimum: 1, maximum: 2_147_483_647 },
            { message: "must be a version: a whole number from 1" }
          )
        ),
        pointers: Schema.Array(Pointer).check(
          Schema.isMinLength(1, { message: pointersMessage }),
          Schema.isMaxLength(100, { message: pointersMessage })
        ),
        reason: Reason.check(Schema.isMinLength(1, { message: "must say why, in 1 to 2000 characters" }))
      }),
      success: done(Redacted).pipe(HttpApiSchema.status(202)),
      error: [NotFoundProblem, IllegalTransitionProblem, KeyReusedProblem, UnavailableProblem]
    })
      .middleware(BodyRules)
      .annotate(RequiredRole, "admin")
      .annotate(
        OpenApi.Description,
        "Takes values out of an event's payload for good. The hash chain holds, and the log says who did it and why."
      )
  )
  .middleware(RequestRules)
  .middleware(Authorization)
  .prefix("/api/v1/admin")
  .annotateMerge(OpenApi.annotations({ title: "Redaction", description: "Values that should not be in the log." })) {}
