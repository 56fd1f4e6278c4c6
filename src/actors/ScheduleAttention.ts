import { Effect, Layer } from "effect"
import * as Actors from "./Actors.ts"
import { AttentionDesk } from "./AttentionDesk.ts"
import { LogFollower } from "../eventstore/LogFollower.ts"

/** Puts a workflow whose scheduled runs are refused on the attention list, until one of them starts. */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const follower = yield* LogFollower
    const desk = yield* AttentionDesk
    const schedules = yield* Actors.schedule.client

    const tell = Effect.fnUntraced(function* (workflow: string) {
      // As it is now, whatever the log says of the past.
      const { state } = yield* schedules.execute(workflow, { _tag: "Read" })
      const id = `schedule:${workflow}`
      if (state.refused === null || state.schedule === null) return yield* desk.settle(id)
      yield* desk.raise({
        ...{ id, kind: "schedule", reasonCode: "schedule_refused", severity: "error" },
        message: `the scheduled runs of ${workflow} are refused: ${state.refused.why}`
      })
    })
    const following = follower.follow({
      name: "schedule_attention_v1",
      types: ["ScheduleSet", "ScheduleRunsStarted"],
      begin: "start",
      handle: (events) => {
        const workflows = new Set(events.map(({ streamName }) => streamName.slice("schedule-".length)))
        return Effect.forEach(workflows, tell, { discard: true })
      }
    })
    yield* following.pipe(
      Effect.catchCause((cause) => Effect.logError("refused schedules no longer reach the attention list", cause)),
      Effect.forkScoped
    )
  })
)
