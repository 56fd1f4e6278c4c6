import { Effect, Result } from "effect"
import type { Metadata, NewEvent } from "../eventstore/EventStore.ts"
import type { Behaviour, Timed } from "./Behaviour.ts"

/** An event as it is stored, before the hash chain knows it. */
export type Decided = Omit<NewEvent, "hash">

/**
 * Decides commands in order on the state that the log holds: the events, the state after them, and what to tell each
 * sender once they are durable (null: that it is done).
 */
export const decideAll = <State, Command, Stamped, Event extends Timed, Rejection, Demand, R>(
  behaviour: Behaviour<State, Command, Stamped, Event, Rejection, Demand, R>,
  actorId: string,
  state: State,
  now: number,
  batch: ReadonlyArray<{ readonly command: Command; readonly metadata: Metadata }>
) => {
  const decided: Array<Decided> = []
  const replies: Array<Effect.Effect<never, Rejection> | null> = []
  let next = state
  for (const { command, metadata } of batch) {
    try {
      const decision = behaviour.decider.decide(behaviour.stamp(command, now, actorId, next), next)
      if (Result.isFailure(decision)) {
        replies.push(Effect.fail(decision.failure))
        continue
      }
      // Encoded before anything is taken over: what cannot be stored is the fault of this command alone.
      const own = decision.success.map(
        (event, index): Decided => ({
          ...behaviour.encode(event),
          recordedAt: event.at,
          metadata: index === 0 ? metadata : {}
        })
      )
      next = decision.success.reduce(behaviour.decider.evolve, next)
      decided.push(...own)
      replies.push(null)
    } catch (defect) {
      replies.push(Effect.die(defect))
    }
  }
  return { decided, next, replies }
}
