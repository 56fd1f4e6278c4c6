import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { At, minPosition, Nullable, one, open } from "./Fields.ts"
import { Authorization, RequestRules } from "./Guards.ts"
import { ProjectionBehindProblem, UnavailableProblem } from "./Problems.ts"

const counts = Schema.Struct({
  waiting: Schema.Int,
  active: Schema.Int,
  delayed: Schema.Int,
  paused: Schema.Int,
  completed: Schema.Int,
  failed: Schema.Int
})

/** Counts are steps. `waiting`: ready without a slot; `completed` and `failed` since the log began. */
export const QueueHealth = open({
  generatedAt: Schema.String,
  position: Nullable,
  queues: Schema.Array(open({ key: Schema.String, counts, oldestWaitingMs: Schema.NullOr(Schema.Finite) })),
  delayed: Schema.Struct({ retry: Schema.Int, recovery: Schema.Int, store: Schema.Int, input: Schema.Int }),
  recoveries: Schema.Struct({ active: Schema.Int, succeeded: Schema.Int, failed: Schema.Int }),
  byWorkflow: Schema.Array(Schema.Unknown)
}).annotate({ identifier: "QueueHealth" })
export type QueueHealth = typeof QueueHealth.Type

const Store = Schema.Struct({
  name: Schema.String,
  type: Schema.String,
  status: Schema.Literals(["ready", "unavailable", "wiped", "unknown"]),
  since: Nullable,
  error: Nullable,
  waiting: Schema.Int
}).annotate({ identifier: "Store" })

/**
 * `heartbeatAgeMs` is null before the first; `error`: why it stopped, and `errorPosition` before which event. `skipped`:
 * what it was told to leave out.
 */
export const ProjectionStatus = open({
  name: Schema.String,
  position: Nullable,
  lagEvents: Schema.NullOr(Schema.Finite),
  heartbeatAgeMs: Schema.NullOr(Schema.Finite),
  error: Nullable,
  errorPosition: Nullable,
  rebuild: Schema.NullOr(
    Schema.Struct({
      position: Nullable,
      events: Schema.Int,
      lagEvents: Schema.NullOr(Schema.Finite),
      error: Nullable
    })
  ),
  lastRebuild: Schema.NullOr(Schema.Struct({ at: Schema.Finite, events: Schema.Int, error: Nullable })),
  skipped: Schema.Array(
    Schema.Struct({
      position: Schema.String,
      reason: Schema.String,
      error: Schema.String,
      principal: Nullable,
      at: Schema.Finite
    })
  )
}).annotate({ identifier: "ProjectionStatus" })
export type ProjectionStatus = typeof ProjectionStatus.Type

/** The oldest writing transaction of the server: no subscription reads beyond it. */
export const HorizonHolder = Schema.Struct({
  pid: Schema.Int,
  ageMs: Schema.Finite,
  database: Nullable
}).annotate({ identifier: "HorizonHolder" })
export type HorizonHolder = typeof HorizonHolder.Type

export class AdminApi extends HttpApiGroup.make("admin")
  .add(
    HttpApiEndpoint.get("queueHealth", "/queue-health", {
      query: { ...minPosition, at: Schema.optionalKey(At) },
      success: one(QueueHealth),
      error: [ProjectionBehindProblem, UnavailableProblem]
    }).annotate(OpenApi.Description, "With `at` from a history that has one entry a minute for the last 7 days."),
    HttpApiEndpoint.get("stores", "/stores", { success: one(Schema.Array(Store)) }),
    HttpApiEndpoint.get("projections", "/projections", {
      success: one(
        Schema.Struct({
          head: Nullable,
          projections: Schema.Array(ProjectionStatus),
          horizonHolder: Schema.NullOr(HorizonHolder)
        })
      ),
      error: UnavailableProblem
    })
  )
  .middleware(RequestRules)
  .middleware(Authorization)
  .prefix("/api/v1/admin")
  .annotateMerge(OpenApi.annotations({ title: "Admin", description: "Queues, stores and read models at a glance." })) {}
