import { Schema } from "effect"
import { Cause, HeldBy } from "./MaterializationEvents.ts"
import type { State } from "./MaterializationState.ts"

const Outcome = Schema.Literals(["succeeded", "failed", "canceled"])
const Decided = Schema.Literals([
  "started",
  "coalesced",
  "requested",
  "held",
  "skipped",
  "succeeded",
  "failed",
  "canceled"
])
const run = {
  runId: Schema.String,
  cause: Cause,
  startedAt: Schema.Int,
  outcome: Schema.NullOr(Outcome),
  endedAt: Schema.NullOr(Schema.Int)
}

/** A Materialization's state as JSON. */
export const MaterializationSnapshot: Schema.Codec<State, unknown> = Schema.Struct({
  workflow: Schema.String,
  partitionKey: Schema.String,
  seen: Schema.String,
  wanted: Schema.NullOr(
    Schema.Struct({
      cause: Cause,
      count: Schema.Int,
      priority: Schema.Int,
      cyclic: Schema.Boolean,
      since: Schema.Int,
      repeats: Schema.optionalKey(Schema.String)
    })
  ),
  held: Schema.NullOr(Schema.Struct({ until: Schema.Int, by: HeldBy })),
  active: Schema.NullOr(
    Schema.Struct({
      ...{ ...run, count: Schema.Int, priority: Schema.Int, launched: Schema.Boolean },
      repeats: Schema.optionalKey(Schema.String)
    })
  ),
  sequence: Schema.Int,
  failures: Schema.Int,
  coolUntil: Schema.Int,
  lastStartedAt: Schema.Int,
  runs: Schema.Array(Schema.Struct(run)),
  decisions: Schema.Array(
    Schema.Struct({
      at: Schema.Int,
      decision: Decided,
      why: Schema.String,
      runId: Schema.optionalKey(Schema.String),
      cause: Schema.optionalKey(Cause)
    })
  )
})
