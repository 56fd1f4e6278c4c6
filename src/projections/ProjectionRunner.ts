import { Clock, Context, Duration, Effect, Exit, Layer, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import * as ProjectionSteering from "../domain/ProjectionSteering.ts"
import {
  type Appended,
  type AppendRefused,
  EventStore,
  LogUnavailable,
  type Metadata,
  type Position
} from "../eventstore/EventStore.ts"
import * as StreamAppend from "../eventstore/StreamAppend.ts"
import { type Member, order } from "./Member.ts"
import type { Projection } from "./Projection.ts"
import { keyOf, type RebuildFailed } from "./Rebuild.ts"
import * as RunnerLoop from "./RunnerLoop.ts"
import { codec, type Skip } from "./Skips.ts"

/** The read model has not reached the position that was asked for. `error`: why it is parked; null: it is only slow. */
export class ProjectionBehind extends Schema.TaggedError<ProjectionBehind>()("ProjectionBehind", {
  projection: Schema.String,
  minPosition: Schema.String,
  position: Schema.NullOr(Schema.String),
  error: Schema.NullOr(Schema.String)
}) {}

/** No projection has this name. */
export class UnknownProjection extends Schema.TaggedError<UnknownProjection>()("UnknownProjection", {
  projection: Schema.String,
  known: Schema.Array(Schema.String)
}) {}

/** The command needs another state of the projection than the one that it is in. */
export class ProjectionNotSo extends Schema.TaggedError<ProjectionNotSo>()("ProjectionNotSo", {
  projection: Schema.String,
  command: Schema.Literals(["skip", "rebuild"]),
  /** `running`, `rebuilding`, `parked`, or `parked before <position>`. */
  status: Schema.String
}) {}

export interface ProjectionStatus {
  readonly name: string
  readonly position: Position | null
  /** Events of the log that it has not read; approximate, because numbers are given out with gaps. null: not known. */
  readonly lagEvents: number | null
  /** Since it last read the log with success, with or without anything new. */
  readonly heartbeatAgeMs: number
  /** Why it is parked; null: it is not. */
  readonly error: string | null
  /** The event that it is parked before, which `skip` takes; null: none, or which one could not be found out. */
  readonly errorPosition: Position | null
  readonly rebuilding: boolean
  /** How far a rebuild is; null: there is none. */
  readonly rebuild: {
    readonly position: Position | null
    readonly events: number
    readonly lagEvents: number | null
    readonly error: string | null
  } | null
  /** How the last rebuild of this process ended; null: there was none, or it goes on. */
  readonly lastRebuild: { readonly at: number; readonly events: number; readonly error: string | null } | null
  /** Events that it was told to leave out, with the reason and who said so. */
  readonly skipped: ReadonlyArray<Skip>
}

/** Who asks for a change, and why: kept in the log. */
export interface Asked {
  readonly reason: string
  readonly metadata: Metadata
}

export class ProjectionRunner extends Context.Service<
  ProjectionRunner,
  {
    /** One entry a projection. Answers without the database too; then the lag is null. */
    readonly status: Effect.Effect<ReadonlyArray<ProjectionStatus>>

    /** Where a projection stands; null: at the start of the log. */
    readonly position: (name: string) => Effect.Effect<Position | null, UnknownProjection>

    /**
     * Waits until `name` (default: every projection that is not parked) contains the event at `position`, at most
     * `timeoutMs` (default 5,000). Fails at once when the projection is parked before it.
     */
    readonly waitFor: (
      position: Position,
      options?: { readonly name?: string; readonly timeoutMs?: number }
    ) => Effect.Effect<void, ProjectionBehind | UnknownProjection>

    /**
     * Builds the projection's tables anew beside those that are read, and switches when level with the log. Ends then;
     * answers how many events were read. Also the way out for a parked projection once its cause is gone.
     */
    readonly rebuild: (name: string) => Effect.Effect<{ readonly events: number }, RebuildFailed | UnknownProjection>

    /** Notes in the log that a rebuild was asked for, and begins it; its end is seen in `status`. */
    readonly requestRebuild: (
      name: string,
      asked: Asked
    ) => Effect.Effect<Appended, UnknownProjection | ProjectionNotSo | LogUnavailable | AppendRefused>

    /**
     * Lets a parked projection go on without the event that it stands before, for good. `position` has to name that
     * event, so that nobody skips another one by mistake.
     */
    readonly skip: (
      name: string,
      position: Position,
      asked: Asked
    ) => Effect.Effect<Appended, UnknownProjection | ProjectionNotSo | LogUnavailable | AppendRefused>
  }
>()("kintsugi/projections/ProjectionRunner") {
  /** Runs `projections` for as long as the layer lives. One process at a time should: others lose every batch. */
  static readonly layer = (
    projections: ReadonlyArray<Projection>
  ): Layer.Layer<ProjectionRunner, SqlError, EventStore | SqlClient.SqlClient> =>
    Layer.effect(ProjectionRunner, make(projections))
}

const waitMsDefault = 5_000
/** A database can also hang: what is known without it does not wait for it. */
const headMsMax = 1_000

const make = Effect.fnUntraced(function* (projections: ReadonlyArray<Projection>) {
  const store = yield* EventStore
  const scope = yield* Effect.scope
  const { changed, members, left, rebuild, rebuilds, unpark, unwantRebuild, wantRebuild } =
    yield* RunnerLoop.start(projections)
  const ends = new Map<string, NonNullable<ProjectionStatus["lastRebuild"]>>()
  const known = projections.map(({ name }) => name)

  const find = (name: string): Effect.Effect<Member, UnknownProjection> => {
    const member = members.get(name)
    const isPublic = member !== undefined && member.schema === null
    return isPublic ? Effect.succeed(member) : Effect.fail(new UnknownProjection({ projection: name, known }))
  }

  const status = Effect.gen(function* () {
    const head = yield* store.head.pipe(
      Effect.timeout(headMsMax),
      Effect.orElseSucceed(() => null)
    )
    const now = yield* Clock.currentTimeMillis
    return known.map((name): ProjectionStatus => {
      const { error, errorPosition, heartbeatAt, position, skips } = members.get(name)!
      const copy = members.get(keyOf(name))
      const behind = (at: Position | null) => (head === null ? null : lagOf(at, head))
      return {
        ...{ name, position, lagEvents: behind(position), heartbeatAgeMs: Math.max(0, now - heartbeatAt) },
        ...{ error, errorPosition, rebuilding: rebuilds.has(name), skipped: [...skips.values()] },
        lastRebuild: ends.get(name) ?? null,
        rebuild:
          copy === undefined
            ? null
            : {
                ...{ position: copy.position, events: copy.eventsRead, error: copy.error },
                lagEvents: behind(copy.position)
              }
      }
    })
  })

  const waitFor = Effect.fnUntraced(function* (
    position: Position,
    options: { readonly name?: string; readonly timeoutMs?: number } = {}
  ): Effect.fn.Return<void, ProjectionBehind | UnknownProjection> {
    const waited = options.name === undefined ? known.map((name) => members.get(name)!) : [yield* find(options.name)]
    const behind = () =>
      waited.find(
        (member) => order(member.position) < position && (member.error === null || options.name !== undefined)
      )
    const reached = Effect.gen(function* () {
      for (let member = behind(); member !== undefined && member.error === null; member = behind()) yield* changed
    })
    yield* Effect.timeoutOption(reached, Duration.millis(options.timeoutMs ?? waitMsDefault))
    const late = behind()
    if (late === undefined) return
    return yield* new ProjectionBehind({
      ...{ projection: late.key, minPosition: position, position: late.position, error: late.error }
    })
  })

  const note = (event: Parameters<typeof codec.encode>[0], { metadata }: Asked) =>
    StreamAppend.append(store, ProjectionSteering.streamName(event.projection), codec.encode(event), metadata)

  const begin = (live: Member) => {
    ends.delete(live.key)
    return rebuild(live).pipe(
      Effect.map(({ events }) => ({ events, error: null })),
      Effect.catchTag("RebuildFailed", ({ message }) =>
        Effect.as(Effect.logError(message), { events: 0, error: message })
      ),
      Effect.flatMap((end) => Effect.map(Clock.currentTimeMillis, (at) => ends.set(live.key, { at, ...end }))),
      Effect.forkIn(scope, { startImmediately: true })
    )
  }
  // What was asked for and did not end with its process begins again by itself: somebody wanted it.
  yield* Effect.forEach(left, begin, { discard: true })

  const requestRebuild = Effect.fnUntraced(function* (name: string, asked: Asked) {
    const live = yield* find(name)
    const reason = asked.reason === "" ? {} : { reason: asked.reason }
    const noted = note({ _tag: "ProjectionRebuildRequested", projection: name, ...reason }, asked)
    const unavailable = (cause: SqlError) => new LogUnavailable({ message: cause.message, cause })
    return yield* Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        if (!(yield* restore(Effect.mapError(wantRebuild(live), unavailable)))) {
          return yield* new ProjectionNotSo({ projection: name, command: "rebuild", status: "rebuilding" })
        }
        // Whoever gave up does not know whether it is in the log: what is there has to be done.
        const isWanted = (exit: Exit.Exit<unknown, unknown>) => Exit.isSuccess(exit) || Exit.hasInterrupts(exit)
        return yield* Effect.onExit(restore(noted), (exit) =>
          Effect.asVoid(isWanted(exit) ? begin(live) : unwantRebuild(live))
        )
      })
    )
  })

  const skip = Effect.fnUntraced(function* (name: string, position: Position, asked: Asked) {
    const live = yield* find(name)
    const { error, errorPosition } = live
    if (error === null || errorPosition !== position) {
      const status = error === null ? "running" : `parked${errorPosition === null ? "" : ` before ${errorPosition}`}`
      return yield* new ProjectionNotSo({ projection: name, command: "skip", status })
    }
    const { reason } = asked
    const appended = yield* note({ _tag: "ProjectionEventSkipped", projection: name, position, reason, error }, asked)
    const at = yield* Clock.currentTimeMillis
    live.skips.set(position, { position, reason, error, principal: asked.metadata.principal ?? null, at })
    // Only now: what is in the log holds after a crash too.
    yield* Effect.orDie(unpark(live))
    return appended
  })

  return ProjectionRunner.of({
    status,
    waitFor,
    requestRebuild,
    skip,
    position: (name) => Effect.map(find(name), (member) => member.position),
    rebuild: (name) => Effect.flatMap(find(name), rebuild)
  })
})

/** The number within a position: how many events were given one before. */
const numberOf = (position: Position): number => Number.parseInt(position.slice(-16), 16)

/** Numbers are given out in blocks, so that a later event can have a smaller one; then one stands for some. */
const lagOf = (position: Position | null, head: Position): number =>
  order(position) >= head ? 0 : Math.max(1, numberOf(head) - numberOf(order(position)))
