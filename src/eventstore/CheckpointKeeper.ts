import { Duration, Effect, Latch, type Scope, Semaphore } from "effect"
import type { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import * as Checkpoint from "./Checkpoint.ts"
import type { Position } from "./EventStore.ts"

/** Writes of the checkpoint are at least this far apart: what was handled since is handled again after a crash. */
const everyMs = 20
/** Pause after a write that failed; the reader finds by itself that the database is away. */
const failedMs = 500

/** Writes down where a reader stands, behind its back: it goes on meanwhile, and many moves become one write. */
export interface CheckpointKeeper {
  /** Reads where the checkpoint is, and keeps it from there; answers where to go on: behind what was handled already. */
  readonly open: (start: Position | null) => Effect.Effect<Position | null, SqlError>
  /** Everything up to here was handled. */
  readonly note: (position: Position) => void
  /** Writes what was noted now. */
  readonly flush: Effect.Effect<void, SqlError>
  /** What is stored, as far as this reader knows. */
  readonly stored: () => Position | null
  /** Another process has moved the checkpoint: the reader has to open it again. */
  readonly hasMoved: () => boolean
}

/** Of the subscription `name`; what was noted last is written when the scope closes. */
export const make = (sql: SqlClient.SqlClient, name: string): Effect.Effect<CheckpointKeeper, never, Scope.Scope> =>
  Effect.gen(function* () {
    let stored: Position | null = null
    let noted: Position | null = null
    /** Written to there, without an answer: it may have been done. */
    let unsure: Position | null = null
    let moved = false
    const isNoted = yield* Latch.make()

    const oneAtATime = yield* Semaphore.make(1)
    const write = Effect.gen(function* () {
      const to = noted
      if (to === null || to === stored || moved) return
      if (unsure !== null && (yield* Checkpoint.open(sql, name, stored)) === unsure) stored = unsure
      unsure = to
      const outcome = yield* Checkpoint.move(sql, name, stored, to)
      unsure = null
      if (outcome === "stored") stored = to
      else moved = true
    }).pipe(oneAtATime.withPermits(1))

    yield* Effect.gen(function* () {
      while (true) {
        yield* isNoted.await
        isNoted.closeUnsafe()
        const hasFailed = yield* Effect.matchCause(write, { onFailure: () => true, onSuccess: () => false })
        if (hasFailed) isNoted.openUnsafe()
        yield* Effect.sleep(Duration.millis(hasFailed ? failedMs : everyMs))
      }
    }).pipe(Effect.ensuring(Effect.ignore(Effect.timeout(write, "1 second"))), Effect.forkScoped)

    const open = Effect.fnUntraced(function* (start: Position | null) {
      const at = yield* Checkpoint.open(sql, name, start)
      // After an outage it is where this reader left it, and what was handled since need not be handled again.
      const isOwn = !moved && (at === stored || at === unsure)
      if (!isOwn) noted = null
      stored = at
      unsure = null
      moved = false
      return noted ?? stored
    }, oneAtATime.withPermits(1))
    const note = (position: Position) => {
      noted = position
      isNoted.openUnsafe()
    }
    return { open, note, flush: write, stored: () => stored, hasMoved: () => moved }
  })
