import * as AccessToken from "./AccessToken.ts"
import * as Asset from "./Asset.ts"
import * as Attention from "./Attention.ts"
import * as BackfillEvents from "./backfill/BackfillEvents.ts"
import * as BulkEvents from "./bulk/BulkEvents.ts"
import * as DeadLetter from "./DeadLetter.ts"
import * as Delivery from "./Delivery.ts"
import * as IntegrityEvents from "./integrity/IntegrityEvents.ts"
import * as Limit from "./Limit.ts"
import * as LogRoot from "./LogRoot.ts"
import * as MaterializationEvents from "./materialization/MaterializationEvents.ts"
import * as PartitionKeys from "./PartitionKeys.ts"
import * as PartitionParameters from "./PartitionParameters.ts"
import * as ProjectionSteering from "./ProjectionSteering.ts"
import * as RecoveryEvents from "./recovery/RecoveryEvents.ts"
import * as Redaction from "./Redaction.ts"
import * as RunEvents from "./run/RunEvents.ts"
import * as RunKey from "./RunKey.ts"
import * as StoreMark from "./StoreMark.ts"
import * as WorkflowDefinition from "./WorkflowDefinition.ts"
import * as WorkflowSchedule from "./WorkflowSchedule.ts"

/** The events of each category of streams; a stream's name is `<category>-<id>`. */
const unions = {
  workflow: WorkflowDefinition.Event,
  run: RunEvents.Event,
  asset: Asset.Event,
  recovery: RecoveryEvents.Event,
  runkey: RunKey.Event,
  limit: Limit.Event,
  materialization: MaterializationEvents.Event,
  partition: PartitionParameters.Event,
  keys: PartitionKeys.Event,
  schedule: WorkflowSchedule.Event,
  store: StoreMark.Event,
  backfill: BackfillEvents.Event,
  bulk: BulkEvents.Event,
  token: AccessToken.Event,
  projection: ProjectionSteering.Event,
  log: LogRoot.Event,
  redaction: Redaction.Event,
  attention: Attention.Event,
  deadletter: DeadLetter.Event,
  delivery: Delivery.Event,
  integrity: IntegrityEvents.Event
}

/** Every category of streams. */
export const categories = Object.keys(unions) as ReadonlyArray<keyof typeof unions>

/** Every type of event that this program knows, each once. */
export const eventTypes: ReadonlyArray<string> = [
  ...new Set(Object.values(unions).flatMap(({ cases }) => Object.keys(cases)))
]
