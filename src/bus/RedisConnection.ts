import { Duration, Effect, Redacted, type Scope } from "effect"
import { Redis } from "ioredis"
import { mark } from "../domain/SecretText.ts"
import { BusUnavailable } from "./EventBus.ts"
import type { RedisAddress } from "./RedisUrl.ts"

/** A connection that is made again for ever while its scope is open. Commands never wait for an absent server. */
export interface RedisConnection {
  /**
   * Runs a command; fails when the server is away, does not answer in time, or answers with an error. Whether a command
   * that failed was carried out is not known.
   */
  readonly run: <A>(command: (client: Redis) => Promise<A>) => Effect.Effect<A, BusUnavailable>
  /** A connection of its own, for commands that block theirs. */
  readonly another: Effect.Effect<RedisConnection, never, Scope.Scope>
}

const connectTimeoutMs = 5_000
const commandTimeoutMs = 5_000
/** A server that is frozen keeps its sockets open: the connection is given up after this silence. */
const silenceMs = 10_000
const readyWithinMs = 2_000

/** Begins to connect and does not wait for it. */
export const make = (address: RedisAddress): Effect.Effect<RedisConnection, never, Scope.Scope> =>
  Effect.gen(function* () {
    let lastError: unknown = null
    const client = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const opened = open(address)
        opened.on("error", (error) => {
          lastError = error
        })
        opened.on("ready", () => {
          lastError = null
        })
        return opened
      }),
      (opened) => Effect.sync(() => opened.disconnect())
    )

    const failed = (cause: unknown): BusUnavailable => {
      // Without a connection the client's own words name a setting of the client; why there is none says more.
      const what = isConnecting(client) ? "the server does not answer" : "the server closed the connection"
      const raw = client.status === "ready" ? cause : (lastError ?? new Error(what, { cause }))
      const reason = withoutPassword(raw, address)
      const text = reason instanceof Error ? reason.message : String(reason)
      return new BusUnavailable({ message: `Redis at ${address.name}: ${text}`, cause: reason })
    }

    const settled = Effect.callback<void>((resume) => {
      const done = () => resume(Effect.void)
      client.once("ready", done)
      client.once("close", done)
      return Effect.sync(() => client.off("ready", done).off("close", done))
    })
    /** A connection that is being made is worth a moment; one that failed is not. */
    const connected = Effect.suspend(() =>
      isConnecting(client) ? Effect.asVoid(Effect.timeoutOption(settled, Duration.millis(readyWithinMs))) : Effect.void
    )

    return {
      run: (command) => Effect.andThen(connected, Effect.tryPromise({ try: () => command(client), catch: failed })),
      another: Effect.suspend(() => make(address))
    }
  })

/**
 * What a server says of `AUTH` may quote it, and the client's error holds the command with its arguments: of such an
 * error only the words are kept, without the password.
 */
const withoutPassword = (error: unknown, { password }: RedisAddress): unknown => {
  if (password === null || !(error instanceof Error)) return error
  const isOfCommand = "command" in error
  const text = error.message.replaceAll(Redacted.value(password), mark)
  if (text === error.message && !isOfCommand) return error
  return Object.assign(new Error(text), { name: error.name })
}

const isConnecting = ({ status }: Redis): boolean => status === "connecting" || status === "connect"

const open = (address: RedisAddress): Redis => {
  const { at, database, password, username } = address
  const place = "path" in at ? { path: at.path } : { host: at.host, port: at.port, ...(at.tls ? { tls: {} } : {}) }
  return new Redis({
    ...place,
    ...(username === null ? {} : { username }),
    ...(password === null ? {} : { password: Redacted.value(password) }),
    db: database,
    connectionName: "kintsugi",
    protocol: 2,
    connectTimeout: connectTimeoutMs,
    commandTimeout: commandTimeoutMs,
    socketTimeout: silenceMs,
    // What waits for the server waits where it is durable: with the caller. The client holds no commands back, and
    // repeats none by itself; it only connects again, for ever (its own default: doubling up to 5 s, with jitter).
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0
  })
}
