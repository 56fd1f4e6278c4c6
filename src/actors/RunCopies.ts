import { Effect, Result, Schema } from "effect"
import * as Asset from "../domain/Asset.ts"
import * as Id from "../domain/Id.ts"
import type { Unstamped } from "../domain/run/RunCommands.ts"
import * as RunCopy from "../domain/run/RunCopy.ts"
import type { State } from "../domain/run/RunState.ts"
import { view } from "../domain/run/RunView.ts"
import type { EventStore } from "../eventstore/EventStore.ts"
import * as Actors from "./Actors.ts"
import { commandRules, metadataOf } from "./CommandRules.ts"
import { type Caller, NotFound } from "./Engine.ts"
import { newRunId } from "./RunId.ts"

/** Inputs of the run whose current generation is not the one that it used. */
export class StaleInputs extends Schema.TaggedError<StaleInputs>()("StaleInputs", {
  inputs: Schema.Array(
    Schema.Struct({
      assetId: Schema.String,
      partitionKey: Schema.String,
      recorded: Schema.Int,
      current: Schema.Int
    })
  )
}) {}

const readsAtOnce = 8

/** New runs that are made from old ones (F52). */
export const make = Effect.fnUntraced(function* (log: EventStore["Service"]) {
  const runs = yield* Actors.run.client
  const assets = yield* Actors.asset.client
  const { isRepeat, positionOf } = commandRules(log)

  const started = Effect.fnUntraced(function* (id: string, command: Unstamped, caller: Caller | undefined) {
    const answer = yield* Effect.orDie(runs.execute(id, command, metadataOf(caller)))
    const run = view(answer.state, answer.streamVersion)
    return { run, position: yield* positionOf(`run-${id}`, answer), exists: answer.state.definition !== null }
  })

  /** Starts what `copied` makes of the run; the same command id again reads the run that it started. */
  const copy = <E, R>(
    runId: string,
    copied: (state: State) => Effect.Effect<RunCopy.Copied, E, R>,
    caller: Caller | undefined
  ) =>
    Effect.gen(function* () {
      const id = yield* newRunId(caller)
      if (yield* isRepeat(caller)) {
        const { exists, position, run } = yield* started(id, { _tag: "Read" }, undefined)
        if (exists) return { run, position }
      }
      const { state } = yield* Effect.orDie(runs.execute(runId, { _tag: "Read" }))
      const { definition } = state
      if (definition === null) return yield* new NotFound({ kind: "run", id: runId })
      const fields = yield* copied(state)
      const { position, run } = yield* started(id, { _tag: "Start", runId: id, definition, ...fields }, caller)
      return { run, position }
    })

  const stale = Effect.fnUntraced(function* (state: State) {
    const inputs = yield* Effect.forEach(
      RunCopy.outsideInputs(state),
      ({ assetId, generation, partitionKey }) =>
        Effect.map(assets.execute(Id.asset(assetId, partitionKey), { _tag: "Read" }), (answer) => {
          return { assetId, partitionKey, recorded: generation, current: Asset.currentGeneration(answer.state) }
        }),
      { concurrency: readsAtOnce }
    )
    return inputs.filter(({ current, recorded }) => current !== recorded)
  })

  return {
    /** Inputs that a replay would not find as the run used them. */
    stale,
    replay: (runId: string, allowStale: boolean, caller: Caller | undefined) =>
      copy(
        runId,
        Effect.fnUntraced(function* (state) {
          const inputs = allowStale ? [] : yield* stale(state)
          if (inputs.length > 0) return yield* new StaleInputs({ inputs })
          return RunCopy.replay(state)
        }),
        caller
      ),
    fork: (runId: string, fromStep: string, caller: Caller | undefined) =>
      copy(
        runId,
        Effect.fnUntraced(function* (state) {
          const forked = RunCopy.fork(state, fromStep)
          if (Result.isFailure(forked)) return yield* new NotFound({ kind: "step", id: fromStep })
          return forked.success
        }),
        caller
      )
  }
})
