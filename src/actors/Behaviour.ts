import type { Effect } from "effect"
import type { Decider } from "../domain/Decider.ts"
import type { Metadata, Position, RecordedEvent } from "../eventstore/EventStore.ts"
import type { StateCodec } from "../eventstore/StateCodec.ts"
import type { Ended } from "./ActorTrace.ts"

/** An event with its time; the time is stored in the event's envelope, not in its payload. */
export interface Timed {
  readonly _tag: string
  readonly at: number
}

/** What a command came to once it is durable: the state after it, and the place of the actor's last event. */
export interface Answer<State> {
  readonly state: State
  readonly streamVersion: number
  /** Of the last event that this command's append wrote; null when there was nothing left to do. */
  readonly position: Position | null
}

/** Brings an activity's result into the log as a command to its own actor. */
export type Commit<State, Command, Rejection> = (command: Command) => Effect.Effect<Answer<State>, Rejection>

/**
 * What an actor does: a decider, and the activities that its state demands (DESIGN, section 1).
 *
 * `Command` is what arrives; `Stamped` is the same with what the decision needs from the host (the time, a slot).
 */
export interface Behaviour<State, Command, Stamped, Event extends Timed, Rejection, Demand, R = never> {
  /** The stream category; a stream is `<category>-<actor id>`. */
  readonly category: string
  readonly decider: Decider<State, Stamped, Event, Rejection>
  readonly encode: (event: Event) => { readonly type: string; readonly schemaVersion: number; readonly payload: string }
  /** Decodes one stored event; what decoding needs (a pinned definition) has been fetched by `prepare`. */
  readonly decode: (recorded: RecordedEvent) => Event
  readonly prepare?: (recorded: ReadonlyArray<RecordedEvent>) => Effect.Effect<void, never, R>
  /** For kinds of actor with long streams: their state is kept now and then, so that loading reads the rest only. */
  readonly snapshot?: StateCodec<State>
  readonly stamp: (command: Command, now: number, actorId: string, state: State) => Stamped
  /** The stream may not exist yet: a first command of this kind is decided without reading the log. */
  readonly creates: (command: Command) => boolean
  /** Every activity that should be going on now. At most 1,000. */
  readonly demands: (state: State) => ReadonlyArray<Demand>
  readonly key: (demand: Demand, state: State) => string
  /** Whether the actor stays in memory for it; `wakeAt` brings it back for the others. */
  readonly isResident: (demand: Demand) => boolean
  readonly activity: (
    demand: Demand,
    state: State,
    commit: Commit<State, Command, Rejection>
  ) => Effect.Effect<unknown, Rejection, R>
  readonly wakeAt: (state: State, now: number) => number | null
  readonly waitsOn?: (state: State) => ReadonlyArray<string> | null
  /** A command that a fresh activation gives itself before anything else, e.g. to note a cut-off attempt. */
  readonly onActivate?: (state: State) => Command | null
  /** A command that an orderly stop of the process gives the actor, e.g. to note that it is being drained. */
  readonly onDrain?: (state: State) => Command | null
  /** What the actor's own span says, if one of the events just written has ended the actor; null otherwise. */
  readonly ended?: (state: State, types: ReadonlyArray<string>) => Ended | null
  /** After each commit and its reconciliation, and when the actor leaves memory. */
  readonly settled?: (actorId: string, state: State) => void
}

export interface Envelope<Command> {
  readonly command: Command
  readonly metadata: Metadata
}
