import { type Array as Arr, Cause, type Context, Effect, type Fiber, Schedule } from "effect"
import type { Clock } from "effect/Clock"
import { metadataText } from "../eventstore/EventCodec.ts"
import type {
  Appended,
  EventStore,
  LogUnavailable,
  Metadata,
  NewEvent,
  RecordedEvent
} from "../eventstore/EventStore.ts"
import * as HashChain from "../eventstore/HashChain.ts"
import type { Snapshots } from "../eventstore/Snapshots.ts"
import * as ActorTrace from "./ActorTrace.ts"
import type { Answer, Behaviour, Timed } from "./Behaviour.ts"
import * as Deciding from "./Deciding.ts"
import * as SnapshotKeeper from "./SnapshotKeeper.ts"

/** Commands decided together in one append. */
const decidedTogetherMax = 256

/**
 * Streams up to this length are read again so cheaply that their actors leave memory as soon as nothing is owed. Those
 * of longer ones are used again and again: a snapshot bounds what bringing them back costs, but staying costs nothing
 * (docs/adr/0006-snapshots.md).
 */
const cheapVersionMax = 64

/** What is owed later than this costs no memory until then: the sweeper brings the actor back (F57). */
const farMs = 90_000

/** Events that a load reads and folds together: 5-15 ms of work between two looks at what else there is to do. */
const pageEvents = 500

/** How an activity that ended without satisfying its demand, or a broken load, is tried again. */
const supervision = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("10 seconds")])

interface Pending<State, Command, Rejection> {
  readonly command: Command
  readonly metadata: Metadata
  /** The activity that sent it: its fiber ends by itself once it has the answer. */
  readonly from: string | null
  readonly resume: (answer: Effect.Effect<Answer<State>, Rejection>) => void
}

/** One actor in memory. */
export interface Cell<State, Command, Rejection> {
  readonly execute: (command: Command, metadata: Metadata) => Effect.Effect<Answer<State>, Rejection>
  /** Loads the actor if need be and starts what its state demands. */
  readonly wake: () => void
  /** True when nothing of it has to stay in memory. */
  readonly isIdle: () => boolean
  /** When it was last used, epoch ms. */
  readonly usedAt: () => number
  /** It has lost its shard; or nothing is owed or demanded, and it is cheap to bring back: it may leave memory at once. */
  readonly isDone: () => boolean
  /** It has lost its shard or was closed: it answers nobody any more. */
  readonly isClosed: () => boolean
  readonly drain: Effect.Effect<void>
  readonly close: () => void
  readonly fibers: () => ReadonlyArray<Fiber.Fiber<unknown, unknown>>
}

/**
 * Makes one actor: a queue of commands, a state that never runs ahead of the log, and the fibers of its activities.
 *
 * One append is in flight at a time; commands that queue meanwhile are decided in order and appended as one. Replies,
 * the new state and the activities follow only when the append is durable. A fresh start, a crash, a shard that moved
 * and a passivated actor that wakes up all come through `load`.
 */
