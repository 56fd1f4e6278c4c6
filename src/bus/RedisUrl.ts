import { Redacted, Result, Schema } from "effect"

/** Where a Redis server is. */
export interface RedisAddress {
  /** For messages: without user and password. */
  readonly name: string
  readonly at: { readonly path: string } | { readonly host: string; readonly port: number; readonly tls: boolean }
  readonly username: string | null
  readonly password: Redacted.Redacted | null
  /** Index of the database. */
  readonly database: number
}

/** `REDIS_URL` (or the setting that was named) cannot be used; the message is one line and repeats no password. */
export class RedisUrlInvalid extends Schema.TaggedError<RedisUrlInvalid>()("RedisUrlInvalid", {
  setting: Schema.String,
  message: Schema.String
}) {}

/** What the setting takes. */
export const right =
  "inline, a URL such as redis://user:password@host:6379/0 or rediss://host:6380, or the absolute path of a unix socket"
const portDefault = 6379

/** Reads `redis://…`, `rediss://…` (TLS), `unix:///run/redis.sock` or `/run/redis.sock`. */
export const parse = (text: string, setting = "REDIS_URL"): Result.Result<RedisAddress, RedisUrlInvalid> => {
  const wrong = (what: string) =>
    Result.fail(new RedisUrlInvalid({ setting, message: `${setting}: must be ${right}; ${what}` }))
  if (text.includes("\0")) return wrong("this holds a NUL character")
  if (text.startsWith("/")) return Result.succeed(socket(text))
  if (!URL.canParse(text)) return wrong("this is neither")
  const url = new URL(text)
  if (url.search !== "" || url.hash !== "") return wrong("parameters after ? or # are not known")
  if (url.protocol === "unix:") {
    const path = decoded(url.pathname)
    if (url.host !== "" || path === null || path.length < 2)
      return wrong("unix: takes a path, as in unix:///run/redis.sock")
    return Result.succeed(socket(path))
  }
  if (url.protocol !== "redis:" && url.protocol !== "rediss:") return wrong(`${url.protocol} is not known`)
  if (url.hostname === "") return wrong("the host is missing")
  if (!/^\/?\d{0,5}$/.test(url.pathname)) return wrong("what follows the host must be the number of a database")
  const username = decoded(url.username)
  const password = decoded(url.password)
  if (username === null || password === null) return wrong("user and password must be percent-encoded")
  const port = url.port === "" ? portDefault : Number(url.port)
  return Result.succeed({
    name: `${url.hostname}:${port}`,
    // An IPv6 address stands in brackets in a URL and nowhere else.
    at: { host: url.hostname.replace(/^\[(.*)\]$/, "$1"), port, tls: url.protocol === "rediss:" },
    username: username === "" ? null : username,
    password: password === "" ? null : Redacted.make(password),
    database: Number(url.pathname.slice(1))
  })
}

const socket = (path: string): RedisAddress => ({
  name: path,
  at: { path },
  username: null,
  password: null,
  database: 0
})

const decoded = (text: string): string | null => {
  const result = Result.try(() => decodeURIComponent(text))
  return Result.isSuccess(result) ? result.success : null
}
