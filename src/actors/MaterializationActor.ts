import { Context, Effect } from "effect"
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
      const { active, partitionKey, workflow } = state
      if (active === null) return Effect.void
      const { cause, count, priority, runId } = active
      return Effect.flatMap(
        automatic.launch({ runId, workflow, partitionKey, priority, trigger: triggerOf(cause, count) }),
        (launched) =>
          commit(
            launched.type === "launched" ? { _tag: "Launched", runId } : { _tag: "Refuse", runId, why: launched.why }
          )
      )
    },
    wakeAt: Demand.wakeAt
  }
  return behaviour
})
