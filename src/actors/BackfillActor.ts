import { Effect, Result } from "effect"
import { type Command, decider, type Rejection, type Unstamped } from "../domain/backfill/BackfillDecide.ts"
import * as Demand from "../domain/backfill/BackfillDemand.ts"
import { Event } from "../domain/backfill/BackfillEvents.ts"
import * as BackfillPartitions from "../domain/backfill/BackfillPartitions.ts"
import { notStarted, type State } from "../domain/backfill/BackfillState.ts"
import type { Failure } from "../domain/Failure.ts"
import * as EventCodec from "../eventstore/EventCodec.ts"
import type { RecordedEvent } from "../eventstore/EventStore.ts"
import * as Actors from "./Actors.ts"
import { AssetCheck } from "./AssetCheck.ts"
import { AutomaticRuns } from "./AutomaticRuns.ts"
import type { Behaviour, Commit } from "./Behaviour.ts"
import { Definitions } from "./Definitions.ts"

const codec = EventCodec.make(Event, {})
export const decode = (recorded: RecordedEvent): Event => ({ ...codec.decode(recorded), at: recorded.recordedAt })

/** Runs of a backfill give way to whatever else is asked for (100). */
const priority = 1_000

/** A run tells its end by itself. That it never was told is found by looking once in a while. */
const lookAgain = "1 minute"

/** The Backfill actor: one run for each partition of a list, a few at a time (F66). */
export const make = Effect.gen(function* () {
  const automatic = yield* AutomaticRuns
  const definitions = yield* Definitions
  const assets = yield* AssetCheck
  const runs = yield* Actors.run.client
  const definitionOf = (workflow: string) => definitions.latest(workflow)?.definition

  type Send = Commit<State, Unstamped, Rejection>

  /** Whether everything that the run would make is there; a store that does not answer proves nothing. */
  const isThere = Effect.fnUntraced(function* ({ assetId, backfillId, workflow }: State, partitionKey: string) {
    const definition = definitionOf(workflow)
    if (definition === undefined) return false
    const subjects = Result.getOrElse(BackfillPartitions.subjectsOf(definition, assetId ?? undefined), () => [])
    for (const subject of subjects) {
      const ref = { assetId: subject.assetId, partitionKey }
      const { status } = yield* assets.check(ref, { reportedBy: `backfill-${backfillId}` })
      if (status !== "present") return false
    }
    return subjects.length > 0
  })

  const endOf = (runId: string) =>
    Effect.map(Effect.orDie(runs.execute(runId, { _tag: "Read" })), ({ state }) => ({
      exists: state.definition !== null,
      ended: state.ended,
      failure: state.failure
    }))

  const run = Effect.fnUntraced(function* (state: State, demand: Demand.Demand & { _tag: "Run" }, commit: Send) {
    const { partitionKey, runId } = demand
    const { assetId, backfillId, onlyMissing, parameters, workflow } = state
    const before = yield* endOf(runId)
    // After a crash: what is in the log already is neither looked at nor started again.
    if (!before.exists) {
      if (onlyMissing && (yield* isThere(state, partitionKey))) {
        return yield* commit({ _tag: "EndRun", runId, outcome: "skipped" })
      }
      const asset = assetId === null ? {} : { assetId }
      const trigger = { type: "backfill" as const, backfillId, ...asset }
      const launched = yield* automatic.launch({ runId, workflow, partitionKey, trigger, priority, parameters })
      if (launched.type === "refused") {
        const failure: Failure = { class: "permanent", code: notStarted, message: launched.why }
        return yield* commit({ _tag: "EndRun", runId, outcome: "failed", failure })
      }
    }
    while (true) {
      const { ended: outcome, failure } = yield* endOf(runId)
      if (outcome !== null) return yield* commit({ _tag: "EndRun", runId, outcome, failure })
      yield* Effect.sleep(lookAgain)
    }
  })

  const cancelRun = Effect.fnUntraced(function* (state: State, runId: string, commit: Send) {
    const why = state.stopReason === null || state.stopReason === "" ? "" : `: ${state.stopReason}`
    const reason = `backfill ${state.backfillId} was canceled${why}`
    // A run that was never put into the log, or has ended meanwhile, has nothing to cancel.
    yield* Effect.ignore(runs.execute(runId, { _tag: "Cancel", reason }))
    const { ended, failure } = yield* endOf(runId)
    yield* commit({ _tag: "EndRun", runId, outcome: ended ?? "canceled", failure })
  })

  const behaviour: Behaviour<State, Unstamped, Command, Event, Rejection, Demand.Demand> = {
    category: "backfill",
    decider,
    encode: codec.encode,
    decode,
    stamp: (command, now) => ({ ...command, now }),
    creates: (command) => command._tag === "Request",
    demands: Demand.demands,
    key: Demand.key,
    isResident: () => true,
    activity: (demand, state, commit) =>
      demand._tag === "Run" ? run(state, demand, commit) : cancelRun(state, demand.runId, commit),
    wakeAt: Demand.wakeAt
  }
  return behaviour
})
