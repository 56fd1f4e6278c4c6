import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { AnnouncedLocation, locationsMax, sourceFault } from "../../bus/Announcement.ts"
import { Freshness } from "../../domain/Definition.ts"
import { AssetId, commandHeaders, done, IsoTime, optionalBody, PartitionKey, Text } from "./Fields.ts"
import { Authorization, BodyRules, RequestRules } from "./Guards.ts"
import { KeyReusedProblem, UnavailableProblem } from "./Problems.ts"

const tooMany = `must list at most ${locationsMax} objects`

/** What another system says that it made. `eventId`: its own id of this; a second one with the same is the first. */
const Produced = Schema.Struct({
  partitionKey: Schema.optionalKey(PartitionKey),
  producedAt: Schema.optionalKey(IsoTime),
  payload: Schema.optionalKey(Schema.Unknown),
  locations: Schema.optionalKey(
    Schema.Array(AnnouncedLocation).check(Schema.isMaxLength(locationsMax, { message: tooMany }))
  ),
  source: Schema.optionalKey(Text(1_000).check(Schema.makeFilter((source: string) => sourceFault(source) ?? true))),
  eventId: Schema.optionalKey(Text(1_000)),
  freshness: Schema.optionalKey(Freshness)
})

/** The generation that it was recorded as. */
const Recorded = Schema.Struct({
  assetId: Schema.String,
  partitionKey: Schema.NullOr(Schema.String),
  generation: Schema.Int
}).annotate({ identifier: "RecordedProduction" })

export class AnnouncementsApi extends HttpApiGroup.make("announcements")
  .add(
    HttpApiEndpoint.post("announceProduction", "/:assetId/produced", {
      params: { assetId: AssetId },
      headers: commandHeaders,
      payload: optionalBody(Produced),
      success: done(Recorded).pipe(HttpApiSchema.status(202)),
      error: [KeyReusedProblem, UnavailableProblem]
    }).middleware(BodyRules)
  )
  .middleware(RequestRules)
  .middleware(Authorization)
  .prefix("/api/v1/assets")
  .annotateMerge(
    OpenApi.annotations({
      title: "Announcements",
      description: "Productions of other systems: recorded on the asset, and an update to whoever consumes it."
    })
  ) {}
