import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { itemsMax, listLimitMax, locationsMax } from "../../domain/Provenance.ts"
import { AssetId, commandHeaders, Count, IsoTime, Nullable, one, Text } from "./Fields.ts"
import { Authorization, BodyRules, RequestRules } from "./Guards.ts"
import { KeyReusedProblem, NotFoundProblem, UnavailableProblem } from "./Problems.ts"

const Place = Schema.Struct({ store: Text(200), key: Text(1_024) })

const between = (maximum: number) => ({ message: `must have 1 to ${maximum} entries` })

const Item = Schema.Struct({
  partitionKey: Schema.optionalKey(Schema.String),
  locations: Schema.NonEmptyArray(Place).check(Schema.isMaxLength(locationsMax, between(locationsMax))),
  workflow: Schema.optionalKey(Text(300)),
  parameters: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json)),
  producedAt: Schema.optionalKey(IsoTime)
})

/** `recorded` in a dry run: it would be. */
const ItemResult = Schema.Struct({
  partitionKey: Nullable,
  status: Schema.Literals(["recorded", "present", "skipped"]),
  reason: Nullable,
  generation: Schema.NullOr(Schema.Int)
}).annotate({ identifier: "ProvenanceResult" })

const StoredObject = Schema.Struct({ key: Schema.String, bytes: Schema.Int }).annotate({ identifier: "StoredObject" })

export class ProvenanceApi extends HttpApiGroup.make("provenance")
  .add(
    HttpApiEndpoint.post("recordProvenance", "/assets/:assetId/provenance", {
      params: { assetId: AssetId },
      headers: commandHeaders,
      payload: Schema.Struct({
        items: Schema.NonEmptyArray(Item).check(Schema.isMaxLength(itemsMax, between(itemsMax))),
        dryRun: Schema.optionalKey(Schema.Boolean),
        /** Items whose partition key is none of the asset's are skipped and named; otherwise they are a 400. */
        skipUnfit: Schema.optionalKey(Schema.Boolean)
      }),
      success: Schema.Struct({
        data: Schema.Struct({ dryRun: Schema.Boolean, results: Schema.Array(ItemResult) }),
        position: Nullable
      }),
      error: [NotFoundProblem, KeyReusedProblem, UnavailableProblem]
    })
      .middleware(BodyRules)
      .annotate(
        OpenApi.Description,
        "Notes objects that were there before as the first generation of their partitions. The same bytes are recorded once, whatever the Idempotency-Key; a key that recorded something is refused with another body (422)."
      ),
    HttpApiEndpoint.get("listObjects", "/stores/:store/objects", {
      params: { store: Text(200) },
      query: { prefix: Schema.optionalKey(Text(1_024)), limit: Schema.optionalKey(Count(1, listLimitMax)) },
      success: one(Schema.Struct({ objects: Schema.Array(StoredObject), truncated: Schema.Boolean })),
      error: [NotFoundProblem, UnavailableProblem]
    }).annotate(OpenApi.Description, "The first objects of a store in its own order; `truncated`: there are more.")
  )
  .middleware(RequestRules)
  .middleware(Authorization)
  .prefix("/api/v1")
  .annotateMerge(
    OpenApi.annotations({ title: "Provenance", description: "Assets that existed before anything ran here." })
  ) {}
