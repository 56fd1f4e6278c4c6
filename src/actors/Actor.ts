import { Clock, Duration, Effect, Latch, Layer, Schedule, Schema } from "effect"
import { ClusterSchema, Entity, Sharding } from "effect/cluster"
import { Rpc } from "effect/rpc"
import { EventStore, type Metadata } from "../eventstore/EventStore.ts"
import { Snapshots } from "../eventstore/Snapshots.ts"
import * as Trace from "../eventstore/Trace.ts"
import { ActorSystem, type Bucket } from "./ActorSystem.ts"
import type { Answer, Behaviour, Timed } from "./Behaviour.ts"
import * as Cell from "./Cell.ts"

/** FNV-1a over UTF-16 units: spreads ids over buckets, the same in every process. */
const bucketOf = (actorId: string, buckets: number | "actor"): string => {
  if (buckets === "actor") return actorId
  let hash = 0x811c9dc5
  for (let index = 0; index < actorId.length; index++) hash = Math.imul(hash ^ actorId.charCodeAt(index), 0x01000193)
  return String((hash >>> 0) % buckets)
}

/** How long an actor to whom nothing is owed stays for what may still be asked of it. */
const lingerMs = 500

/** Sends commands to actors of one kind; fails with the domain's rejections only. */
export interface ActorClient<State, Command, Rejection> {
  readonly execute: (actorId: string, command: Command, metadata?: Metadata) => Effect.Effect<Answer<State>, Rejection>
  readonly wake: (actorId: string) => Effect.Effect<void>
}

/**
 * An actor's address and protocol, apart from its behaviour so that two kinds of actor can know each other.
 *
 * Commands and answers are JSON values; they cross a socket only when the bucket lives in another process.
 */
