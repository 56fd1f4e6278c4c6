import { Cause, Clock, Effect, Schedule } from "effect"
import { type Command, decider, type Rejection, type Unstamped } from "../domain/bulk/BulkDecide.ts"
import * as Demand from "../domain/bulk/BulkDemand.ts"
import { type Action, Event, type ItemResult } from "../domain/bulk/BulkEvents.ts"
import { isCanaryTurn, type State } from "../domain/bulk/BulkState.ts"
import * as EventCodec from "../eventstore/EventCodec.ts"
import { EventStore, type RecordedEvent } from "../eventstore/EventStore.ts"
import * as Actors from "./Actors.ts"
import type { Behaviour, Commit } from "./Behaviour.ts"
import * as BulkItem from "./BulkItem.ts"

const codec = EventCodec.make(Event, {})
export const decode = (recorded: RecordedEvent): Event => ({ ...codec.decode(recorded), at: recorded.recordedAt })

const atOnce = 4
/** An item whose telling breaks is tried so often before it counts as failed. */
const brokenTries = 3
/** A database that is away is waited for. */
const patience = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")])
const lookAgain = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")])

/** What makes something go on whose end shows whether it helped. */
const isWatched = (action: Action): boolean => action === "recover" || action === "retry" || action === "replay"

/** The Bulk actor: one command for each item of a list, a few at a time, canaries first. */
export const make = Effect.gen(function* () {
  const items = yield* BulkItem.make(yield* EventStore)
  const runs = yield* Actors.run.client
  const recoveries = yield* Actors.recovery.client

  type Send = Commit<State, Unstamped, Rejection>

  const result = (state: State, id: string): Effect.Effect<ItemResult> =>
    items.tell(state, id).pipe(
      Effect.retry(patience),
      Effect.orDie,
      Effect.sandbox,
      Effect.retry({
        times: brokenTries - 1,
        schedule: Schedule.spaced("200 millis"),
        while: (cause) => !Cause.hasInterrupts(cause)
      }),
      Effect.catch((cause) => {
        if (Cause.hasInterrupts(cause)) return Effect.interrupt
        const failed: ItemResult = {
          ...{ outcome: "failed", code: "internal_error" },
          message: `it could not be told: ${line(Cause.squash(cause))}`
        }
        return Effect.as(Effect.logError(`bulk ${state.bulkId}: ${id} could not be told`, cause), failed)
      })
    )

  const tell = Effect.fnUntraced(function* (
    state: State,
    { from, ids }: Demand.Demand & { _tag: "Tell" },
    commit: Send
  ) {
    const start = yield* Clock.currentTimeMillis
    const gapMs = 1_000 / state.ratePerSecond
    const watched = isCanaryTurn(state) && isWatched(state.action)
    const results = yield* Effect.forEach(
      ids,
      Effect.fnUntraced(function* (id, index) {
        const now = yield* Clock.currentTimeMillis
        // The first waits too: the batch before has ended just now.
        yield* Effect.sleep(Math.max(0, start + (index + 1) * gapMs - now))
        const found = yield* result(state, id)
        return watched && found.outcome === "done" ? { ...found, watched } : found
      }),
      { concurrency: atOnce }
    )
    yield* commit({ _tag: "EndItems", from, results })
  })

  const endOf = (state: State, id: string) =>
    state.target === "runs"
      ? Effect.map(Effect.orDie(runs.execute(id, { _tag: "Read" })), ({ state: run }) => ({
          ended: run.ended,
          message: run.failure?.message
        }))
      : Effect.map(Effect.orDie(recoveries.execute(id, { _tag: "Read" })), ({ state: { failure, status } }) => ({
          ended: status === "succeeded" || status === "failed" || status === "canceled" ? status : null,
          message: failure?.message
        }))

  const watch = Effect.fnUntraced(function* (
    state: State,
    { endOf: id, itemId }: Demand.Demand & { _tag: "Watch" },
    commit: Send
  ) {
    const { ended, message } = yield* Effect.repeat(endOf(state, id), {
      schedule: lookAgain,
      until: (found) => found.ended !== null
    })
    if (ended === null) return
    yield* commit({ _tag: "EndCanary", itemId, ended, ...(ended === "succeeded" ? {} : { message }) })
  })

  const behaviour: Behaviour<State, Unstamped, Command, Event, Rejection, Demand.Demand> = {
    category: "bulk",
    decider,
    encode: codec.encode,
    decode,
    stamp: (command, now) => ({ ...command, now }),
    creates: (command) => command._tag === "Request",
    demands: Demand.demands,
    key: Demand.key,
    isResident: () => true,
    activity: (demand, state, commit) =>
      demand._tag === "Tell" ? tell(state, demand, commit) : watch(state, demand, commit),
    wakeAt: Demand.wakeAt
  }
  return behaviour
})

const line = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(/\s*\n\s*/g, " ")
