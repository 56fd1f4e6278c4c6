import { Context, Effect, Layer } from "effect"
import { MessageStorage, RunnerHealth, Runners, RunnerStorage, Sharding, ShardingConfig } from "effect/cluster"

/** One entity of the cluster that is alive in this process and hosts the actors of one bucket. */
export interface Bucket {
  readonly execute: (actorId: string, command: unknown, metadata: unknown) => Effect.Effect<unknown, unknown>
  readonly wake: (actorId: string) => void
  readonly size: () => number
  readonly drain: Effect.Effect<void>
}

/**
 * The buckets that live in this process, by `<category>/<bucket>`. A message to one of them needs no envelope: the
 * cluster decides who owns a bucket, and what it has put here is called directly (ADR 0003).
 */
export class ActorSystem extends Context.Service<
  ActorSystem,
  {
    readonly local: Map<string, Bucket>
    /** Wakes the actor of a stream, wherever it lives; filled by each kind of actor. */
    readonly wakers: Map<string, (actorId: string) => Effect.Effect<void>>
    /** How many buckets each kind of actor has; `"actor"`: an entity for every actor. */
    readonly buckets: number | "actor"
    readonly maxIdleMs: number
  }
>()("kintsugi/actors/ActorSystem") {
  static readonly layer = (options?: { readonly buckets?: number | "actor"; readonly maxIdleMs?: number }) =>
    Layer.sync(ActorSystem, () =>
      ActorSystem.of({
        local: new Map(),
        wakers: new Map(),
        buckets: options?.buckets ?? 16,
        maxIdleMs: options?.maxIdleMs ?? 30_000
      })
    )
}

/** Wakes the actor whose stream this is; a stream of no known kind of actor is left alone. */
export const wakeStream = Effect.fnUntraced(function* (streamName: string) {
  const { wakers } = yield* ActorSystem
  const dash = streamName.indexOf("-")
  const waker = wakers.get(streamName.slice(0, dash))
  if (waker !== undefined) yield* waker(streamName.slice(dash + 1))
})

/** A cluster of this one process: shards, mailboxes and supervision are the engine's, messages are volatile. */
export const layerSingleRunner = Sharding.layer.pipe(
  Layer.provideMerge(Runners.layerNoop),
  Layer.provideMerge(MessageStorage.layerNoop),
  Layer.provide([RunnerStorage.layerMemory, RunnerHealth.layerNoop]),
  Layer.provide(ShardingConfig.layer({ simulateRemoteSerialization: false, maxResidentEntities: "unbounded" }))
)
