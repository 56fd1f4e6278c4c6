import { DateTime, Effect, Schema } from "effect"
import type { NotFound } from "../actors/Engine.ts"
import { type EventStore, type LogUnavailable, Position, type RecordedEvent } from "../eventstore/EventStore.ts"
import { answer } from "./Answer.ts"
import { type Fault, InvalidInputProblem, NotFoundProblem } from "./api/Problems.ts"

/**
 * Refuses a position that the log has not given out yet: it is of another log, or of one that was set back. A time that
 * is still to come is no fault: what is then known of it is what is known now.
 */
export const refuseAhead = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  place: Pick<Fault, "in" | "path">,
  position: Position | number | undefined
) {
  if (typeof position !== "string") return
  const head = yield* answer(store.head)
  if (position <= head) return
  const message = `is beyond the end of the log, ${head}: it is a position of the future, or of another log`
  return yield* new InvalidInputProblem({ detail: "The request is not valid", errors: [{ ...place, message }] })
})

/** The same for a cursor, of a list whose cursors are positions; any other text is that list's to refuse. */
export const refuseCursorAhead = (store: EventStore["Service"], cursor: string | undefined) =>
  refuseAhead(store, { in: "query", path: "cursor" }, isPosition(cursor) ? cursor : undefined)

const isPosition = Schema.is(Position)

/** What `read` answers for a thing as it was at `at`. One that began later is a 404 that says when it began. */
export const asOf = <A>(
  store: EventStore["Service"],
  at: Position | number | undefined,
  streamName: string,
  read: Effect.Effect<A, NotFound | LogUnavailable>
) =>
  at === undefined
    ? answer(read)
    : Effect.andThen(
        refuseAhead(store, { in: "query", path: "at" }, at),
        Effect.catchTag(answer(read), "NotFoundProblem", (problem) => notYet(store, at, streamName, problem))
      )

const notYet = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  at: Position | number,
  streamName: string,
  problem: NotFoundProblem
) {
  const [first] = yield* answer(store.read(streamName, 0, 1))
  if (first === undefined) return yield* problem
  const { id, kind } = problem
  return yield* new NotFoundProblem({ detail: notYetLine(`${kind} ${id}`, at, first), kind, id })
})

/** That there was no `thing` at `at`, and when its `first` event came. */
export const notYetLine = (thing: string, at: Position | number, first: RecordedEvent): string => {
  const when = typeof at === "number" ? iso(at) : at
  return `There was no ${thing} yet at ${when}: it began at ${iso(first.recordedAt)}, position ${first.position}`
}

const iso = (epochMs: number): string => DateTime.formatIso(DateTime.makeUnsafe(epochMs))
