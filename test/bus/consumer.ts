/** A process that consumes a group and never comes to the end of `a/2`: consumer.ts <socket> <stream> <lease in ms>. */
import { Context, Effect, Layer, Logger, Result } from "effect"
import { EventBus } from "../../src/bus/EventBus.ts"
import * as RedisBus from "../../src/bus/RedisBus.ts"
import * as RedisUrl from "../../src/bus/RedisUrl.ts"
import { nameOf } from "./events.ts"

const [socket = "", stream = "", leaseMs = ""] = process.argv.slice(2)
const address = Result.getOrThrow(RedisUrl.parse(socket))

const program = Effect.gen(function* () {
  const bus = Context.get(yield* Layer.build(RedisBus.layer({ address, stream, leaseMs: Number(leaseMs) })), EventBus)
  yield* bus.subscribe("one", (event) =>
    Effect.gen(function* () {
      process.stdout.write(`${nameOf(event)}\n`)
      if (nameOf(event) === "a/2") yield* Effect.never
    })
  )
  process.stdout.write("subscribed\n")
  return yield* Effect.never
})
await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(Logger.layer([]))))