export const make = <State, Command, Rejection>(category: string) => {
  const entity = Entity.make(category, [
    Rpc.make("Execute", {
      payload: { actorId: Schema.String, command: Schema.Any, metadata: Schema.Any },
      success: Schema.Any,
      error: Schema.Any
    }),
    Rpc.make("Wake", { payload: { actorId: Schema.String } })
  ]).annotate(ClusterSchema.ClientTracingEnabled, false)

  const client = Effect.gen(function* () {
    const system = yield* ActorSystem
    const remote = yield* entity.client
    const send = (actorId: string, command: Command, metadata: Metadata) =>
      Effect.suspend(() => {
        const bucket = bucketOf(actorId, system.buckets)
        const local = system.local.get(`${category}/${bucket}`)
        return local === undefined
          ? remote(bucket).Execute({ actorId, command, metadata })
          : local.execute(actorId, command, metadata)
      }) as Effect.Effect<Answer<State>, Rejection>
    /** Only what comes from outside is a span: messages between actors are many, and seen by what they cause. */
    const execute = (actorId: string, command: Command, metadata: Metadata = {}) => {
      if (metadata.principal === undefined) return send(actorId, command, metadata)
      const parent = Trace.parse(metadata.traceparent)
      return Trace.span(`${category}.${(command as { readonly _tag: string })._tag}`, {
        attributes: { [`kintsugi.${category}.id`]: actorId },
        ...(parent === undefined ? {} : { parent })
      })(send(actorId, command, metadata))
    }
    const wake = (actorId: string) =>
      Effect.suspend(() => {
        const bucket = bucketOf(actorId, system.buckets)
        const local = system.local.get(`${category}/${bucket}`)
        if (local === undefined) return Effect.ignore(remote(bucket).Wake({ actorId }))
        local.wake(actorId)
        return Effect.void
      })
    return { execute, wake } satisfies ActorClient<State, Command, Rejection>
  })

  const hostBucket = <Stamped, Event extends Timed, Demand, R>(
    behaviour: Behaviour<State, Command, Stamped, Event, Rejection, Demand, R>
  ) =>
    Effect.gen(function* () {
      const system = yield* ActorSystem
      const store = yield* EventStore
      const snapshots = yield* Snapshots
      const clock = yield* Clock.Clock
      const context = yield* Effect.context<R>()
      const { entityId } = yield* Entity.CurrentAddress
      const sharding = yield* Sharding.Sharding
      const shard = sharding.getShardId(entityId, "default")
      type Made = Cell.Cell<State, Command, Rejection>
      const cells = new Map<string, Made>()
      let isOpen = true

      const cell = (actorId: string) => {
        const existing = cells.get(actorId)
        if (existing !== undefined) return existing
        const made: Made = Cell.make({
          behaviour,
          actorId,
          store,
          snapshots,
          clock,
          context,
          owned: () => sharding.hasShardId(shard),
          successor: () => (isOpen && cells.get(actorId) !== made ? cell(actorId) : null),
          onIdle: () => {
            if (!made.isDone() || cells.get(actorId) !== made) return
            // Closed by itself because it has moved: it answers nobody any more.
            if (made.isClosed()) return evict(actorId, made)
            leaving.set(actorId, made)
            isLeaving.openUnsafe()
          }
        })
        cells.set(actorId, made)
        return made
      }
      /**
       * An actor to whom nothing is owed leaves memory soon: what is asked of an asset or a run mostly comes in one
       * breath, and each time it would be read from the log. A late message reads it back.
       */
      let leaving = new Map<string, Made>()
      const isLeaving = yield* Latch.make()
      yield* Effect.gen(function* () {
        while (true) {
          yield* isLeaving.await
          const idle = leaving
          leaving = new Map()
          isLeaving.closeUnsafe()
          yield* Effect.sleep(Duration.millis(lingerMs))
          for (const [actorId, cell] of idle) {
            // One that was asked again meanwhile is among those that leave next, or is at work.
            if (leaving.get(actorId) !== cell && cells.get(actorId) === cell && cell.isDone()) evict(actorId, cell)
          }
        }
      }).pipe(Effect.forkScoped)
      const evict = (actorId: string, evicted: Made) => {
        cells.delete(actorId)
        evicted.close()
      }

      const passivate = Effect.sync(() => {
        const oldest = clock.currentTimeMillisUnsafe() - system.maxIdleMs
        for (const [actorId, idle] of cells) if (idle.usedAt() < oldest && idle.isIdle()) evict(actorId, idle)
      })
      yield* Effect.forkScoped(
        Effect.repeat(passivate, Schedule.spaced(Duration.millis(Math.max(system.maxIdleMs / 3, 100))))
      )

      const bucket: Bucket = {
        execute: (actorId, command, metadata) => cell(actorId).execute(command as Command, metadata as Metadata),
        wake: (actorId) => cell(actorId).wake(),
        size: () => cells.size,
        drain: Effect.suspend(() =>
          Effect.forEach([...cells.values()], ({ drain }) => drain, { concurrency: "unbounded", discard: true })
        )
      }
      const name = `${category}/${entityId}`
      system.local.set(name, bucket)
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          isOpen = false
          system.local.delete(name)
          for (const closing of cells.values()) closing.close()
          cells.clear()
        })
      )
      return entity.of({
        Execute: ({ payload: { actorId, command, metadata } }) => bucket.execute(actorId, command, metadata),
        Wake: ({ payload: { actorId } }) => Effect.sync(() => bucket.wake(actorId))
      })
    })

  return {
    category,
    client,
    /** Hosts the actors of this kind whose buckets the cluster gives to this process. */
    toLayer: <Stamped, Event extends Timed, Demand, R>(
      behaviour: Behaviour<State, Command, Stamped, Event, Rejection, Demand, R>
    ) =>
      Layer.unwrap(
        Effect.gen(function* () {
          const system = yield* ActorSystem
          const actors = yield* client
          system.wakers.set(category, actors.wake)
          // Buckets stay; the actors in them are passivated one by one.
          return entity.toLayer(hostBucket(behaviour), {
            maxIdleTime: system.buckets === "actor" ? Duration.millis(system.maxIdleMs) : Duration.infinity,
            concurrency: "unbounded",
            mailboxCapacity: "unbounded",
            disableFatalDefects: true
          })
        })
      )
  }
}
