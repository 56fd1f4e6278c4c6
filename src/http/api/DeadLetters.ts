import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { commandHeaders, done, list, minPosition, optionalBody, page, Reason, Text } from "./Fields.ts"
import { Authorization, BodyRules, RequestRules } from "./Guards.ts"
import {
  IllegalTransitionProblem,
  KeyReusedProblem,
  NotFoundProblem,
  ProjectionBehindProblem,
  UnavailableProblem
} from "./Problems.ts"

/** An event that a group of the bus, or the inbound stream, could not handle; `event` as it was received. */
const DeadLetter = Schema.Struct({
  id: Schema.String,
  group: Schema.String,
  event: Schema.String,
  reason: Schema.String,
  path: Schema.String,
  at: Schema.String
}).annotate({ identifier: "DeadLetter" })

const Settled = Schema.Struct({ id: Schema.String, status: Schema.Literals(["retried", "discarded"]) })

const refusals = [NotFoundProblem, IllegalTransitionProblem, KeyReusedProblem, UnavailableProblem] as const

const id = { id: Text(100) }

export class DeadLettersApi extends HttpApiGroup.make("deadLetters")
  .add(
    HttpApiEndpoint.get("listDeadLetters", "/", {
      query: { ...page, ...minPosition },
      success: list(DeadLetter),
      error: [ProjectionBehindProblem, UnavailableProblem]
    }),
    HttpApiEndpoint.post("retryDeadLetter", "/:id/retry", {
      params: id,
      headers: commandHeaders,
      payload: optionalBody(Schema.Struct({ reason: Schema.optionalKey(Reason) })),
      success: done(Settled).pipe(HttpApiSchema.status(202)),
      error: refusals
    }).middleware(BodyRules),
    HttpApiEndpoint.post("discardDeadLetter", "/:id/discard", {
      params: id,
      headers: commandHeaders,
      payload: Schema.Struct({ reason: Reason }),
      success: done(Settled).pipe(HttpApiSchema.status(202)),
      error: refusals
    }).middleware(BodyRules)
  )
  .middleware(RequestRules)
  .middleware(Authorization)
  .prefix("/api/v1/bus/dead-letters")
  .annotateMerge(
    OpenApi.annotations({ title: "Dead letters", description: "What the event bus could not hand over, newest first." })
  ) {}
