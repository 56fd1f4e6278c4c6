import { Deferred, Effect, Layer, Result, Schema } from "effect"
import { layerSingleRunner } from "../../src/actors/ActorSystem.ts"
import { ActorSystem } from "../../src/actors/ActorSystem.ts"
import * as Actor from "../../src/actors/Actor.ts"
import type { Behaviour } from "../../src/actors/Behaviour.ts"
import type { Decider } from "../../src/domain/Decider.ts"
import * as EventCodec from "../../src/eventstore/EventCodec.ts"
import type { RecordedEvent } from "../../src/eventstore/EventStore.ts"

/** A small actor for the host's tests: it counts, and each `Order` demands one piece of work until it is `Done`. */
const Event = Schema.TaggedUnion({
  Added: { by: Schema.Int },
  Ordered: { work: Schema.String },
  Done: { work: Schema.String }
})
type Event = typeof Event.Type & { readonly at: number }
type Command =
  | { readonly _tag: "Add"; readonly by: number }
  | { readonly _tag: "Order"; readonly work: string }
  | { readonly _tag: "Finish"; readonly work: string }
  | { readonly _tag: "Break" }
  | { readonly _tag: "Read" }
export interface State {
  readonly total: number
  readonly open: ReadonlyArray<string>
}
export class TooMuch extends Schema.TaggedError<TooMuch>()("TooMuch", {}) {}

const initial: State = { total: 0, open: [] }
const decider: Decider<State, Command & { readonly now: number }, Event, TooMuch> = {
  initial,
  decide: (command, state) => {
    const at = command.now
    switch (command._tag) {
      case "Add":
        return command.by > 100 ? Result.fail(new TooMuch()) : Result.succeed([{ _tag: "Added", by: command.by, at }])
      case "Order":
        return Result.succeed(state.open.includes(command.work) ? [] : [{ _tag: "Ordered", work: command.work, at }])
      case "Finish":
        return Result.succeed(state.open.includes(command.work) ? [{ _tag: "Done", work: command.work, at }] : [])
      case "Break":
        throw new Error("a defect of decide")
      case "Read":
        return Result.succeed([])
    }
  },
  evolve: (state, event) => {
    switch (event._tag) {
      case "Added":
        return { ...state, total: state.total + event.by }
      case "Ordered":
        return { ...state, open: [...state.open, event.work] }
      case "Done":
        return { ...state, open: state.open.filter((work) => work !== event.work) }
    }
  }
}

export const counter = Actor.make<State, Command, TooMuch>("counter")
const codec = EventCodec.make(Event, {})

type Stamped = Command & { readonly now: number }
/** `perform` does the ordered work; it may fail, die or never end. */
export const behaviourOf = (
  perform: (work: string) => Effect.Effect<void>,
  creates: (command: Command) => boolean = () => false
): Behaviour<State, Command, Stamped, Event, TooMuch, string> => ({
  category: "counter",
  decider,
  encode: codec.encode,
  decode: (recorded: RecordedEvent) => ({ ...codec.decode(recorded), at: recorded.recordedAt }),
  stamp: (command, now) => ({ ...command, now }),
  creates,
  demands: (state) => state.open,
  key: (work) => work,
  isResident: () => true,
  activity: (work, _, commit) => Effect.andThen(perform(work), commit({ _tag: "Finish", work })),
  wakeAt: (state, now) => (state.open.length > 0 ? now + 1_000 : null)
})

/** A counter's state as JSON. */
export const StateJson = Schema.Struct({ total: Schema.Int, open: Schema.Array(Schema.String) })

export const layer = (
  perform: (work: string) => Effect.Effect<void>,
  options?: Parameters<typeof ActorSystem.layer>[0]
) =>
  counter
    .toLayer(behaviourOf(perform))
    .pipe(
      Layer.provideMerge(layerSingleRunner),
      Layer.provideMerge(ActorSystem.layer({ maxIdleMs: 1_000, ...options }))
    )

/** Work that counts how often it began and waits until it is let go. */
export const gate = Effect.gen(function* () {
  const open = yield* Deferred.make<void>()
  const begun: Array<string> = []
  return {
    begun,
    letGo: Deferred.succeed(open, undefined),
    perform: (work: string) =>
      Effect.suspend(() => {
        begun.push(work)
        return Deferred.await(open)
      })
  }
})
