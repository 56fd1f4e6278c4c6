import { Effect } from "effect"
import * as Limit from "../domain/Limit.ts"
import { LimitSnapshot } from "../domain/LimitSnapshot.ts"
import { type State as RunState, step } from "../domain/run/RunState.ts"
import * as WaitQueue from "../domain/WaitQueue.ts"
import * as EventCodec from "../eventstore/EventCodec.ts"
import * as StateCodec from "../eventstore/StateCodec.ts"
import * as Actors from "./Actors.ts"
import type { Behaviour } from "./Behaviour.ts"
import { Limits } from "./Limits.ts"
import { sleepUntil } from "./sleepUntil.ts"

/** Holders that one activation looks at together. */
const auditsMax = 500

/** A longer queue takes more than about 100 ms to turn into text: it is kept again when fewer wait. */
const keptQueueMax = 10_000

const codec = EventCodec.make(Limit.Event, {})
export const snapshot = StateCodec.make(LimitSnapshot, {
  revision: 1,
  isKept: ({ queue }) => WaitQueue.size(queue) <= keptQueueMax
})

type Demand =
  | { readonly _tag: "Expire"; readonly at: number }
  /** Somebody has a slot whom this process did not give one: perhaps what a crash left behind. */
  | { readonly _tag: "Audit"; readonly holder: string }

/** Whether this attempt has no use for a slot any more: it executes no longer, and is not about to. */
const isOver = (run: RunState, stepId: string, attempt: number): boolean => {
  const current = step(run, stepId)
  if (run.ended !== null) return true
  if (current.status === "executing") return current.attempt !== attempt
  return (current.status !== "pending" && current.status !== "retrying") || current.attempt + 1 !== attempt
}

/**
 * The Limit actor: slots of one workflow-wide limit. Leases that ran out are taken back when their time has come, and
 * slots of steps that ended in a crash's last moment as soon as somebody looks.
 */
export const make = Effect.gen(function* () {
  const limits = yield* Limits
  const runs = yield* Actors.run.client
  const behaviour: Behaviour<Limit.State, Limit.Command, Limit.Command, Limit.Event, never, Demand> = {
    category: "limit",
    decider: Limit.decider,
    encode: codec.encode,
    decode: (recorded) => ({ ...codec.decode(recorded), at: recorded.recordedAt }),
    snapshot,
    stamp: (command, now) => ({ ...command, now }),
    creates: () => false,
    demands: (state) => {
      const at = Limit.nextExpiry(state)
      const strangers = state.holders.filter(({ holder }) => !limits.isKnown(holder)).slice(0, auditsMax)
      return [
        ...(at === null ? [] : [{ _tag: "Expire", at } as const]),
        ...strangers.map(({ holder }) => ({ _tag: "Audit", holder }) as const)
      ]
    },
    key: (demand) => (demand._tag === "Expire" ? `expire:${demand.at}` : `audit:${demand.holder}`),
    isResident: () => false,
    activity: (demand, _, commit) =>
      Effect.gen(function* () {
        if (demand._tag === "Expire") {
          yield* sleepUntil(demand.at)
          return yield* commit({ _tag: "Expire", now: 0 })
        }
        const { holder } = demand
        const [runId, stepId, attempt] = holder.split("/") as [string, string, string]
        const { state } = yield* Effect.orDie(runs.execute(runId, { _tag: "Read" }))
        // It may have asked for a slot again meanwhile, and use it.
        if (limits.isKnown(holder) || !isOver(state, stepId, Number(attempt))) return
        return yield* commit({ _tag: "Release", holder, now: 0 })
      }),
    wakeAt: Limit.nextExpiry,
    settled: (actorId, state) => limits.granted(actorId, (holder) => Limit.holds(state, holder))
  }
  return behaviour
})
