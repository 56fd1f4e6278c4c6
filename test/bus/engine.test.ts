import { assert, describe, layer } from "@effect/vitest"
import { type Context, Effect, Fiber, Layer, type Scope } from "effect"
import { EventBus, BusUnavailable } from "../../src/bus/EventBus.ts"
import type { CloudEvent } from "../../src/bus/CloudEvent.ts"
import * as Bus from "../../src/cli/Bus.ts"
import type { EventStore } from "../../src/eventstore/EventStore.ts"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import { layerOn } from "../regressions/layerOn.ts"
import { makes, stepFor } from "../support/chainApp.ts"
import { define, ended, start, succeeded, temporaryFolder, until } from "../support/engine.ts"
import { absent, RedisServer, sayIfAbsent } from "../support/redis.ts"
import { firsts, nameOf, quiet } from "./events.ts"

const keys = Array.from({ length: 40 }, (_, index) => `p${index}`)
const workflows = {
  bases: {
    steps: [
      {
        ...stepFor("make-base"),
        produces: [{ assetId: "base", freshness: { ttlMs: 150 }, partitioning: { type: "static", keys } }]
      }
    ]
  }
}
const jobs = [makes("base")]

type Settings = Parameters<typeof Bus.layer>[0]

/** A process on a log: the whole engine, and what publishes to the bus of these settings. */
const process = (log: Context.Context<EventStore>, baseDir: string, bus: Layer.Layer<EventBus>) =>
  Bus.publishing.pipe(Layer.provideMerge(bus), Layer.provideMerge(layerOn(log, { jobs, baseDir })))

const subscribed = Effect.fnUntraced(function* (group: string) {
  const bus = yield* EventBus
  const seen: Array<CloudEvent> = []
  yield* bus.subscribe(group, (event) => Effect.sync(() => void seen.push(event)))
  return seen
})

const ofType = <Type extends CloudEvent["type"]>(events: ReadonlyArray<CloudEvent>, type: Type) =>
  events.filter((event): event is Extract<CloudEvent, { readonly type: Type }> => event.type === type)

const suite = (name: string, settings: Effect.Effect<Settings, never, RedisServer>) =>
  describe.skipIf(absent && name !== "inline")(`the whole engine on the ${name} bus (T4)`, () => {
    layer(RedisServer.layer, { excludeTestServices: true })((it) => {
      const live = (
        title: string,
        test: (
          log: Context.Context<EventStore>,
          folder: string,
          bus: Layer.Layer<EventBus>
        ) => Effect.Effect<void, unknown, Scope.Scope | RedisServer>
      ) =>
        it.effect(title, () =>
          Effect.gen(function* () {
            const log = yield* Layer.build(MemoryEventStore.layer)
            const folder = yield* temporaryFolder
            yield* test(log, folder, Bus.backend(yield* settings))
          }).pipe(Effect.scoped, quiet)
        )

      live("a production, its expiry and a new definition reach a subscriber (F53)", (log, folder, bus) =>
        Effect.provide(
          Effect.gen(function* () {
            const seen = yield* subscribed("one")
            yield* define(workflows)
            const run = yield* succeeded("bases", "p1")
            yield* until(
              Effect.sync(() => seen),
              (events) => new Set(events.map(({ type }) => type)).size === 3,
              "events of each type"
            )
            const [produced] = ofType(seen, "asset.produced")
            const { assetId, freshness, generation, partitionKey, runId, source, workflowSlug } = produced!.data
            assert.deepStrictEqual(
              { assetId, freshness, generation, partitionKey, runId, source, workflowSlug },
              {
                assetId: "base",
                freshness: { ttlMs: 150 },
                generation: 1,
                partitionKey: "p1",
                runId: run.id,
                source: null,
                workflowSlug: "bases"
              }
            )
            const [expired] = ofType(seen, "asset.expired")
            assert.deepStrictEqual([expired!.data.reason, expired!.data.runId], ["ttl", run.id])
            assert.strictEqual(Date.parse(expired!.data.expiresAt) - Date.parse(expired!.data.producedAt), 150)
            assert.strictEqual(ofType(seen, "workflow.definition.updated")[0]!.data.workflowSlug, "bases")
          }).pipe(Effect.scoped),
          process(log, folder, bus)
        )
      )

      live(
        "what was produced and not published when the process ended is published by the next one",
        (log, folder, bus) =>
          Effect.gen(function* () {
            const isAway = Effect.fail(new BusUnavailable({ message: "the bus is away", cause: null }))
            const away = Layer.succeed(EventBus, {
              publish: () => isAway,
              subscribe: () => Effect.void,
              deadLetters: () => isAway
            })
            const first = Effect.gen(function* () {
              yield* define(workflows)
              yield* succeeded("bases", "p1")
            })
            yield* Effect.provide(first, process(log, folder, away))
            const built = yield* Layer.build(bus)
            const seen = yield* Effect.provideContext(subscribed("one"), built)
            const second = until(
              Effect.sync(() => ofType(seen, "asset.produced").map(nameOf)),
              (names) => names.length > 0,
              "the production of the process before"
            )
            const names = yield* Effect.provide(second, process(log, folder, Layer.succeedContext(built)))
            assert.deepStrictEqual(firsts(names), ["base/1"])
          })
      )
    })
  })

sayIfAbsent()
suite("inline", Effect.succeed(null))
suite(
  "Redis",
  Effect.map(RedisServer, ({ address }) => address)
)

describe.skipIf(absent)("a Redis server that goes away under load", () => {
  layer(RedisServer.layer, { excludeTestServices: true })((it) => {
    it.effect("costs no event and holds up no run", () =>
      Effect.gen(function* () {
        const server = yield* RedisServer
        const log = yield* Layer.build(MemoryEventStore.layer)
        const folder = yield* temporaryFolder
        yield* Effect.provide(
          Effect.gen(function* () {
            const seen = yield* subscribed("one")
            yield* define(workflows)
            const producing = yield* Effect.forkScoped(
              Effect.forEach(keys, (key) => Effect.flatMap(start("bases", key), ({ id }) => ended(id)), {
                concurrency: 4
              })
            )
            yield* until(
              Effect.sync(() => seen.length),
              (count) => count >= 5,
              "first events"
            )
            yield* server.stop("SIGTERM")
            const runs = yield* Fiber.join(producing)
            for (const run of runs) assert.strictEqual(run.status, "succeeded")
            yield* server.start
            const partitions = () =>
              ofType(seen, "asset.produced").map(
                ({ data: { generation, partitionKey } }) => `${partitionKey}/${generation}`
              )
            yield* until(
              Effect.sync(() => new Set(partitions())),
              ({ size }) => size === keys.length,
              "every production",
              30
            )
            assert.deepStrictEqual([...firsts(partitions())].sort(), keys.map((key) => `${key}/1`).sort())
          }),
          process(log, folder, Bus.backend(server.address))
        )
      }).pipe(Effect.scoped, quiet)
    )
  })
})
