import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { commandHeaders, done, list, mayReason, minPosition, Nullable, open, page, Text } from "./Fields.ts"
import { Authorization, BodyRules, RequestRules } from "./Guards.ts"
import {
  IllegalTransitionProblem,
  KeyReusedProblem,
  NotFoundProblem,
  ProjectionBehindProblem,
  UnavailableProblem
} from "./Problems.ts"

const Status = Schema.Literals(["pending", "delivered", "digested", "dead"])

/** One message of one channel; `dead`: it was given up. */
export const Delivery = open({
  id: Schema.String,
  channel: Schema.String,
  status: Status,
  attempts: Schema.Int,
  error: Nullable,
  dueAt: Nullable,
  createdAt: Schema.String,
  finishedAt: Nullable
}).annotate({ identifier: "Delivery" })

export class DeliveriesApi extends HttpApiGroup.make("deliveries")
  .add(
    HttpApiEndpoint.get("listDeliveries", "/", {
      query: { status: Schema.optionalKey(Status), channel: Schema.optionalKey(Text(63)), ...page, ...minPosition },
      success: list(Delivery),
      error: [ProjectionBehindProblem, UnavailableProblem]
    }),
    HttpApiEndpoint.post("retryDelivery", "/:id/retry", {
      params: { id: Text(300) },
      headers: commandHeaders,
      payload: mayReason,
      success: done(Delivery).pipe(HttpApiSchema.status(202)),
      error: [NotFoundProblem, IllegalTransitionProblem, KeyReusedProblem, UnavailableProblem]
    })
      .middleware(BodyRules)
      .annotate(OpenApi.Description, "Sends a dead letter once more.")
  )
  .middleware(RequestRules)
  .middleware(Authorization)
  .prefix("/api/v1/notifications/deliveries")
  .annotateMerge(OpenApi.annotations({ title: "Deliveries", description: "What went out to webhooks and e-mail." })) {}
