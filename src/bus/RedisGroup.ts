import { Clock, Duration, Effect, Random, Schedule, type Scope } from "effect"
import type { Redis } from "ioredis"
import * as Delivery from "./Delivery.ts"
import type { Refused } from "./EventBus.ts"
import type { RedisConnection } from "./RedisConnection.ts"
import * as RedisScripts from "./RedisScripts.ts"

/** The field of a stream's entry that holds the event's text. */
export const eventField = "event"

export interface RedisGroupSettings {
  readonly stream: string
  /** What a group that does not exist yet begins with: what is in the stream, or only what comes from now on. */
  readonly begin: "start" | "now"
  /** Stream of the dead letters, and about how many it keeps. */
  readonly deadStream: string
  readonly deadLettersMax: number
  /** What becomes of an entry that was handled: others may want it, or it was for this group alone. */
  readonly settled: "keep" | "delete"
  /** How long a consumer that does not answer stays the active one, in ms. */
  readonly leaseMs: number
}

const blockMs = 1_000
const claimedAtOnce = 256
const outage = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")]).pipe(Schedule.jittered)

/** Makes the group if there is none, and waits for that while the server is away. */
export const ensure = Effect.fnUntraced(function* (
  connection: RedisConnection,
  group: string,
  settings: Pick<RedisGroupSettings, "stream" | "begin">
) {
  let isSaid = false
  yield* create(connection, group, settings.stream, settings.begin === "now" ? "$" : "0").pipe(
    Effect.tapError((error) => {
      const message = `bus group ${group} waits for its server: ${error.message}`
      const said = isSaid ? Effect.logDebug(message) : Effect.logWarning(message)
      isSaid = true
      return said
    }),
    Effect.retry(outage),
    Effect.orDie
  )
})

const create = (connection: RedisConnection, group: string, stream: string, id: "$" | "0") =>
  Effect.asVoid(connection.run((client) => client.eval(RedisScripts.create, 1, stream, group, id)))

/**
 * Consumes a stream as one of the group's consumers, until it is interrupted: stands by until it holds the group's
 * lease, takes over what the one before left, then reads on. Everything that goes wrong with the server ends with
 * beginning again at the lease, where nothing that was not acknowledged is lost. The group must exist (`ensure`).
 */
