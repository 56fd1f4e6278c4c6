import { Effect, Layer } from "effect"
import type { Definition, Partitioning } from "../domain/Definition.ts"
import * as Id from "../domain/Id.ts"
import { occurrenceKey } from "../domain/Occurrences.ts"
import { partitionedAssets } from "../domain/Partitioning.ts"
import * as TimeWindow from "../domain/TimeWindow.ts"
import * as WorkflowSchedule from "../domain/WorkflowSchedule.ts"
import * as EventCodec from "../eventstore/EventCodec.ts"
import * as StateCodec from "../eventstore/StateCodec.ts"
import { LogFollower } from "../eventstore/LogFollower.ts"
import * as Actors from "./Actors.ts"
import { AutomaticRuns } from "./AutomaticRuns.ts"
import type { Behaviour } from "./Behaviour.ts"
import { Definitions } from "./Definitions.ts"
import { sleepUntil } from "./sleepUntil.ts"

const codec = EventCodec.make(WorkflowSchedule.Event, {})
export const snapshot = StateCodec.make(WorkflowSchedule.Snapshot, { revision: 2 })

/** The partitions that one occurrence runs: "" for a workflow without partitions. */
const partitionsAt = (partitioning: Partitioning | undefined, occurrence: number, window: "current" | "previous") => {
  switch (partitioning?.type) {
    case "static":
      return partitioning.keys
    case "timeWindow": {
      const current = TimeWindow.windowAt(partitioning, occurrence)
      return [window === "current" ? current.key : TimeWindow.previous(partitioning, current).key]
    }
    default:
      return [""]
  }
}

/** The Schedule actor: each occurrence of one workflow's cron is started once, whoever else competes (F57, T18). */
export const make = Effect.gen(function* () {
  const definitions = yield* Definitions
  const automatic = yield* AutomaticRuns

  const startRuns = Effect.fnUntraced(function* (state: WorkflowSchedule.State, occurrence: number) {
    const { schedule, workflow } = state
    const definition: Definition | undefined = definitions.latest(workflow)?.definition
    const runIds: Array<string> = []
    let refused: string | undefined
    const partitioning = definition === undefined ? undefined : partitionedAssets(definition)[0]?.partitioning
    for (const partitionKey of partitionsAt(partitioning, occurrence, schedule?.window ?? "current")) {
      const runId = Id.ofParts("schedule-run", workflow, occurrence, partitionKey)
      const launched = yield* automatic.launch({
        runId,
        workflow,
        partitionKey,
        priority: 100,
        // The occurrence is the run's key; of several partitions each has its own.
        runKey: partitioning?.type === "static" ? undefined : occurrenceKey(workflow, occurrence),
        trigger: { type: "schedule", cron: schedule?.cron ?? "", occurrence: new Date(occurrence).toISOString() }
      })
      if (launched.type === "launched") runIds.push(runId)
      else refused = launched.why
    }
    if (refused !== undefined && state.refused === null) {
      yield* Effect.logWarning(`the scheduled runs of ${workflow} are refused: ${refused}`)
    }
    return { _tag: "Started" as const, occurrence, runIds, refused }
  })

  const behaviour: Behaviour<
    WorkflowSchedule.State,
    WorkflowSchedule.Unstamped,
    WorkflowSchedule.Command,
    WorkflowSchedule.Event,
    never,
    WorkflowSchedule.Demand
  > = {
    category: "schedule",
    snapshot,
    decider: WorkflowSchedule.decider,
    encode: codec.encode,
    decode: (recorded) => ({ ...codec.decode(recorded), at: recorded.recordedAt }),
    stamp: (command, now) => ({ ...command, now }),
    creates: () => false,
    demands: WorkflowSchedule.demands,
    key: WorkflowSchedule.key,
    isResident: (demand) => demand._tag !== "Timer",
    activity: (demand, state, commit) =>
      demand._tag === "Timer"
        ? Effect.andThen(sleepUntil(demand.at), commit({ _tag: "Tick" }))
        : Effect.flatMap(startRuns(state, demand.occurrence), commit),
    wakeAt: WorkflowSchedule.wakeAt
  }
  return behaviour
})

/** Tells each workflow's schedule what its newest definition says. */
export const layerFollower = Layer.effectDiscard(
  Effect.gen(function* () {
    const follower = yield* LogFollower
    const definitions = yield* Definitions
    const schedules = yield* Actors.schedule.client
    const following = follower.follow({
      name: "schedules_v1",
      types: ["WorkflowDefined"],
      begin: "start",
      handle: (events) => {
        const slugs = new Set(events.map((recorded) => recorded.streamName.slice("workflow-".length)))
        return Effect.forEach(
          slugs,
          (workflow) => {
            const schedule = definitions.latest(workflow)?.definition.schedule ?? null
            return schedules.execute(workflow, { _tag: "Set", workflow, schedule })
          },
          { concurrency: 8, discard: true }
        )
      }
    })
    yield* following.pipe(
      Effect.catchCause((cause) => Effect.logError("schedules are no longer followed", cause)),
      Effect.forkScoped
    )
  })
)
