import { Schema } from "effect"
import { Nullable, open } from "./Fields.ts"

/** `recovering`: a Recovery of it is in progress; `not_materialized`: never produced. */
export const PartitionState = Schema.Literals([
  "materialized",
  "missing",
  "stale",
  "expired",
  "recovering",
  "not_materialized"
])

/** Partitions by state. */
export const PartitionCounts = Schema.Struct({
  materialized: Schema.Int,
  missing: Schema.Int,
  stale: Schema.Int,
  expired: Schema.Int,
  recovering: Schema.Int,
  not_materialized: Schema.Int
}).annotate({ identifier: "PartitionCounts" })

const status = {
  assetId: Schema.String,
  partitionKey: Nullable,
  state: PartitionState,
  /** 0: never produced. */
  generation: Schema.Int,
  generations: Schema.Int,
  missing: Schema.NullOr(Schema.Literals(["missing", "corrupt"])),
  missingSince: Nullable,
  expiresAt: Nullable,
  expiredAt: Nullable,
  staleSince: Nullable,
  staleNote: Nullable
}

/** One asset partition as lists show it, with who made its current generation. `source`: who announced it. */
export const AssetSummary = Schema.Struct({
  ...status,
  workflow: Nullable,
  version: Schema.NullOr(Schema.Int),
  stepId: Nullable,
  runId: Nullable,
  runPartitionKey: Nullable,
  source: Nullable,
  producedAt: Nullable,
  firstProducedAt: Nullable,
  restored: Schema.Boolean
}).annotate({ identifier: "AssetSummary" })

/** One production with its provenance: who made it, from what, with which parameters. */
export const Generation = open({
  assetId: Schema.String,
  partitionKey: Nullable,
  generation: Schema.Int,
  workflow: Schema.String,
  version: Schema.Int,
  stepId: Schema.String,
  runId: Schema.String,
  runPartitionKey: Nullable,
  attempt: Schema.Int,
  parameters: Schema.Record(Schema.String, Schema.Unknown),
  producedAt: Nullable,
  payload: Schema.Unknown,
  locations: Schema.Array(Schema.Unknown),
  inputs: Schema.Array(open({ assetId: Schema.String, partitionKey: Nullable, generation: Schema.Int })),
  restored: Schema.Boolean,
  contentChanged: Schema.Boolean,
  /** In the history: when a restore of its run superseded the execution that made it; null: none did. */
  supersededAt: Schema.optionalKey(Nullable)
}).annotate({ identifier: "Generation" })

/** A probe of the store; `unknown`: it did not answer within 5 s. A probe is given again for 5 s. */
export const Availability = Schema.Struct({
  status: Schema.Literals(["present", "missing", "never", "unavailable", "unknown"]),
  checkedAt: Schema.String,
  message: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "Availability" })

/** An asset partition from its own stream; `available` is null for what was (`at`). */
export const Asset = open({
  ...status,
  latest: Schema.NullOr(Generation),
  streamVersion: Schema.Int,
  available: Schema.optionalKey(Schema.NullOr(Availability))
}).annotate({ identifier: "Asset" })

/** An asset that a workflow makes or uses, over all of its partitions; `steps` of the workflow's newest version. */
export const WorkflowAsset = Schema.Struct({
  assetId: Schema.String,
  producedBy: Schema.Array(Schema.String),
  consumedBy: Schema.Array(Schema.String),
  partitioning: Schema.Unknown,
  freshness: Schema.Unknown,
  autoMaterialize: Schema.Unknown,
  producedAt: Nullable,
  counts: PartitionCounts
}).annotate({ identifier: "WorkflowAsset" })

/** `declared`: the asset has the partition now; `upcoming`: its window has not begun; `recorded`: null if nothing is. */
export const Partition = Schema.Struct({
  partitionKey: Nullable,
  state: PartitionState,
  declared: Schema.Boolean,
  upcoming: Schema.Boolean,
  latestRun: Schema.NullOr(Schema.Struct({ id: Schema.String, status: Schema.String, createdAt: Schema.String })),
  recorded: Schema.NullOr(AssetSummary)
}).annotate({ identifier: "Partition" })

export const PartitionsPage = Schema.Struct({
  data: Schema.Array(Partition),
  nextCursor: Nullable,
  counts: PartitionCounts,
  upcoming: Nullable
})

/** Where two JSON values differ; at most 1,000 places are listed. */
export const JsonDiff = Schema.Struct({
  differences: Schema.Array(
    Schema.Struct({
      path: Schema.String,
      op: Schema.Literals(["added", "removed", "changed"]),
      before: Schema.optionalKey(Schema.Unknown),
      after: Schema.optionalKey(Schema.Unknown)
    })
  ),
  truncated: Schema.Boolean
}).annotate({ identifier: "JsonDiff" })

const sides = <S extends Schema.Top>(side: S) =>
  Schema.Struct({ before: Schema.NullOr(side), after: Schema.NullOr(side) })

