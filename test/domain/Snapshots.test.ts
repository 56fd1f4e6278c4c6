import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import * as fc from "fast-check"
import * as Asset from "../../src/domain/Asset.ts"
import { AssetSnapshot } from "../../src/domain/AssetSnapshot.ts"
import * as Decider from "../../src/domain/Decider.ts"
import * as Id from "../../src/domain/Id.ts"
import * as Limit from "../../src/domain/Limit.ts"
import { LimitSnapshot } from "../../src/domain/LimitSnapshot.ts"
import * as WaitQueue from "../../src/domain/WaitQueue.ts"
import * as EventCodec from "../../src/eventstore/EventCodec.ts"
import * as StateCodec from "../../src/eventstore/StateCodec.ts"

/** The events of a run of commands, as a log gives them back. */
const history = <State, Command, Event extends { readonly _tag: string; readonly at: number }>(
  decider: Decider.Decider<State, Command, Event, never>,
  codec: Parameters<typeof stored<Event>>[0],
  commands: ReadonlyArray<(now: number) => Command>
): ReadonlyArray<Event> => {
  let state = decider.initial
  const events: Array<Event> = []
  for (const [index, command] of commands.entries()) {
    const decided = Result.getOrThrow(decider.decide(command(index * 20), state)).map((event) => stored(codec, event))
    state = Decider.fold(decider, state, decided)
    events.push(...decided)
  }
  return events
}

const stored = <Event extends { readonly _tag: string; readonly at: number }>(
  codec: { readonly encode: (event: Event) => object; readonly decode: (recorded: never) => object },
  event: Event
): Event => ({ ...codec.decode(codec.encode(event) as never), at: event.at }) as Event

/** Checks every cut of a history: what was read from the snapshot, and what it becomes with the rest. */
const checkCuts = <State, Event>(
  decider: { readonly initial: State; readonly evolve: (state: State, event: Event) => State },
  codec: StateCodec.StateCodec<State>,
  events: ReadonlyArray<Event>,
  view: (state: State) => unknown
) => {
  const encode = Schema.encodeSync(codec.schema)
  const decode = Schema.decodeSync(codec.schema)
  const fold = (from: State, some: ReadonlyArray<Event>) => some.reduce(decider.evolve, from)
  const whole = view(fold(decider.initial, events))
  for (let cut = 0; cut <= events.length; cut++) {
    const head = fold(decider.initial, events.slice(0, cut))
    const restored = decode(encode(head))
    assert.deepStrictEqual(view(restored), view(head))
    assert.deepStrictEqual(view(fold(restored, events.slice(cut))), whole)
  }
}

const ref = { assetId: "orders.raw", partitionKey: "2024-01" }
const json = fc.option(fc.jsonValue({ maxDepth: 2 }), { nil: undefined })
const part = fc.record({
  ...{ store: fc.string(), key: fc.string(), bytes: fc.nat(), etag: fc.string(), sha256: fc.constantFrom("aa", "bb") },
  written: fc.boolean()
})
const input = fc.record(
  { assetId: fc.string(), partitionKey: fc.string(), generation: fc.nat(), optional: fc.boolean() },
  { requiredKeys: ["assetId", "partitionKey", "generation"] }
)
const production = fc
  .record({
    ...{
      run: fc.nat(30),
      attempt: fc.integer({ min: 1, max: 2 }),
      payload: json,
      parts: fc.array(part, { maxLength: 2 })
    },
    parameters: fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 1 }), { maxKeys: 2 }),
    ...{ inputs: fc.array(input, { maxLength: 2 }), producedAt: fc.option(fc.nat(2_000), { nil: undefined }) },
    ...{ heals: fc.option(fc.nat(4), { nil: undefined }), key: fc.option(fc.nat(5), { nil: undefined }) },
    runPartitionKey: fc.option(fc.string(), { nil: undefined })
  })
  .map(
    ({ heals, key, run, ...fields }): Asset.Unstamped => ({
      ...{ _tag: "Produce", ...ref, ...fields, workflow: "orders", version: 1, stepId: "load", runId: `run-${run}` },
      reads: [{ store: "inbox", key: "a.csv" }],
      recoveryId: heals === undefined ? undefined : Id.recovery(ref.assetId, ref.partitionKey, heals),
      productionKey: key === undefined ? undefined : `copy/${key}`
    })
  )
