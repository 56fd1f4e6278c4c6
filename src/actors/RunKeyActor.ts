import { Effect } from "effect"
import * as RunKey from "../domain/RunKey.ts"
import { leaseUntil } from "../domain/run/RunDemand.ts"
import type { Start } from "../domain/run/RunCommands.ts"
import * as EventCodec from "../eventstore/EventCodec.ts"
import type { Metadata } from "../eventstore/EventStore.ts"
import * as Actors from "./Actors.ts"
import type { Behaviour } from "./Behaviour.ts"
import { Definitions, getOrDie } from "./Definitions.ts"

const codec = EventCodec.make(RunKey.Event, {})

/** The RunKey actor: one active run a key (F51). A claimed run is started, also after a crash between the two. */
export const make = Effect.gen(function* () {
  const definitions = yield* Definitions
  const runs = yield* Actors.run.client
  const behaviour: Behaviour<RunKey.State, RunKey.Command, RunKey.Command, RunKey.Event, never, string> = {
    category: "runkey",
    decider: RunKey.decider,
    encode: codec.encode,
    decode: (recorded) => ({ ...codec.decode(recorded), at: recorded.recordedAt }),
    stamp: (command, now) => ({ ...command, now }),
    creates: () => false,
    demands: (state) => (state.active !== null && !state.active.confirmed ? [state.active.runId] : []),
    key: (runId) => `start:${runId}`,
    isResident: () => true,
    activity: (runId, state, commit) =>
      Effect.gen(function* () {
        if (state.active === null) return
        const { metadata, ...start } = state.active.start as unknown as Omit<Start, "definition"> & {
          readonly metadata?: Metadata
        }
        const { definition } = getOrDie(definitions, start.workflow, start.version)
        // With its caller, whichever of the two starts comes first.
        yield* Effect.orDie(runs.execute(runId, { ...start, definition }, metadata))
        return yield* commit({ _tag: "Confirm", runId, now: 0 })
      }),
    wakeAt: (state, now) => (state.active !== null && !state.active.confirmed ? leaseUntil(now) : null)
  }
  return behaviour
})
