import { HttpApi, OpenApi } from "effect/http-api"
import { AdminApi } from "./Admin.ts"
import { AnnouncementsApi } from "./Announcements.ts"
import { AttentionApi } from "./Attention.ts"
import { AssetsApi } from "./Assets.ts"
import { BackfillsApi } from "./Backfills.ts"
import { BulkApi } from "./Bulk.ts"
import { DeadLettersApi } from "./DeadLetters.ts"
import { DeliveriesApi } from "./Deliveries.ts"
import { EventsApi } from "./Events.ts"
import { IntegrityApi } from "./Integrity.ts"
import { NotificationsApi } from "./Notifications.ts"
import { ProjectionsApi } from "./Projections.ts"
import { ProvenanceApi } from "./Provenance.ts"
import { RecoveriesApi } from "./Recoveries.ts"
import { RedactionsApi } from "./Redactions.ts"
import { RunsApi } from "./Runs.ts"
import { TokensApi } from "./Tokens.ts"
import { SteeringApi } from "./Steering.ts"
import { MetricsApi, SystemApi } from "./System.ts"
import { WorkflowAssetsApi } from "./WorkflowAssets.ts"
import { WorkflowsApi } from "./Workflows.ts"

/** The whole API as a value: routes, schemas and errors. The server, the OpenAPI document and clients come from it. */
export class Api extends HttpApi.make("kintsugi")
  .add(WorkflowsApi, RunsApi, RecoveriesApi, AdminApi, NotificationsApi, EventsApi, MetricsApi, SystemApi)
  .add(AssetsApi, WorkflowAssetsApi, AnnouncementsApi, BackfillsApi, ProvenanceApi, DeadLettersApi, TokensApi)
  .add(ProjectionsApi, RedactionsApi, SteeringApi, BulkApi, AttentionApi, DeliveriesApi, IntegrityApi)
  // Every fault is listed, and what nobody knows is refused: a misspelled field must not be ignored.
  .annotate(HttpApi.ParseOptions, { errors: "all", onExcessProperty: "error" })
  .annotate(HttpApi.HeadersParseOptions, { errors: "all" })
  .annotate(HttpApi.SuccessParseOptions, {})
  .annotate(HttpApi.ErrorParseOptions, {})
  .annotateMerge(
    OpenApi.annotations({
      title: "Kintsugi",
      version: "1",
      description:
        "Self-healing data workflows. Errors are RFC 9457 problems (`application/problem+json`) with a stable `code`."
    })
  ) {}
