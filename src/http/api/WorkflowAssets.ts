import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import {
  Asset,
  AutomaticPage,
  Generation,
  GenerationDiff,
  PartitionParameters,
  PartitionsPage,
  WorkflowAsset
} from "./AssetSchemas.ts"
import { AssetId, commandHeaders, Count, done, list, minPosition, one, page, PartitionKey, Text } from "./Fields.ts"
import { Authorization, BodyRules, RequestRules } from "./Guards.ts"
import { KeyReusedProblem, NotFoundProblem, ProjectionBehindProblem, UnavailableProblem } from "./Problems.ts"

const workflow = { slug: Text(300) }
const asset = { ...workflow, assetId: AssetId }
const partition = { ...asset, key: PartitionKey }
const generationMax = 1_000_000_000
const Generations = Count(1, generationMax)
const reads = [NotFoundProblem, ProjectionBehindProblem, UnavailableProblem] as const
const commands = [NotFoundProblem, KeyReusedProblem, UnavailableProblem] as const

const Note = Schema.String.check(
  Schema.isMinLength(1, { message: "must say why" }),
  Schema.isMaxLength(2000, { message: "must have at most 2000 characters" })
)

const StaleNote = Schema.Struct({ note: Note })
const StoredParameters = Schema.Struct({ parameters: Schema.Record(Schema.String, Schema.Json) })

export class WorkflowAssetsApi extends HttpApiGroup.make("workflowAssets")
  .add(
    HttpApiEndpoint.get("workflowAssets", "/:slug/assets", {
      params: workflow,
      query: { ...page, ...minPosition },
      success: list(WorkflowAsset),
      error: reads
    }),
    HttpApiEndpoint.get("assetHistory", "/:slug/assets/:assetId/history", {
      params: asset,
      query: { partitionKey: Schema.optionalKey(PartitionKey), ...page, ...minPosition },
      success: list(Generation),
      error: reads
    }).annotate(
      OpenApi.Description,
      "Every generation with its provenance, newest first; of all partitions, or of one."
    ),
    HttpApiEndpoint.get("generationDiff", "/:slug/assets/:assetId/history/:generation/diff", {
      params: { ...asset, generation: Generations },
      query: { with: Schema.optionalKey(Generations), partitionKey: Schema.optionalKey(PartitionKey) },
      success: one(GenerationDiff),
      error: [NotFoundProblem, UnavailableProblem]
    }).annotate(OpenApi.Description, "What changed from generation `with` (default: the one before) to this one."),
    HttpApiEndpoint.get("assetPartitions", "/:slug/assets/:assetId/partitions", {
      params: asset,
      query: { ...page, ...minPosition },
      success: PartitionsPage,
      error: reads
    }).annotate(
      OpenApi.Description,
      "Declared, recorded and upcoming partitions: windows newest first, others by key."
    ),
    HttpApiEndpoint.get("autoMaterialize", "/:slug/auto-materialize", {
      params: workflow,
      query: { partitionKey: Schema.optionalKey(PartitionKey), ...page, ...minPosition },
      success: AutomaticPage,
      error: reads
    }).annotate(
      OpenApi.Description,
      "Automatic runs by partition, newest decision first, and why others did not start."
    ),
    HttpApiEndpoint.get("readParameters", "/:slug/assets/:assetId/parameters", {
      params: asset,
      success: one(PartitionParameters),
      error: [NotFoundProblem, UnavailableProblem]
    }).annotate(OpenApi.Description, "Of runs without a partition."),
    HttpApiEndpoint.put("setParameters", "/:slug/assets/:assetId/parameters", {
      params: asset,
      headers: commandHeaders,
      payload: StoredParameters,
      success: done(PartitionParameters).pipe(HttpApiSchema.status(202)),
      error: commands
    })
      .middleware(BodyRules)
      .annotate(OpenApi.Description, "Of runs without a partition: replaces what is stored; `{}` takes it away."),
    HttpApiEndpoint.post("markAssetStale", "/:slug/assets/:assetId/stale", {
      params: asset,
      headers: commandHeaders,
      payload: StaleNote,
      success: done(Asset).pipe(HttpApiSchema.status(202)),
      error: commands
    })
      .middleware(BodyRules)
      .annotate(OpenApi.Description, "Of an asset without partitions."),
    HttpApiEndpoint.delete("clearAssetStale", "/:slug/assets/:assetId/stale", {
      params: asset,
      success: done(Asset).pipe(HttpApiSchema.status(202)),
      error: commands
    }),
    HttpApiEndpoint.get("readPartitionParameters", "/:slug/assets/:assetId/partitions/:key/parameters", {
      params: partition,
      success: one(PartitionParameters),
      error: [NotFoundProblem, UnavailableProblem]
    }),
    HttpApiEndpoint.put("setPartitionParameters", "/:slug/assets/:assetId/partitions/:key/parameters", {
      params: partition,
      headers: commandHeaders,
      payload: StoredParameters,
      success: done(PartitionParameters).pipe(HttpApiSchema.status(202)),
      error: commands
    })
      .middleware(BodyRules)
      .annotate(OpenApi.Description, "Replaces what is stored for the partition; `{}` takes it away."),
    HttpApiEndpoint.post("markStale", "/:slug/assets/:assetId/partitions/:key/stale", {
      params: partition,
      headers: commandHeaders,
      payload: StaleNote,
      success: done(Asset).pipe(HttpApiSchema.status(202)),
      error: commands
    }).middleware(BodyRules),
    HttpApiEndpoint.delete("clearStale", "/:slug/assets/:assetId/partitions/:key/stale", {
      params: partition,
      success: done(Asset).pipe(HttpApiSchema.status(202)),
      error: commands
    })
  )
  .middleware(RequestRules)
  .middleware(Authorization)
  .prefix("/api/v1/workflows")
  .annotateMerge(
    OpenApi.annotations({ title: "Assets of a workflow", description: "History, partitions and automatic runs." })
  ) {}
