import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { Asset, AssetSummary, Lineage, PartitionState } from "./AssetSchemas.ts"
import { AssetId, At, Count, list, minPosition, one, page, PartitionKey, Text } from "./Fields.ts"
import { Authorization, RequestRules } from "./Guards.ts"
import { NotFoundProblem, ProjectionBehindProblem, UnavailableProblem } from "./Problems.ts"

/** How far from asset to asset lineage is followed when the request does not say, and at most. */
export const depthDefault = 5
const depthMax = 100

export class AssetsApi extends HttpApiGroup.make("assets")
  .add(
    HttpApiEndpoint.get("listAssets", "/assets", {
      query: {
        workflow: Schema.optionalKey(Text(300)),
        assetId: Schema.optionalKey(AssetId),
        state: Schema.optionalKey(PartitionState),
        ...page,
        ...minPosition
      },
      success: list(AssetSummary),
      error: [ProjectionBehindProblem, UnavailableProblem]
    }),
    HttpApiEndpoint.get("readAsset", "/assets/:assetId", {
      params: { assetId: AssetId },
      query: { partitionKey: Schema.optionalKey(PartitionKey), at: Schema.optionalKey(At) },
      success: one(Asset),
      error: [NotFoundProblem, UnavailableProblem]
    }),
    HttpApiEndpoint.get("lineage", "/lineage", {
      query: {
        assetId: Schema.optionalKey(AssetId),
        partitionKey: Schema.optionalKey(PartitionKey),
        direction: Schema.optionalKey(Schema.Literals(["up", "down", "both"])),
        depth: Schema.optionalKey(Count(0, depthMax)),
        ...minPosition
      },
      success: one(Lineage),
      error: [NotFoundProblem, ProjectionBehindProblem, UnavailableProblem]
    }).annotate(
      OpenApi.Description,
      "Assets and workflows around an asset (all of them without `assetId`), at most `depth` assets away, with their " +
        "states; with `partitionKey` also everything that is made of that partition."
    )
  )
  .middleware(RequestRules)
  .middleware(Authorization)
  .prefix("/api/v1")
  .annotateMerge(
    OpenApi.annotations({ title: "Assets", description: "What was produced, and how it hangs together." })
  ) {}