const assetCommand: fc.Arbitrary<Asset.Unstamped> = fc.oneof(
  { weight: 3, arbitrary: production },
  fc.record({
    ...{ _tag: fc.constant("ReportMissing" as const), assetId: fc.constant(ref.assetId) },
    ...{ partitionKey: fc.constant(ref.partitionKey), generation: fc.nat(9) },
    reason: fc.constantFrom("missing" as const, "corrupt" as const)
  }),
  fc.record({
    ...{ _tag: fc.constant("ReportPresent" as const), assetId: fc.constant(ref.assetId) },
    ...{ partitionKey: fc.constant(ref.partitionKey), generation: fc.nat(9) }
  })
)

const holder = fc.constantFrom("a", "b", "c", "d", "e", "f", "g", "h")
const leaseMs = fc.integer({ min: 1, max: 90 })
const limitCommand = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      ...{ _tag: fc.constant("Acquire" as const), holder, leaseMs },
      ...{ priority: fc.integer({ min: 0, max: 3 }), capacity: fc.constantFrom(1, 2, 2, 3) }
    })
  },
  { weight: 2, arbitrary: fc.record({ _tag: fc.constant("Release" as const), holder }) },
  fc.record({ _tag: fc.constant("Renew" as const), holder, leaseMs }),
  fc.record({ _tag: fc.constant("Expire" as const) })
)

const assetCodec = StateCodec.make(AssetSnapshot, { revision: 1 })
const limitCodec = StateCodec.make(LimitSnapshot, { revision: 1 })
const stamped =
  <Command extends object>(command: Command) =>
  (now: number) => ({ ...command, now })

/** Everything that the queue will ever say: who waits, in order, and in which order they leave. */
const limitView = (state: Limit.State) => {
  const leaving: Array<WaitQueue.Entry> = []
  let queue = state.queue
  for (let next = WaitQueue.first(queue); next !== undefined; next = WaitQueue.first(queue)) {
    leaving.push(next)
    queue = WaitQueue.remove(queue, next.holder)
  }
  return { ...state, queue: WaitQueue.entries(state.queue), leaving }
}

describe("a state that was kept as JSON", () => {
  it("of an Asset is the same as the one that was folded, at every cut of its history", () => {
    const events = EventCodec.make(Asset.Event, {})
    fc.assert(
      fc.property(fc.array(assetCommand, { minLength: 1, maxLength: 40, size: "max" }), (commands) =>
        checkCuts(
          Asset.decider,
          assetCodec,
          history(Asset.decider, events, commands.map(stamped)),
          // A map's equality says nothing about its order, which is the order of forgetting.
          (state) => ({ ...state, recorded: [...state.recorded] })
        )
      ),
      { numRuns: 100 }
    )
  })

  it("of an Asset forgets the same attempts as the one that was folded", () => {
    const events = EventCodec.make(Asset.Event, {})
    const runs = Array.from(
      { length: 300 },
      (_, index): Asset.Unstamped => ({
        ...{
          _tag: "Produce",
          ...ref,
          workflow: "orders",
          version: 1,
          stepId: "load",
          runId: `run-${index}`,
          attempt: 1
        },
        ...{ parameters: {}, inputs: [], reads: [], parts: [] }
      })
    )
    const decided = history(Asset.decider, events, runs.map(stamped))
    checkCuts(Asset.decider, assetCodec, decided, (state) => ({ ...state, recorded: [...state.recorded] }))
  })

  it("of a Limit is the same as the one that was folded, at every cut of its history", () => {
    const events = EventCodec.make(Limit.Event, {})
    fc.assert(
      fc.property(fc.array(limitCommand, { minLength: 1, maxLength: 60, size: "max" }), (commands) =>
        checkCuts(Limit.decider, limitCodec, history(Limit.decider, events, commands.map(stamped)), limitView)
      ),
      { numRuns: 100 }
    )
  })

  it("has a hash that names its shape and its revision", () => {
    const shapes = [
      StateCodec.make(Schema.Struct({ a: Schema.Int }), { revision: 1 }),
      StateCodec.make(Schema.Struct({ a: Schema.Int }), { revision: 2 }),
      StateCodec.make(Schema.Struct({ a: Schema.Int, b: Schema.Int }), { revision: 1 }),
      StateCodec.make(Schema.Struct({ a: Schema.String }), { revision: 1 })
    ]
    assert.strictEqual(new Set(shapes.map(({ hash }) => hash)).size, shapes.length)
    assert.strictEqual(StateCodec.make(Schema.Struct({ a: Schema.Int }), { revision: 1 }).hash, shapes[0]!.hash)
  })
})
