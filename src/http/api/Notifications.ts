import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { commandHeaders, list, minPosition, noInput, Nullable, one, open, page, Text } from "./Fields.ts"
import { Authorization, BodyRules, RequestRules } from "./Guards.ts"
import { NotFoundProblem, ProjectionBehindProblem, UnavailableProblem } from "./Problems.ts"

export const Notification = open({
  id: Schema.String,
  kind: Schema.String,
  message: Schema.String,
  at: Schema.String,
  readAt: Nullable
}).annotate({ identifier: "Notification" })
export type Notification = typeof Notification.Type

export class NotificationsApi extends HttpApiGroup.make("notifications")
  .add(
    HttpApiEndpoint.get("listNotifications", "/", {
      query: { unread: Schema.optionalKey(Schema.Literals(["true", "false"])), ...page, ...minPosition },
      success: list(Notification),
      error: [ProjectionBehindProblem, UnavailableProblem]
    }),
    HttpApiEndpoint.post("markRead", "/:id/read", {
      params: { id: Text(300) },
      headers: commandHeaders,
      payload: noInput,
      success: one(Notification).pipe(HttpApiSchema.status(200)),
      error: [NotFoundProblem, UnavailableProblem]
    }).middleware(BodyRules)
  )
  .middleware(RequestRules)
  .middleware(Authorization)
  .prefix("/api/v1/notifications")
  .annotateMerge(OpenApi.annotations({ title: "Notifications", description: "What a person should know." })) {}