export const make = <State, Command, Stamped, Event extends Timed, Rejection, Demand, R>(options: {
  readonly behaviour: Behaviour<State, Command, Stamped, Event, Rejection, Demand, R>
  readonly actorId: string
  readonly store: EventStore["Service"]
  readonly snapshots: typeof Snapshots.Service
  readonly clock: Clock
  readonly context: Context.Context<R>
  /** Whether this process still owns the actor's shard. */
  readonly owned: () => boolean
  /** The actor has lost its shard, or is done: forget it. */
  readonly onIdle: () => void
  /** Who answers what reaches this cell only after it left memory; null: nobody. */
  readonly successor?: () => Cell<State, Command, Rejection> | null
}): Cell<State, Command, Rejection> => {
  const { actorId, behaviour, clock, context, onIdle, owned, snapshots, store } = options
  const streamName = `${behaviour.category}-${actorId}`
  const fork = Effect.runForkWith(context)
  let trace = ActorTrace.make(behaviour.category, actorId, context)
  const running = new Map<string, { fiber: Fiber.Fiber<unknown, unknown> | null; readonly resident: boolean }>()
  const queue: Array<Pending<State, Command, Rejection>> = []
  let state = behaviour.decider.initial
  let version = 0
  let chain = HashChain.genesis
  let loaded = false
  /** The stream is taken to be new without having been read; a lost compare-and-set says otherwise. */
  let assumedNew = false
  let draining = false
  let closed = false
  let wanted = false
  let usedAt = clock.currentTimeMillisUnsafe()

  const keeper =
    behaviour.snapshot === undefined
      ? null
      : SnapshotKeeper.make({
          ...{ streamName, codec: behaviour.snapshot, store, snapshots, fork },
          // It may have been all that kept the actor in memory.
          onWritten: () => {
            if (!draining && !closed) onIdle()
          }
        })

  const reset = () => {
    state = behaviour.decider.initial
    version = 0
    chain = HashChain.genesis
    loaded = false
    assumedNew = false
    trace = ActorTrace.make(behaviour.category, actorId, context)
  }

  /** The next events after `version`; a state that has read nothing of a long stream yet begins at its snapshot. */
  const nextPage = Effect.suspend(() => {
    if (version > 0 || keeper === null) return store.read(streamName, version, pageEvents)
    // Nearly every stream is short: it costs no second question.
    return Effect.flatMap(store.read(streamName, 0, SnapshotKeeper.everyEvents), (first) =>
      first.length < SnapshotKeeper.everyEvents
        ? Effect.succeed(first)
        : Effect.flatMap(keeper.restore(pageEvents), beginAt)
    )
  })

  const beginAt = (restored: SnapshotKeeper.Restored<State> | null) => {
    if (restored === null) return store.read(streamName, 0, pageEvents)
    state = restored.place.state
    version = restored.place.streamVersion
    chain = restored.place.hash
    return Effect.succeed(restored.events)
  }

  const fold = (recorded: ReadonlyArray<RecordedEvent>) => {
    trace.see(recorded, version + 1)
    for (const event of recorded) state = behaviour.decider.evolve(state, behaviour.decode(event))
    const last = recorded[recorded.length - 1]!
    version = last.streamVersion
    chain = last.hash
  }

  const catchUpOnce: Effect.Effect<void, LogUnavailable, R> = Effect.flatMap(nextPage, (recorded) => {
    if (recorded.length === 0) return Effect.void
    return Effect.flatMap(behaviour.prepare?.(recorded) ?? Effect.void, () => {
      fold(recorded)
      return recorded.length < pageEvents ? Effect.void : catchUpOnce
    })
  })

  const catchUp = catchUpOnce.pipe(
    Effect.tapError((error) => Effect.logWarning(`${streamName} cannot be read yet`, error)),
    Effect.retry(supervision),
    Effect.orDie
  )

  const load = Effect.flatMap(catchUp, () => {
    loaded = true
    note()
    // Attempts that this process itself still runs were not cut off, whatever made the state be read again.
    const first = running.size === 0 ? (behaviour.onActivate?.(state) ?? null) : null
    if (first !== null) return commitAll([{ command: first, metadata: {}, from: null, resume: () => {} }])
    reconcile(new Set())
    return Effect.void
  })

  const note = () => keeper?.note({ state, streamVersion: version, hash: chain })

  const answer = (appended: Appended | null): Answer<State> => ({
    state,
    streamVersion: version,
    position: appended?.position ?? null
  })

  const link = (decided: ReadonlyArray<Deciding.Decided>): Arr.NonEmptyReadonlyArray<NewEvent> => {
    let previous = chain
    let streamVersion = version
    return decided.map((event): NewEvent => {
      streamVersion++
      previous = HashChain.link(previous, { ...event, streamVersion, metadata: metadataText(event.metadata) })
      return { ...event, hash: previous }
    }) as unknown as Arr.NonEmptyReadonlyArray<NewEvent>
  }

  const commitAll = (batch: ReadonlyArray<Pending<State, Command, Rejection>>): Effect.Effect<void, never, R> => {
    const now = clock.currentTimeMillisUnsafe()
    const { decided, next, replies } = Deciding.decideAll(behaviour, actorId, state, now, batch)
    const tell = (appended: Appended | null) =>
      batch.forEach((pending, index) => {
        pending.resume(replies[index] ?? Effect.succeed(answer(appended)))
      })
    if (decided.length === 0) {
      reconcile(new Set(batch.map(({ from }) => from)))
      tell(null)
      return Effect.void
    }
    const stored = link(decided)
    const append = store.append({
      streamName,
      expectedVersion: version,
      events: stored,
      wakeAt: behaviour.wakeAt(next, now),
      waitsOn: behaviour.waitsOn?.(next) ?? null
    })
    return Effect.matchEffect(append, {
      onSuccess: (appended) => {
        state = next
        trace.see(stored, version + 1)
        version += stored.length
        chain = stored[stored.length - 1]!.hash
        assumedNew = false
        reconcile(new Set(batch.map(({ from }) => from)))
        note()
        const ended = behaviour.ended?.(
          state,
          stored.map(({ type }) => type)
        )
        if (ended) trace.end(ended)
        tell(appended)
        return Effect.void
      },
      onFailure: (failure) => {
        if (failure._tag === "VersionConflict") return decideAgain(batch)
        // The data of one of them is at fault: each is tried alone, so that only the culprit fails.
        if (batch.length > 1) return Effect.forEach(batch, (pending) => tried([pending]), { discard: true })
        batch[0]!.resume(Effect.die(failure))
        return Effect.void
      }
    })
  }
  const tried = (batch: ReadonlyArray<Pending<State, Command, Rejection>>) => Effect.suspend(() => commitAll(batch))

  /** Another owner wrote. If the shard is no longer ours, stop everything and leave; otherwise decide again. */
  const decideAgain = (batch: ReadonlyArray<Pending<State, Command, Rejection>>): Effect.Effect<void, never, R> => {
    if (!owned()) {
      close()
      for (const { resume } of batch) resume(Effect.die(new Error(`${streamName} has moved to another process`)))
      return Effect.void
    }
    if (assumedNew) {
      reset()
      return Effect.andThen(load, tried(batch))
    }
    return Effect.flatMap(catchUp, () => {
      reconcile(new Set())
      return commitAll(batch)
    })
  }

  const turn: Effect.Effect<void, never, R> = Effect.suspend(() => {
    if (closed) return Effect.void
    if (loaded) return decideNext()
    // A stream that a first command creates need not be read: if it exists after all, the compare-and-set says so.
    assumedNew = !wanted && queue.length > 0 && behaviour.creates(queue[0]!.command)
    return assumedNew ? decideNext() : Effect.flatMap(load, decideNext)
  })

  const decideNext = () => {
    loaded = true
    wanted = false
    if (queue.length === 0) return Effect.void
    const batch = queue.splice(0, decidedTogetherMax)
    const committed = Effect.catchCause(tried(batch), (cause) => {
      reset()
      const failed = Effect.die(Cause.squash(cause))
      for (const { resume } of batch) resume(failed)
      // A log that closes under it is the end of the process, and no fault.
      return Cause.hasInterruptsOnly(cause)
        ? Effect.void
        : Effect.logError(`${streamName} failed and is loaded again`, cause)
    })
    return Effect.andThen(committed, turn)
  }

  const work = turn.pipe(
    Effect.catchCause((cause) => {
      reset()
      // Not at once again: the sweeper, or the next message, comes back to it.
      wanted = false
      for (const { resume } of queue.splice(0)) resume(Effect.die(Cause.squash(cause)))
      return Effect.logError(`${streamName} could not be loaded`, cause)
    }),
    Effect.ensuring(
      Effect.sync(() => {
        draining = false
        if (closed) for (const { resume } of queue.splice(0)) resume(Effect.die(new Error(`${streamName} was closed`)))
        if (!closed && (queue.length > 0 || wanted)) start()
        else onIdle()
      })
    )
  )

  const start = () => {
    if (draining || closed) return
    draining = true
    fork(work)
  }

  const submit = (command: Command, metadata: Metadata, from: string | null) =>
    Effect.callback<Answer<State>, Rejection>((resume) => {
      usedAt = clock.currentTimeMillisUnsafe()
      if (closed) {
        // An activity of what was closed has nothing to say any more.
        const next = from === null ? options.successor?.() : undefined
        return resume(next?.execute(command, metadata) ?? Effect.die(new Error(`${streamName} was closed`)))
      }
      queue.push({ command, metadata, from, resume })
      start()
    })

  /**
   * Starts what the state demands and does not run, ends what runs and is no longer demanded. A fiber owns its key
   * until its result is in the log; senders of the commands just committed end by themselves.
   */
  const reconcile = (senders: ReadonlySet<string | null>) => {
    // A commit that outlives the actor must not start the next activity.
    const demanded = closed ? [] : behaviour.demands(state)
    const keys = new Map<string, Demand>()
    for (const demand of demanded) keys.set(behaviour.key(demand, state), demand)
    for (const [key, { fiber }] of running) {
      if (keys.has(key)) continue
      running.delete(key)
      if (!senders.has(key)) fiber?.interruptUnsafe()
    }
    for (const [key, demand] of keys) if (!running.has(key)) begin(key, demand)
    behaviour.settled?.(actorId, state)
  }

  const begin = (key: string, demand: Demand) => {
    const entry = { fiber: null as Fiber.Fiber<unknown, unknown> | null, resident: behaviour.isResident(demand) }
    running.set(key, entry)
    const isDemanded = () => running.get(key) === entry
    const commit = (command: Command) => submit(command, {}, key)
    const attempt = Effect.suspend(() => behaviour.activity(demand, state, commit)).pipe(
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.interrupt
          : Effect.logWarning(`activity ${key} of ${streamName} failed`, cause)
      )
    )
    // The first try carries no schedule: nearly all need no second one.
    const fiber = Effect.runForkWith(trace.within(context))(
      Effect.flatMap(attempt, () =>
        isDemanded()
          ? attempt.pipe(
              Effect.delay("50 millis"),
              Effect.repeat({ schedule: supervision, while: isDemanded }),
              Effect.asVoid
            )
          : Effect.void
      )
    )
    entry.fiber = fiber
  }

  const close = () => {
    closed = true
    for (const { fiber } of running.values()) fiber?.interruptUnsafe()
    running.clear()
    keeper?.close()
    if (!draining) for (const { resume } of queue.splice(0)) resume(Effect.die(new Error(`${streamName} was closed`)))
    behaviour.settled?.(actorId, state)
  }

  const isFar = (wakeAt: number | null) => wakeAt === null || wakeAt > clock.currentTimeMillisUnsafe() + farMs

  const isIdle = () => {
    if (draining || queue.length > 0 || keeper?.isWriting() === true) return false
    for (const { resident } of running.values()) if (resident) return false
    return true
  }

  return {
    execute: (command, metadata) => submit(command, metadata, null),
    wake: () => {
      if (loaded) return
      wanted = true
      start()
    },
    isIdle,
    usedAt: () => usedAt,
    isDone: () =>
      closed ||
      (isIdle() &&
        loaded &&
        version <= cheapVersionMax &&
        isFar(behaviour.wakeAt(state, clock.currentTimeMillisUnsafe())) &&
        // Who waits for a message is told soon, and would only be read back.
        (behaviour.waitsOn?.(state) ?? null) === null),
    isClosed: () => closed,
    drain: Effect.suspend(() => {
      const command = loaded ? (behaviour.onDrain?.(state) ?? null) : null
      return command === null ? Effect.void : Effect.exit(submit(command, {}, null)).pipe(Effect.asVoid)
    }),
    close,
    fibers: () => [...running.values()].flatMap(({ fiber }) => (fiber === null ? [] : [fiber]))
  }
}