export const run = Effect.fnUntraced(function* <A, R>(
  connection: RedisConnection,
  consumer: Delivery.Consumer<A, R>,
  settings: RedisGroupSettings
): Effect.fn.Return<never, never, R | Scope.Scope> {
  const { leaseMs, stream } = settings
  const { group } = consumer
  const words = yield* Effect.all([Random.nextInt, Random.nextInt, Random.nextInt])
  const self = words.map((word) => (word >>> 0).toString(36)).join("")
  const lease = `${stream}.lease.${group}`
  const blocking = yield* connection.another
  const script = (text: string, ...values: ReadonlyArray<string | number>) =>
    connection.run((client) => client.eval(text, 2, lease, stream, self, ...values))
  const notActive = new Delivery.NotActive({ group })

  let heldUntilMs = 0
  const hold = Effect.fnUntraced(function* (text: string) {
    const asked = yield* Clock.currentTimeMillis
    if ((yield* script(text, leaseMs)) !== 1) return false
    heldUntilMs = asked + leaseMs
    return true
  })
  const standBy = Effect.gen(function* () {
    while (!(yield* hold(RedisScripts.acquire))) yield* Effect.sleep(Duration.millis(Math.min(leaseMs / 4, 1_000)))
  })
  const keepLease = Effect.gen(function* () {
    while (true) {
      yield* Effect.sleep(Duration.millis(leaseMs / 3))
      if (!(yield* hold(RedisScripts.renew))) return yield* notActive
    }
  })
  const stillActive = Effect.flatMap(Clock.currentTimeMillis, (now) =>
    now < heldUntilMs ? Effect.void : Effect.fail(notActive)
  )

  /** Entries of which it was said already that they were missed. */
  let said = 0
  const trimmed = (count: number) =>
    Effect.logError(
      `bus group ${group}: ${count} events of ${stream} were trimmed away before they were handled: ` +
        "the stream is too short for how far behind this group was"
    )

  const claim = Effect.fnUntraced(function* (claimed: Array<Delivery.Entry>) {
    let cursor = "0-0"
    do {
      const answer = yield* script(RedisScripts.claim, group, cursor, claimedAtOnce)
      if (!Array.isArray(answer)) return yield* notActive
      const [next, entries, gone = []] = answer as [string, ReadonlyArray<RawEntry | null>, ReadonlyArray<string>?]
      claimed.push(...entries.flatMap(entryOf))
      if (gone.length > 0) yield* trimmed(gone.length)
      cursor = next
    } while (cursor !== "0-0")
    yield* script(RedisScripts.sweep, group)
  })

  const take = (claimed: Array<Delivery.Entry>) =>
    Effect.fnUntraced(function* (max: number) {
      while (claimed.length === 0) {
        const answer = yield* script(RedisScripts.read, group, max)
        if (!Array.isArray(answer)) return yield* notActive
        const [entries, newest, missed] = answer as [ReadonlyArray<RawEntry>, string, number]
        if (missed > said) yield* trimmed(missed - said)
        said = Math.max(said, missed)
        if (entries.length > 0) return entries.flatMap(entryOf)
        // Only a hint: what comes is taken by the fenced read.
        yield* blocking.run((client) => client.xread("COUNT", 1, "BLOCK", blockMs, "STREAMS", stream, newest))
      }
      return claimed.splice(0, max)
    })

  let wasActive = false
  /** An outage is said once. */
  let isSaid = false
  const active = Effect.gen(function* () {
    const claimed: Array<Delivery.Entry> = []
    yield* claim(claimed)
    wasActive = true
    isSaid = false
    const settle = settleIn(connection, group, settings)
    return yield* Delivery.run({ take: take(claimed), settle, stillActive }, consumer)
  })
  const leave = script(RedisScripts.release).pipe(Effect.timeout("1 second"), Effect.ignore)
  const turn = Effect.suspend(() => {
    wasActive = false
    return Effect.andThen(standBy, Effect.raceFirst(active, keepLease)).pipe(
      Effect.ensuring(leave),
      Effect.tapError((error) => {
        const message = `bus group ${group} begins again: ${error.message}`
        const said = isSaid ? Effect.logDebug(message) : Effect.logWarning(message)
        isSaid = true
        return said
      }),
      // A server that lost its data has lost the group: all that is in the stream then is new.
      Effect.tapErrorTag("BusUnavailable", (error) =>
        error.message.includes("NOGROUP") ? Effect.ignore(create(connection, group, stream, "0")) : Effect.void
      ),
      // What went well for a while begins again at once, and with the shortest of delays.
      Effect.catch((error) => (wasActive ? Effect.sleep("100 millis") : Effect.fail(error)))
    )
  })
  return yield* Effect.forever(Effect.orDie(Effect.retry(turn, outage)))
})

type RawEntry = readonly [id: string, fields: ReadonlyArray<string>]

/** Entries that were deleted while they were pending are null on old servers. */
const entryOf = (raw: RawEntry | null): ReadonlyArray<Delivery.Entry> => {
  if (raw === null) return []
  const [id, fields] = raw
  const at = fields.findIndex((name, index) => index % 2 === 0 && name === eventField)
  // An entry without the field cannot be read: it becomes a dead letter with all that it has.
  return [{ id, text: at === -1 ? JSON.stringify(fields) : (fields[at + 1] ?? "") }]
}

/** Acknowledging needs no fence: the handler has succeeded, whoever holds the lease now. */
const settleIn = (connection: RedisConnection, group: string, settings: RedisGroupSettings) =>
  Effect.fnUntraced(function* (entry: Delivery.Entry, refusal: Refused | null) {
    const { deadLettersMax, deadStream, settled, stream } = settings
    const at = yield* Clock.currentTimeMillis
    yield* connection.run((client) => {
      const transaction = client.multi()
      if (refusal !== null) {
        const { path, reason } = refusal
        const letter = { group, [eventField]: entry.text, reason, path, at: String(at), entry: entry.id }
        transaction.xadd(deadStream, "MAXLEN", "~", deadLettersMax, "*", ...Object.entries(letter).flat())
      }
      transaction.xack(stream, group, entry.id)
      if (settled === "delete") transaction.xdel(stream, entry.id)
      return execute(transaction)
    })
  })

/** Runs a transaction; an error of any of its commands is its failure. */
export const execute = async (transaction: ReturnType<Redis["multi"]>): Promise<void> => {
  const answers = await transaction.exec()
  if (answers === null) throw new Error("the transaction was not carried out")
  for (const [error] of answers) if (error !== null) throw error
}
