import { Context, Effect, Schedule } from "effect"
import { type Backoff, type Command, decider, type Unstamped } from "../domain/materialization/MaterializationDecide.ts"
import * as Demand from "../domain/materialization/MaterializationDemand.ts"
import { type Cause, Event } from "../domain/materialization/MaterializationEvents.ts"
import { MaterializationSnapshot } from "../domain/materialization/MaterializationSnapshot.ts"
import type { State } from "../domain/materialization/MaterializationState.ts"
import { quietUntil } from "../domain/QuietHours.ts"
import type { Trigger } from "../domain/Trigger.ts"
import * as EventCodec from "../eventstore/EventCodec.ts"
import * as StateCodec from "../eventstore/StateCodec.ts"
import type { RecordedEvent } from "../eventstore/EventStore.ts"
import * as Actors from "./Actors.ts"
import { AutomaticRuns } from "./AutomaticRuns.ts"
import type { Behaviour } from "./Behaviour.ts"
import { Definitions } from "./Definitions.ts"
import { sleepUntil } from "./sleepUntil.ts"

const codec = EventCodec.make(Event, {})
export const snapshot = StateCodec.make(MaterializationSnapshot, { revision: 1 })
export const decode = (recorded: RecordedEvent): Event => ({ ...codec.decode(recorded), at: recorded.recordedAt })

/** How long failed automatic runs cool down. */
export class MaterializerSettings extends Context.Service<MaterializerSettings, Backoff>()(
  "kintsugi/actors/MaterializerSettings"
) {}

const triggerOf = (cause: Cause, coalesced: number): Trigger => {
  const { assetId, expiry, generation, partitionKey, pulledFor, reason, runId, source, workflow } = cause
  const partition = partitionKey === "" ? {} : { partitionKey }
  const maker = {
    ...(workflow === undefined ? {} : { workflow }),
    ...(runId === undefined ? {} : { runId }),
    ...(source === undefined ? {} : { source })
  }
  return {
    type: "auto-materialize",
    reason,
    ...(expiry === undefined ? {} : { expiry }),
    assetId,
    ...partition,
    upstream: { assetId, ...partition, generation, ...maker },
    coalesced,
    ...(pulledFor === undefined ? {} : { pulledFor })
  }
}

/** The Materialization actor: the automatic runs of one workflow and partition (DESIGN, section 3). */
export const make = Effect.gen(function* () {
  const definitions = yield* Definitions
  const backoff = yield* MaterializerSettings
  const automatic = yield* AutomaticRuns
  const runs = yield* Actors.run.client

  /** How a run that had failed stands, once it does not go on any more: an operator may have had it recovered. */
  const settled = (runId: string) =>
    Effect.map(Effect.orDie(runs.execute(runId, { _tag: "Read" })), ({ state }) => state.ended).pipe(
      Effect.repeat({ until: (ended) => ended !== null, schedule: Schedule.spaced("1 second") })
    )

  const launch = Effect.fnUntraced(function* (state: State, active: NonNullable<State["active"]>) {
    const { partitionKey, workflow } = state
    const { cause, count, priority, repeats, runId } = active
    const before = state.runs[state.runs.length - 2]
    // At most one run at a time, whoever has begun it.
    const outcome = before?.outcome === "failed" ? yield* settled(before.runId) : null
    if (repeats !== undefined && repeats === before?.runId && outcome === "succeeded") {
      return {
        _tag: "Refuse" as const,
        runId,
        why: `run ${repeats}, which it repeats, has been recovered and is a success`
      }
    }
    const trigger = triggerOf(cause, count)
    const launched = yield* automatic.launch({ runId, workflow, partitionKey, priority, trigger })
    return launched.type === "launched"
      ? { _tag: "Launched" as const, runId }
      : { _tag: "Refuse" as const, runId, why: launched.why }
  })

  const quiet = (workflow: string, now: number): number | null =>
    quietUntil(definitions.latest(workflow)?.definition.quietHours ?? [], now)

  const behaviour: Behaviour<State, Unstamped, Command, Event, never, Demand.Demand> = {
    category: "materialization",
    snapshot,
    decider,
    encode: codec.encode,
    decode,
    stamp: (command, now, _, state) => {
      const workflow = "workflow" in command ? command.workflow : state.workflow
      return { ...command, now, backoff, quietUntil: quiet(workflow, now) }
    },
    creates: () => false,
    demands: Demand.demands,
    key: Demand.key,
    isResident: Demand.isResident,
    activity: (demand, state, commit) => {
      if (demand._tag === "Timer") return Effect.andThen(sleepUntil(demand.at), commit({ _tag: "Tick" }))
      return state.active === null ? Effect.void : Effect.flatMap(launch(state, state.active), commit)
    },
    wakeAt: Demand.wakeAt
  }
  return behaviour
})
