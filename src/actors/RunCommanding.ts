import { Clock, Effect } from "effect"
import * as Id from "../domain/Id.ts"
import { type Command, IllegalTransition, type Unstamped } from "../domain/run/RunCommands.ts"
import { decider } from "../domain/run/RunDecide.ts"
import type { State } from "../domain/run/RunState.ts"
import { view } from "../domain/run/RunView.ts"
import type { EventStore } from "../eventstore/EventStore.ts"
import * as Actors from "./Actors.ts"
import { commandRules, metadataOf } from "./CommandRules.ts"
import { type Caller, NotFound } from "./Engine.ts"

/** How a command of an operator reaches its run, whoever it came through. */
export const make = Effect.fnUntraced(function* (log: EventStore["Service"]) {
  const runs = yield* Actors.run.client
  const runKeys = yield* Actors.runKey.client
  const { isRepeat, positionOf } = commandRules(log)

  /** Told once: the same command id again reads the run as it is now. */
  const command = (id: string, told: Unstamped, caller: Caller | undefined) =>
    Effect.gen(function* () {
      const repeat = yield* isRepeat(caller)
      const answer = yield* runs.execute(id, repeat ? { _tag: "Read" } : told, metadataOf(caller)).pipe(
        Effect.catchTags({
          UnknownRun: () => Effect.fail(new NotFound({ kind: "run", id })),
          UnknownStep: ({ stepId }) => Effect.fail(new NotFound({ kind: "step", id: stepId })),
          UnknownCheckpoint: ({ checkpoint }) =>
            Effect.fail(new NotFound({ kind: "checkpoint", id: String(checkpoint) }))
        })
      )
      if (answer.state.definition === null) return yield* new NotFound({ kind: "run", id })
      return { run: view(answer.state, answer.streamVersion), position: yield* positionOf(`run-${id}`, answer) }
    })

  /** Whether the command makes a run that has ended go on. */
  const reopens = (told: Unstamped, state: State, now: number): boolean => {
    if (state.ended === null || state.definition === null) return false
    const decision = decider.decide({ ...told, now, slot: false } satisfies Command, state)
    return decision._tag === "Success" && decision.success.reduce(decider.evolve, state).ended === null
  }

  /**
   * `command` for one that may make an ended run go on: it has its run key again then, and cannot go on while another
   * run has the key.
   */
  const reopening = (id: string, told: Unstamped, caller: Caller | undefined) =>
    Effect.gen(function* () {
      const { state } = yield* Effect.orDie(runs.execute(id, { _tag: "Read" }))
      const { ended, runKey, workflow } = state
      const now = yield* Clock.currentTimeMillis
      // A repeated command changes nothing: least of all who has the run key now.
      if (runKey === undefined || (yield* isRepeat(caller)) || !reopens(told, state, now)) {
        return yield* command(id, told, caller)
      }
      const key = Id.runKey(workflow, runKey)
      const { state: keeper } = yield* runKeys.execute(key, { _tag: "Reclaim", runId: id, now })
      if (keeper.active !== null && keeper.active.runId !== id) {
        const status = `${ended}, and its run key belongs to run ${keeper.active.runId} now`
        return yield* new IllegalTransition({ command: nameOf(told), status })
      }
      // Somebody else was quicker and the run stays ended: the key must not stay with it.
      const giveBack = Effect.gen(function* () {
        const after = yield* Effect.orDie(runs.execute(id, { _tag: "Read" }))
        if (after.state.ended !== null) yield* runKeys.execute(key, { _tag: "RunEnded", runId: id, now })
      })
      return yield* Effect.tapError(command(id, told, caller), () => giveBack)
    })

  return { command, reopening }
})

/** As the routes name it. */
const nameOf = ({ _tag }: Unstamped): string =>
  _tag === "RetryStep" ? "retry" : _tag === "SkipStep" ? "skip" : _tag.toLowerCase()
