import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result } from "effect"
import * as RedisUrl from "../../src/bus/RedisUrl.ts"

const none = { username: null, password: null, database: 0 }

describe("REDIS_URL", () => {
  it.each([
    ["redis://localhost", { name: "localhost:6379", at: { host: "localhost", port: 6379, tls: false }, ...none }],
    [
      "rediss://r.example:6380/2",
      { name: "r.example:6380", at: { host: "r.example", port: 6380, tls: true }, ...none, database: 2 }
    ],
    ["redis://[::1]:7000/", { name: "[::1]:7000", at: { host: "::1", port: 7000, tls: false }, ...none }],
    ["/run/redis/redis.sock", { name: "/run/redis/redis.sock", at: { path: "/run/redis/redis.sock" }, ...none }],
    ["unix:///run/redis.sock", { name: "/run/redis.sock", at: { path: "/run/redis.sock" }, ...none }]
  ])("may be %s", (text, address) => {
    assert.deepStrictEqual(RedisUrl.parse(text), Result.succeed(address))
  })

  it("may carry a user and a percent-encoded password, which are shown nowhere", () => {
    const address = Result.getOrThrow(RedisUrl.parse("redis://user:p%40ss@localhost:6379/1"))
    assert.strictEqual(address.username, "user")
    assert.strictEqual(Redacted.value(address.password!), "p@ss")
    assert.notInclude(JSON.stringify(address), "p@ss")
    assert.strictEqual(address.name, "localhost:6379")
  })

  it.each([
    ["localhost:6379", "localhost: is not known"],
    ["http://localhost", "http: is not known"],
    ["redis://", "the host is missing"],
    ["redis://h/db", "what follows the host must be the number of a database"],
    ["redis://h?tls=true", "parameters after ? or # are not known"],
    ["redis://u:%zz@h", "user and password must be percent-encoded"],
    ["unix://h/x", "unix: takes a path, as in unix:///run/redis.sock"],
    ["not a url", "this is neither"],
    ["", "this is neither"]
  ])("is refused in one line that names the setting: %s", (text, what) => {
    const { message } = Result.getOrThrow(Result.flip(RedisUrl.parse(text)))
    assert.strictEqual(
      message,
      "REDIS_URL: must be inline, a URL such as redis://user:password@host:6379/0 or rediss://host:6380, " +
        `or the absolute path of a unix socket; ${what}`
    )
    assert.match(Result.getOrThrow(Result.flip(RedisUrl.parse(text, "--redis-url"))).message, /^--redis-url: /)
  })
})
