import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import type { Position } from "../../eventstore/EventStore.ts"
import * as LogPosition from "../../eventstore/LogPosition.ts"
import * as SubscriptionStatus from "../../eventstore/SubscriptionStatus.ts"
import * as ProcessLock from "../../postgres/ProcessLock.ts"
import { error, type Finding, ok, skipped, warning } from "./Finding.ts"

/** Events behind the log that no healthy follower is. */
const lagSound = 10_000

/** The followers of the log, and who serves it. Asked only of a database with this program's tables. */
export const log = (serverUrl: string): Effect.Effect<ReadonlyArray<Finding>, SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [found] = yield* sql<{ readonly ready: boolean }>`
      SELECT to_regclass('projection_checkpoints') IS NOT NULL AND to_regclass('subscriptions') IS NOT NULL AS ready`
    if (found?.ready !== true) return [skipped("read models", "the database has no tables yet")]
    const server = yield* served(serverUrl)
    return [server, ...(yield* followers)]
  })

interface Follower {
  readonly name: string
  readonly error: string | null
  readonly lagEvents: number
}

const followers = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{
    readonly name: string
    readonly error: string | null
    readonly position: Position | null
    readonly newest: bigint | null
  }>`
    SELECT c.name, c.error, c.position, (SELECT e.global_position FROM events e
      ORDER BY e.epoch DESC, e.transaction_id DESC, e.global_position DESC LIMIT 1) AS newest
    FROM projection_checkpoints c ORDER BY c.name`
  const projections = rows.map(({ error: stopped, name, newest, position }): Follower => {
    const behind = (newest ?? 0n) - BigInt(LogPosition.parts(position).globalPosition)
    return { name, error: stopped, lagEvents: behind > 0n ? Number(behind) : 0 }
  })
  const subscriptions = yield* SubscriptionStatus.all
  return [
    ...judged("read models", projections, (name) => `kintsugi rebuild ${name}`),
    ...judged("followers", subscriptions, () => "restart kintsugi serve, once the cause is mended")
  ]
})

/** What is told of all followers of a kind: each that is not in order, or one line for all. */
export const judged = (
  check: string,
  all: ReadonlyArray<Follower>,
  command: (name: string) => string
): ReadonlyArray<Finding> => {
  const wrong = all.flatMap(({ error: stopped, lagEvents, name }): ReadonlyArray<Finding> => {
    if (stopped !== null) {
      const why = "what it shows or sends is what was known when it stopped"
      return [error(check, `${name} has stopped: ${stopped}`, why, command(name))]
    }
    if (lagEvents < lagSound) return []
    const why = "what it shows or sends is older than the log; without a running server it stays so"
    return [
      warning(check, `${name} is ${lagEvents} events behind`, why, "kintsugi doctor, in a minute: does it shrink?")
    ]
  })
  return wrong.length > 0 ? wrong : [ok(check, `${all.length}, none stopped, none far behind`)]
}

const answerWithin = "3 seconds"

/** A lock without a server that answers is what keeps the next `serve` from starting. */
const served = Effect.fnUntraced(function* (serverUrl: string) {
  const check = "server"
  const holder = yield* ProcessLock.holder
  if (holder === null) return ok(check, "nobody serves this database now")
  const isLive = yield* Effect.tryPromise((signal) => fetch(`${serverUrl}/livez`, { signal })).pipe(
    Effect.timeout(answerWithin),
    Effect.match({ onSuccess: ({ ok: live }) => live, onFailure: () => false })
  )
  if (isLive) return ok(check, `${holder.message}, and answers at ${serverUrl}`)
  const why = "a second kintsugi serve on this database ends with exit 2"
  const told = `${holder.message}, and no server answers at ${serverUrl}`
  return warning(check, told, why, `kintsugi doctor --url URL with its address${endOf(holder)}`)
})

const endOf = ({ host, pid }: ProcessLock.AlreadyServed): string =>
  pid === null ? "" : `, or on ${host}: kill -TERM ${pid}`
