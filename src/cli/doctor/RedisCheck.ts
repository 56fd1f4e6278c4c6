import { Effect } from "effect"
import * as RedisConnection from "../../bus/RedisConnection.ts"
import type { RedisAddress } from "../../bus/RedisUrl.ts"
import { error, type Finding, ok, warning } from "./Finding.ts"

/** Whether the server of the event bus answers, and keeps what it is given. */
export const redis = (address: RedisAddress | null): Effect.Effect<Finding> => {
  const check = "redis"
  if (address === null) return Effect.succeed(ok(check, "not used: the event bus is this process's own"))
  return Effect.gen(function* () {
    const connection = yield* RedisConnection.make(address)
    yield* connection.run((client) => client.ping())
    const [, policy = ""] = yield* Effect.orElseSucceed(
      connection.run((client) => client.config("GET", "maxmemory-policy") as Promise<ReadonlyArray<string>>),
      (): ReadonlyArray<string> => []
    )
    if (policy === "" || policy === "noeviction") return ok(check, `${address.name} answers`)
    const why = "it throws events away when its memory is full, and nobody is told"
    return warning(
      check,
      `${address.name} has maxmemory-policy ${policy}`,
      why,
      "redis-cli config set maxmemory-policy noeviction"
    )
  }).pipe(
    Effect.scoped,
    Effect.catch(({ message }) =>
      Effect.succeed(
        error(
          check,
          message,
          "no event reaches other programs; they are kept and sent when it is back",
          "redis-cli ping"
        )
      )
    )
  )
}