/** Two generations of one asset partition. */
export const GenerationDiff = Schema.Struct({
  assetId: Schema.String,
  partitionKey: Nullable,
  before: Generation,
  after: Generation,
  payload: JsonDiff,
  parameters: JsonDiff,
  /** Objects by store and key; `changed`: other bytes. */
  parts: Schema.Struct({
    added: Schema.Array(Schema.Unknown),
    removed: Schema.Array(Schema.Unknown),
    changed: Schema.Array(Schema.Unknown),
    same: Schema.Int
  })
}).annotate({ identifier: "GenerationDiff" })

const RunOfDiff = Schema.Struct({
  id: Schema.String,
  workflow: Schema.String,
  version: Schema.Int,
  status: Schema.String,
  partitionKey: Nullable
})

/** Two runs: parameters, what became of each step, and what was produced. */
export const RunDiff = Schema.Struct({
  before: RunOfDiff,
  after: RunOfDiff,
  parameters: JsonDiff,
  steps: Schema.Array(
    Schema.Struct({
      stepId: Schema.String,
      status: sides(Schema.String),
      attempt: sides(Schema.Int),
      result: JsonDiff,
      same: Schema.Boolean
    })
  ),
  produced: Schema.Array(
    Schema.Struct({
      assetId: Schema.String,
      stepId: Schema.String,
      partitionKey: sides(Schema.String),
      generation: sides(Schema.Int),
      payload: JsonDiff,
      sameBytes: Schema.Boolean,
      same: Schema.Boolean
    })
  )
}).annotate({ identifier: "RunDiff" })

/** Automatic runs of one partition: `active` is the claim, `pending` what runs next and what holds it. */
export const Automatic = open({
  partitionKey: Nullable,
  active: Schema.NullOr(open({ runId: Schema.String })),
  pending: Schema.NullOr(open({ updates: Schema.Int, since: Nullable, heldBy: Nullable, heldUntil: Nullable })),
  backoff: Schema.Struct({ failures: Schema.Int, until: Nullable }),
  nextRefreshAt: Nullable,
  runs: Schema.Array(open({ runId: Schema.String, outcome: Nullable })),
  decisions: Schema.Array(open({ decision: Schema.String, why: Schema.String, at: Nullable }))
}).annotate({ identifier: "AutoMaterialization" })

/** Runs by the clock; `decisions`: the refusals since the last occurrence that started, as one. */
const AutomaticSchedule = open({
  cron: Schema.String,
  timezone: Schema.String,
  nextAt: Nullable,
  last: Schema.NullOr(Schema.Struct({ occurrence: Schema.String, runIds: Schema.Array(Schema.String) })),
  decisions: Schema.Array(open({ decision: Schema.Literal("refused"), why: Schema.String, at: Nullable }))
}).annotate({ identifier: "AutomaticSchedule" })

/** `nextRefreshAt`: when the next of all its partitions expires; `schedule` is null for a workflow without one. */
export const AutomaticPage = Schema.Struct({
  schedule: Schema.NullOr(AutomaticSchedule),
  data: Schema.Array(Automatic),
  nextCursor: Nullable,
  nextRefreshAt: Nullable
})

/** What an automatic run of the partition is given, and where each value comes from. */
export const PartitionParameters = Schema.Struct({
  workflow: Schema.String,
  assetId: Schema.String,
  partitionKey: Schema.String,
  stored: Schema.Record(Schema.String, Schema.Unknown),
  parameters: Schema.Record(Schema.String, Schema.Unknown),
  sources: Schema.Record(Schema.String, Schema.Literals(["defaults", "policy", "partition", "window", "run"]))
}).annotate({ identifier: "PartitionParameters" })

export const LineageState = Schema.Literals(["fresh", "stale", "missing", "expired", "recovering", "never"])

const AssetNode = Schema.Struct({
  type: Schema.Literal("asset"),
  id: Schema.String,
  /** The worst of its partitions. */
  state: LineageState,
  counts: PartitionCounts,
  producedAt: Nullable,
  producers: Schema.Array(Schema.String),
  consumers: Schema.Array(Schema.String),
  /** Partitions made from a generation of an input that is not its current one, of those that were compared. */
  outdated: Schema.Struct({ partitions: Schema.Int, compared: Schema.Int })
})
const WorkflowNode = Schema.Struct({ type: Schema.Literal("workflow"), id: Schema.String })

/** `from` and `to` name nodes as `asset:<id>` and `workflow:<slug>`. */
const LineageEdge = Schema.Struct({
  kind: Schema.Literals(["produce", "consume"]),
  from: Schema.String,
  to: Schema.String,
  stepId: Schema.String,
  optional: Schema.optionalKey(Schema.Boolean),
  partitions: Schema.optionalKey(Schema.Unknown)
})

/** `truncated`: there are more than 10,000 assets. `blastRadius`: of the partition that was asked for. */
export const Lineage = Schema.Struct({
  nodes: Schema.Array(Schema.Union([AssetNode, WorkflowNode])),
  edges: Schema.Array(LineageEdge),
  truncated: Schema.Boolean,
  blastRadius: Schema.NullOr(
    Schema.Struct({
      assetId: Schema.String,
      partitionKey: Nullable,
      partitions: Schema.Int,
      assets: Schema.Array(
        Schema.Struct({ assetId: Schema.String, count: Schema.Int, partitionKeys: Schema.Array(Nullable) })
      ),
      truncated: Schema.Boolean
    })
  )
}).annotate({ identifier: "Lineage" })
