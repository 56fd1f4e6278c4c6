import { assert, describe, layer } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, Logger } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { EventBus } from "../../src/bus/EventBus.ts"
import * as RedisBus from "../../src/bus/RedisBus.ts"
import { absent, RedisServer, sayIfAbsent } from "../support/redis.ts"
import { firsts, nameOf, producedEvent, publish, quiet, until } from "./events.ts"
import { suite } from "./suite.ts"

sayIfAbsent()

let streams = 0
const newStream = () => `test.events.${streams++}`
const leaseMs = 600

const busOn = (stream: string, settings: Partial<RedisBus.RedisBusSettings> = {}) =>
  Effect.gen(function* () {
    const { address } = yield* RedisServer
    const context = yield* Layer.build(RedisBus.layer({ address, stream, leaseMs, ...settings }))
    return Context.get(context, EventBus)
  })

const consumerProgram = fileURLToPath(new URL("./consumer.ts", import.meta.url))

describe.skipIf(absent)("with a Redis server", () => {
  layer(RedisServer.layer, { excludeTestServices: true })("RedisBus", (it) => {
    suite(
      it,
      Effect.map(RedisServer, (server) => {
        const stream = newStream()
        return Effect.provideService(busOn(stream), RedisServer, server)
      })
    )

    it.effect("an entry that cannot be read becomes a dead letter with path and rule, and the rest goes on", () =>
      Effect.gen(function* () {
        const stream = newStream()
        const client = yield* (yield* RedisServer).client
        const bus = yield* busOn(stream)
        const seen: Array<string> = []
        yield* bus.subscribe("one", (event) => Effect.sync(() => seen.push(nameOf(event))))
        const event = producedEvent("a", 1)
        yield* Effect.promise(async () => {
          await client.xadd(stream, "*", "event", "{")
          await client.xadd(stream, "*", "other", "field")
          await client.xadd(
            stream,
            "*",
            "event",
            JSON.stringify({ ...event, data: { ...event.data, generation: "1" } })
          )
        })
        yield* publish(bus, producedEvent("a", 2))
        yield* until(() => seen.length === 1)
        const letters = yield* bus.deadLetters(10)
        assert.deepStrictEqual(
          letters.map(({ path, reason }) => [path, reason.slice(0, 40)]),
          [
            ["data.generation", "Expected number"],
            ["", "must be a CloudEvent in structured JSON,"],
            ["", "must be a CloudEvent in structured JSON:"]
          ]
        )
        assert.strictEqual(letters[2]?.event, "{")
        const pending = yield* Effect.promise(() => client.xpending(stream, "one"))
        assert.strictEqual(pending[0], 0)
      }).pipe(quiet)
    )

    it.effect("the stream keeps about as many events as it was told", () =>
      Effect.gen(function* () {
        const stream = newStream()
        const client = yield* (yield* RedisServer).client
        const bus = yield* busOn(stream, { lengthMax: 100 })
        yield* publish(bus, ...Array.from({ length: 1_200 }, (_, n) => producedEvent("a", n + 1)))
        const length = yield* Effect.promise(() => client.xlen(stream))
        // Redis trims whole nodes of 100 entries.
        assert(length >= 100 && length <= 300, `the stream has ${length} entries`)
      })
    )

    it.effect("what the stream let go before a group had read it is said, with its number", () =>
      Effect.gen(function* () {
        const stream = newStream()
        const bus = yield* busOn(stream, { lengthMax: 100 })
        const lines: Array<string> = []
        const log = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
        yield* Effect.scoped(bus.subscribe("one", () => Effect.void))
        yield* publish(bus, ...Array.from({ length: 1_000 }, (_, n) => producedEvent("a", n + 1)))
        const client = yield* (yield* RedisServer).client
        const length = yield* Effect.promise(() => client.xlen(stream))
        const seen: Array<string> = []
        yield* bus.subscribe("one", (event) => Effect.sync(() => seen.push(nameOf(event)))).pipe(Effect.provide(log))
        yield* until(() => seen.length === length)
        assert.deepStrictEqual(lines, [
          `bus group one: ${1_000 - length} events of ${stream} were trimmed away before they were handled: ` +
            "the stream is too short for how far behind this group was"
        ])
      })
    )

    it.effect("after kill -9 of a consumer's process another handles what it had in hand, in order (F38)", () =>
      Effect.gen(function* () {
        const stream = newStream()
        const server = yield* RedisServer
        const lines: Array<string> = []
        const child = yield* Effect.acquireRelease(
          Effect.sync(() => {
            const started = spawn(process.execPath, [
              "--no-warnings",
              consumerProgram,
              server.path,
              stream,
              String(leaseMs)
            ])
            started.stdout.on("data", (chunk: Buffer) => lines.push(...chunk.toString().trim().split("\n")))
            return started
          }),
          (started) => Effect.sync(() => void started.kill("SIGKILL"))
        )
        yield* until(() => lines.includes("subscribed"))
        const bus = yield* busOn(stream)
        yield* publish(bus, producedEvent("a", 1), producedEvent("a", 2), producedEvent("a", 3))
        yield* until(() => lines.includes("a/2"))
        const seen: Array<string> = []
        yield* bus.subscribe("one", (event) => Effect.sync(() => seen.push(nameOf(event))))
        // The first is alive and keeps its lease: the second stands by, however long that takes.
        yield* Effect.sleep(`${2 * leaseMs} millis`)
        assert.deepStrictEqual(seen, [])
        yield* Effect.promise(async () => {
          child.kill("SIGKILL")
          await once(child, "exit")
        })
        yield* publish(bus, producedEvent("a", 4))
        yield* until(() => seen.length === 3)
        assert.deepStrictEqual(seen, ["a/2", "a/3", "a/4"])
        assert.deepStrictEqual(lines, ["subscribed", "a/1", "a/2"])
        // The dead process is forgotten.
        const client = yield* server.client
        const consumers = yield* Effect.promise(() => client.xinfo("CONSUMERS", stream, "one"))
        assert.lengthOf(consumers as Array<unknown>, 1)
      }).pipe(quiet)
    )

    it.effect("a consumer whose lease went to another takes nothing more, and what it had in hand is interrupted", () =>
      Effect.gen(function* () {
        const stream = newStream()
        const client = yield* (yield* RedisServer).client
        const bus = yield* busOn(stream)
        const begun = yield* Deferred.make<void>()
        const interrupted = yield* Deferred.make<void>()
        const seen: Array<string> = []
        yield* bus.subscribe("one", (event) =>
          Effect.gen(function* () {
            seen.push(nameOf(event))
            if (seen.length > 1) return
            yield* Deferred.succeed(begun, undefined)
            yield* Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
          })
        )
        yield* publish(bus, producedEvent("a", 1))
        yield* Deferred.await(begun)
        const lease = `${stream}.lease.one`
        // Even before it has noticed the loss.
        yield* Effect.promise(() => client.set(lease, "another"))
        yield* publish(bus, producedEvent("b", 1))
        yield* Deferred.await(interrupted)
        yield* Effect.sleep(`${leaseMs} millis`)
        assert.deepStrictEqual(seen, ["a/1"])
        yield* Effect.promise(() => client.del(lease))
        yield* until(() => seen.length === 3)
        assert.deepStrictEqual(seen, ["a/1", "a/1", "b/1"])
      }).pipe(quiet)
    )

    it.effect("a server that lost its data has its group made again, and what comes then is handled", () =>
      Effect.gen(function* () {
        const stream = newStream()
        const client = yield* (yield* RedisServer).client
        const bus = yield* busOn(stream)
        const seen: Array<string> = []
        yield* bus.subscribe("one", (event) => Effect.sync(() => seen.push(nameOf(event))))
        yield* publish(bus, producedEvent("a", 1))
        yield* until(() => seen.length === 1)
        yield* Effect.promise(() => client.flushall())
        yield* publish(bus, producedEvent("a", 2))
        yield* until(() => seen.length === 2)
        assert.deepStrictEqual(seen, ["a/1", "a/2"])
      }).pipe(quiet)
    )
  })

  layer(RedisServer.layer, { excludeTestServices: true })("RedisBus while its server comes and goes", (it) => {
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      it.effect(`a server stopped by ${signal} and started under load loses nothing, and the order holds (T4)`, () =>
        Effect.gen(function* () {
          const server = yield* RedisServer
          const stream = newStream()
          const publisher = yield* busOn(stream)
          const consumer = yield* busOn(stream)
          const seen: Array<string> = []
          yield* consumer.subscribe("one", (event) =>
            Effect.andThen(
              Effect.sleep("1 millis"),
              Effect.sync(() => seen.push(nameOf(event)))
            )
          )
          const count = 300
          const publishing = yield* Effect.forkScoped(
            Effect.forEach(
              Array.from({ length: count }, (_, n) => n + 1),
              (n) => publish(publisher, producedEvent("a", n), producedEvent("b", n)),
              { discard: true }
            )
          )
          for (const enough of [50, 300]) {
            yield* until(() => firsts(seen).length >= enough)
            yield* server.stop(signal)
            yield* Effect.sleep("300 millis")
            yield* server.start
          }
          yield* Fiber.join(publishing)
          yield* until(() => firsts(seen).length === 2 * count)
          for (const asset of ["a", "b"]) {
            const first = firsts(seen).filter((name) => name.startsWith(asset))
            assert.deepStrictEqual(
              first,
              Array.from({ length: count }, (_, n) => `${asset}/${n + 1}`)
            )
          }
        }).pipe(quiet)
      )
    }

    it.effect("while the server is away publishing fails with the real cause, and goes on when it is back", () =>
      Effect.gen(function* () {
        const server = yield* RedisServer
        yield* server.stop("SIGTERM")
        const bus = yield* busOn(newStream())
        const seen: Array<string> = []
        const subscribing = yield* Effect.forkScoped(
          bus.subscribe("one", (event) => Effect.sync(() => seen.push(nameOf(event))))
        )
        const error = yield* Effect.flip(bus.publish([producedEvent("a", 1)]))
        assert.strictEqual(error.message, `Redis at ${server.path}: connect ENOENT ${server.path}`)
        yield* server.start
        yield* Fiber.join(subscribing)
        yield* publish(bus, producedEvent("a", 1))
        yield* until(() => seen.length === 1)
      }).pipe(quiet)
    )

    it.effect("a server that is frozen fails a publish within its time limit", () =>
      Effect.gen(function* () {
        const server = yield* RedisServer
        const bus = yield* busOn(newStream())
        yield* publish(bus, producedEvent("a", 1))
        yield* server.freeze
        const error = yield* Effect.flip(bus.publish([producedEvent("a", 2)])).pipe(
          Effect.timeout("9 seconds"),
          Effect.ensuring(server.thaw)
        )
        assert.match(error.message, /Command timed out/)
        yield* publish(bus, producedEvent("a", 2))
      }).pipe(quiet)
    )
  })
})
