import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { overlapMsMax } from "../../domain/AccessToken.ts"
import { Role } from "../../domain/Role.ts"
import {
  commandHeaders,
  done,
  IsoTime,
  list,
  minPosition,
  Nullable,
  one,
  optionalBody,
  page,
  Reason,
  Text
} from "./Fields.ts"
import { Authorization, BodyRules, RequestRules, RequiredRole } from "./Guards.ts"
import {
  IllegalTransitionProblem,
  KeyReusedProblem,
  NotFoundProblem,
  ProjectionBehindProblem,
  UnavailableProblem
} from "./Problems.ts"

const fields = {
  id: Schema.String,
  name: Schema.String,
  role: Role,
  prefix: Schema.String.annotate({ description: "The first characters of the secret" }),
  status: Schema.Literals(["active", "expired", "revoked"]),
  expiresAt: Nullable,
  previousUntil: Nullable.annotate({ description: "Until when the secret before the last rotation is taken" }),
  createdAt: Schema.String,
  createdBy: Schema.String,
  rotatedAt: Nullable,
  revokedAt: Nullable,
  revokedBy: Nullable,
  lastUsedAt: Nullable
}
const Token = Schema.Struct(fields).annotate({ identifier: "Token" })
const TokenWithSecret = Schema.Struct({
  ...fields,
  token: Nullable.annotate({
    description: "The secret, this once. Null when the command repeats one that was answered: rotate for a new one"
  })
}).annotate({ identifier: "TokenWithSecret" })

const path = { id: Text(300) }
const overlapMessage = `must be a whole number of milliseconds from 0 to ${overlapMsMax}`

export class TokensApi extends HttpApiGroup.make("tokens")
  .add(
    HttpApiEndpoint.post("issueToken", "/", {
      headers: commandHeaders,
      payload: Schema.Struct({
        role: Role.annotate({ message: "must be viewer, operator or admin" }),
        name: Text(200),
        expiresAt: Schema.optionalKey(Schema.NullOr(IsoTime))
      }),
      success: done(TokenWithSecret).pipe(HttpApiSchema.status(202)),
      error: [KeyReusedProblem, UnavailableProblem]
    }).middleware(BodyRules),
    HttpApiEndpoint.get("listTokens", "/", {
      query: { ...page, ...minPosition },
      success: list(Token),
      error: [ProjectionBehindProblem, UnavailableProblem]
    }),
    HttpApiEndpoint.get("readToken", "/:id", {
      params: path,
      success: one(Token),
      error: [NotFoundProblem, UnavailableProblem]
    }),
    HttpApiEndpoint.post("rotateToken", "/:id/rotate", {
      params: path,
      headers: commandHeaders,
      payload: optionalBody(
        Schema.Struct({
          overlapMs: Schema.optionalKey(
            Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: overlapMsMax }, { message: overlapMessage }))
          ),
          expiresAt: Schema.optionalKey(Schema.NullOr(IsoTime))
        })
      ),
      success: done(TokenWithSecret).pipe(HttpApiSchema.status(202)),
      error: [NotFoundProblem, IllegalTransitionProblem, KeyReusedProblem, UnavailableProblem]
    })
      .middleware(BodyRules)
      .annotate(
        OpenApi.Description,
        "A new secret. The one before ends at once, or after `overlapMs` (at most a day). `expiresAt` moves the end."
      ),
    HttpApiEndpoint.delete("revokeToken", "/:id", {
      params: path,
      headers: commandHeaders,
      query: { reason: Schema.optionalKey(Reason) },
      success: done(Token).pipe(HttpApiSchema.status(202)),
      error: [NotFoundProblem, KeyReusedProblem, UnavailableProblem]
    }).annotate(OpenApi.Description, "Ends every secret of the token at once. Again, it changes nothing.")
  )
  .annotateEndpoints(RequiredRole, "admin")
  .middleware(RequestRules)
  .middleware(Authorization)
  .prefix("/api/v1/admin/tokens")
  .annotateMerge(
    OpenApi.annotations({
      title: "Tokens",
      description: "API tokens: who may speak to this server, and what they may do."
    })
  ) {}
