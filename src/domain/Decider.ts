import { Result } from "effect"

/**
 * A pure decision maker over one stream of events (Chassaing's decider).
 *
 * `decide` answers the events that a command causes: none when there is nothing left to do, a rejection when the
 * domain says no. `evolve` never fails. Neither makes a clock reading, an id or a random value: they arrive in the command.
 */
export interface Decider<State, Command, Event, Rejection> {
  readonly initial: State
  readonly decide: (command: Command, state: State) => Result.Result<ReadonlyArray<Event>, Rejection>
  readonly evolve: (state: State, event: Event) => State
}

/** The state after `events`, starting from `state`. */
export const fold = <State, Command, Event, Rejection>(
  decider: Decider<State, Command, Event, Rejection>,
  state: State,
  events: ReadonlyArray<Event>
): State => {
  let next = state
  for (const event of events) next = decider.evolve(next, event)
  return next
}

/** A decision of no events: the command has nothing left to do. */
export const nothing: Result.Result<ReadonlyArray<never>, never> = Result.succeed([])
