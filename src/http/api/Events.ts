import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { categories, eventTypes } from "../../domain/Vocabulary.ts"
import { EventView } from "./EventSchema.ts"
import { Count, PositionText } from "./Fields.ts"
import { Authorization, RequestRules } from "./Guards.ts"
import { UnavailableProblem } from "./Problems.ts"

/** `after` is exclusive; `type` may be given more than once. */
const filters = {
  after: Schema.optionalKey(PositionText),
  category: Schema.optionalKey(Schema.Literals(categories)),
  type: Schema.optionalKey(Schema.Array(Schema.Literals(eventTypes)).check(Schema.isMaxLength(50)))
}

export class EventsApi extends HttpApiGroup.make("events")
  .add(
    HttpApiEndpoint.get("listEvents", "/", {
      query: { ...filters, limit: Schema.optionalKey(Count(1, 100_000)) },
      success: HttpApiSchema.StreamNdjson({ schema: EventView }),
      error: UnavailableProblem
    }).annotate(
      OpenApi.Description,
      "The log in order, one event a line; without `limit` up to the log's head as of the request."
    ),
    HttpApiEndpoint.get("streamEvents", "/stream", {
      query: filters,
      headers: { "last-event-id": Schema.optionalKey(PositionText) },
      success: HttpApiSchema.StreamSse({ data: EventView }),
      error: UnavailableProblem
    }).annotate(
      OpenApi.Description,
      "Server-sent events: `id` is the position, `event` the type. Begins after `Last-Event-ID` or `after`, else now."
    )
  )
  .middleware(RequestRules)
  .middleware(Authorization)
  .prefix("/api/v1/events")
  .annotateMerge(OpenApi.annotations({ title: "Events", description: "The log, which is the audit." })) {}
