import { Cause, Effect, FiberSet, Latch, Option, Result, Schedule, Schema, Semaphore } from "effect"
import type { CloudEventInvalid } from "./CloudEvent.ts"
import { type BusUnavailable, type Handler, Refused, type Unavailable } from "./EventBus.ts"

/** An event as a backend hands it over; `id` names it within its group. */
export interface Entry {
  readonly id: string
  readonly text: string
}

/** Another consumer of the group may be the active one by now: what this one had in hand is delivered there. */
export class NotActive extends Schema.TaggedError<NotActive>()("NotActive", { group: Schema.String }) {
  override get message(): string {
    return `this process is not the active consumer of group ${this.group} any more`
  }
}

/** What a backend does for the active consumer of a group. A failure ends the delivery; the backend starts another. */
export interface Source {
  /** Waits until there is something and answers at most `max` entries in order, each once. */
  readonly take: (max: number) => Effect.Effect<ReadonlyArray<Entry>, BusUnavailable | NotActive>
  /** Takes an entry off the group, and keeps it as a dead letter when there is a refusal. */
  readonly settle: (entry: Entry, refusal: Refused | null) => Effect.Effect<void, BusUnavailable | NotActive>
  /** Asked before each try of a handler, without a round trip. */
  readonly stillActive: Effect.Effect<void, NotActive>
}

/** What is done with the entries of one group. */
export interface Consumer<A, R> {
  readonly group: string
  readonly decode: (text: string) => Result.Result<A, Refused>
  /** Events with the same key are handled one after the other. */
  readonly orderKey: (event: A) => string
  readonly handle: Handler<A, R>
  /** How many handlers run at once. */
  readonly concurrency: number
}

/** Entries that are taken and not settled; an asset that is stuck holds back the others only when these are all its. */
const inFlightMax = 256
/** A handler that dies is tried again in case its surroundings were to blame; so often, then the event is. */
const deathsMax = 5
const backoff = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("30 seconds")]).pipe(
  Schedule.jittered
)

class HandlerDied extends Schema.TaggedError<HandlerDied>()("HandlerDied", { message: Schema.String }) {}

/** Handles entries until the source fails. Handlers in progress are interrupted then; their entries are not settled. */
export const run = Effect.fnUntraced(function* <A, R>(
  source: Source,
  consumer: Consumer<A, R>
): Effect.fn.Return<never, BusUnavailable | NotActive, R> {
  const { concurrency, decode, group, handle, orderKey } = consumer
  const handlers = yield* Semaphore.make(concurrency)
  const room = yield* Latch.make()
  /** Per order key what waits behind the entry that is handled now. A lane exists while a fiber drains it. */
  const lanes = new Map<string, Array<{ readonly entry: Entry; readonly event: A }>>()
  let inFlight = 0

  const settle = Effect.fnUntraced(function* (entry: Entry, refusal: Refused | null) {
    if (refusal !== null) {
      yield* Effect.logWarning(`bus group ${group}: entry ${entry.id} is a dead letter now: ${refusal.message}`)
    }
    yield* source.settle(entry, refusal)
    inFlight -= 1
    yield* room.open
  })

  /** Null when the event was handled. */
  const outcome = Effect.fnUntraced(function* (entry: Entry, event: A) {
    let deaths = 0
    const attempt = handlers.withPermits(1)(Effect.andThen(source.stillActive, classified(handle(event))))
    return yield* attempt.pipe(
      Effect.as(null),
      Effect.catchTag("Refused", (refusal) => Effect.succeed(refusal)),
      Effect.tapErrorTag(["Unavailable", "HandlerDied"], (error) =>
        Effect.logWarning(`bus group ${group}: entry ${entry.id} is not handled yet: ${error.message}`)
      ),
      Effect.retry({
        while: (error) => error._tag === "Unavailable" || (error._tag === "HandlerDied" && ++deaths < deathsMax),
        schedule: backoff
      }),
      Effect.catchTag("HandlerDied", (error) => Effect.succeed(new Refused({ reason: error.message, path: "" }))),
      // The retry goes on for ever with these.
      Effect.catchTag("Unavailable", (error) => Effect.die(error))
    )
  })

  const drain = Effect.fnUntraced(function* (key: string, lane: Array<{ readonly entry: Entry; readonly event: A }>) {
    for (let next = lane.shift(); next !== undefined; next = lane.shift()) {
      yield* settle(next.entry, yield* outcome(next.entry, next.event))
    }
    lanes.delete(key)
  })

  return yield* Effect.scoped(
    Effect.gen(function* () {
      const fibers = yield* FiberSet.make<void, BusUnavailable | NotActive>()
      const accept = Effect.fnUntraced(function* (entry: Entry) {
        const decoded = decode(entry.text)
        if (Result.isFailure(decoded)) return yield* settle(entry, decoded.failure)
        const event = decoded.success
        const key = orderKey(event)
        const lane = lanes.get(key)
        if (lane !== undefined) {
          lane.push({ entry, event })
          return
        }
        const opened = [{ entry, event }]
        lanes.set(key, opened)
        yield* FiberSet.run(fibers, drain(key, opened))
      })
      const accepting = Effect.gen(function* () {
        while (true) {
          while (inFlight >= inFlightMax) {
            yield* room.close
            yield* room.await
          }
          const entries = yield* source.take(inFlightMax - inFlight)
          inFlight += entries.length
          yield* Effect.forEach(entries, accept, { discard: true })
        }
      })
      return yield* Effect.raceFirst(accepting, Effect.andThen(FiberSet.join(fibers), Effect.never))
    })
  )
})

/** An event that cannot be read is refused with its first fault's path, and all of its faults as the reason. */
export const refusing = <A>(decoded: Result.Result<A, CloudEventInvalid>): Result.Result<A, Refused> =>
  Result.mapError(decoded, (error) => {
    const [first, ...others] = error.problems
    if (first === undefined || others.length > 0) return new Refused({ reason: error.message, path: first?.path ?? "" })
    return new Refused({ reason: first.message, path: first.path })
  })

/** A defect, or a handler that interrupts itself, is a failure of this event and not the end of the consumer. */
const classified = <R>(
  handled: Effect.Effect<void, Refused | Unavailable, R>
): Effect.Effect<void, Refused | Unavailable | HandlerDied, R> =>
  Effect.catchCause(handled, (cause): Effect.Effect<never, Refused | Unavailable | HandlerDied> => {
    const error = Cause.findErrorOption(cause)
    if (Option.isSome(error)) return Effect.fail(error.value)
    const defect = Cause.squash(cause)
    return new HandlerDied({
      message: `the handler died: ${defect instanceof Error ? defect.message : String(defect)}`
    })
  })
