import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result } from "effect"
import { resolve } from "node:path"
import * as Settings from "../../src/cli/Settings.ts"
import type { Given } from "../../src/cli/SettingText.ts"

type Texts = Given["flags"]

const all = (env: Texts, flags: Texts = {}): Settings.Settings => Result.getOrThrow(Settings.all({ flags, env }))

const fault = (env: Texts, flags: Texts = {}): string => {
  const result = Settings.all({ flags, env })
  assert(Result.isFailure(result), "expected a fault")
  assert.notInclude(result.failure.message, "\n")
  return result.failure.message
}

describe("the settings of a server", () => {
  it("have the defaults of the manual", () => {
    assert.deepStrictEqual(all({}), {
      dataDir: resolve(".kintsugi"),
      databaseUrl: null,
      databaseSetting: "DATABASE_URL",
      app: null,
      host: "127.0.0.1",
      port: 4000,
      adminToken: null,
      recovery: true,
      concurrency: 16,
      drainMs: 10_000,
      crashLimit: 10,
      storeSettleMs: 2_000,
      redis: null,
      openLineage: null,
      telemetry: { exported: null, log: { level: "Info", format: null } },
      security: {
        oidc: null,
        rateLimits: { perSecond: 2_000, burst: 4_000, failuresPerMinute: 600 },
        corsOrigins: [],
        tls: null
      },
      materializer: { baseBackoffMs: 120_000, maxBackoffMs: 1_800_000, refreshIntervalMs: 600_000 },
      signing: { keyFile: null, intervalMs: 3_600_000 },
      integrityIntervalMs: null,
      notices: []
    })
  })

  it("come from flags before the environment", () => {
    const { app, host, port } = all(
      { KINTSUGI_PORT: "1", KINTSUGI_HOST: "::1", KINTSUGI_APP: "env.ts" },
      { port: "0", app: "flag.ts" }
    )
    assert.deepStrictEqual({ app, host, port }, { app: resolve("flag.ts"), host: "::1", port: 0 })
  })

  it("take an empty variable for one that is not set", () => {
    assert.strictEqual(all({ KINTSUGI_PORT: "", REDIS_URL: " ", KINTSUGI_RECOVERY: "" }).port, 4000)
  })

  it("name the flag or the variable that is wrong, and what would be right", () => {
    assert.strictEqual(fault({}, { port: "65536" }), `--port: must be a whole number from 0 to 65535, not "65536"`)
    assert.strictEqual(
      fault({ KINTSUGI_PORT: "4e3" }),
      `KINTSUGI_PORT: must be a whole number from 0 to 65535, not "4e3"`
    )
    assert.match(fault({}, { port: "" }), /^--port: must be/)
    assert.match(fault({ KINTSUGI_RECOVERY: "yes" }), /^KINTSUGI_RECOVERY: must be on or off, not "yes"$/)
    assert.match(fault({ KINTSUGI_INTEGRITY_INTERVAL_MS: "1h" }), /^KINTSUGI_INTEGRITY_INTERVAL_MS: must be a whole/)
    assert.match(fault({ KINTSUGI_CONCURRENCY: "0" }), /^KINTSUGI_CONCURRENCY: must be a whole number from 1 to/)
    assert.match(fault({ KINTSUGI_DRAIN_MS: "10s" }), /^KINTSUGI_DRAIN_MS: must be a whole number of milliseconds/)
    assert.match(fault({ KINTSUGI_CRASH_LIMIT: "-1" }), /^KINTSUGI_CRASH_LIMIT: /)
    assert.match(fault({ KINTSUGI_SIGN_INTERVAL_MS: "60000" }), /^KINTSUGI_SIGN_INTERVAL_MS: .* KINTSUGI_SIGN_KEY_FILE/)
    const signed = { KINTSUGI_SIGN_KEY_FILE: "k.pem", KINTSUGI_SIGN_INTERVAL_MS: "1" }
    assert.match(fault(signed), /^KINTSUGI_SIGN_INTERVAL_MS: must be a whole number of milliseconds from 1000/)
    assert.match(fault({ KINTSUGI_STORE_SETTLE_MS: "1.5" }), /^KINTSUGI_STORE_SETTLE_MS: /)
    assert.match(fault({ ASSET_MATERIALIZER_MAX_BACKOFF_MS: "x" }), /^ASSET_MATERIALIZER_MAX_BACKOFF_MS: /)
    assert.match(fault({}, { host: "a b" }), /^--host: must be a host name/)
    assert.match(fault({}, { "data-dir": "" }), /^--data-dir: must be a path/)
  })

  it("take a database of PostgreSQL only, and never repeat a password", () => {
    const url = "postgres://me:secret@db:5432/app"
    assert.strictEqual(Redacted.value(all({ DATABASE_URL: url }).databaseUrl!), url)
    for (const wrong of ["mysql://me:secret@db/app", "db:secret", "postgres://"]) {
      const message = fault({ DATABASE_URL: wrong })
      assert.match(message, /^DATABASE_URL: must be a URL such as postgres:/)
      assert.notInclude(message, "secret@db/app")
    }
  })

  it("name the variables that nothing reads, with the setting that may have been meant, and refuse none", () => {
    const { notices } = all({
      ...{ KINTSUGI_CONCURENCY: "4", KINTSUGI_REDIS_PASSWORD_OF_MINE: "x", KINTSUGI_PORT: "0", KINTSUGI_EMPTY: "" },
      OTHER_SETTING: "1"
    })
    assert.deepStrictEqual(notices, [
      "no setting is named so, and what it says is not heeded: KINTSUGI_CONCURENCY (did you mean KINTSUGI_CONCURRENCY?), KINTSUGI_REDIS_PASSWORD_OF_MINE; docs/CONFIGURATION.md lists them all"
    ])
  })

  it("remember by which name the database was given, for the faults that show later", () => {
    const url = "postgres://me@db/app"
    assert.strictEqual(all({ DATABASE_URL: url }).databaseSetting, "DATABASE_URL")
    assert.strictEqual(all({ DATABASE_URL: url }, { "database-url": url }).databaseSetting, "--database-url")
    assert.match(fault({}, { "database-url": "x" }), /^--database-url: must be a URL/)
  })

  it("take any token that can travel in a header, never repeat it, and say that a short one can be guessed", () => {
    for (const right of ["x", "short", "0123456789abcdef"]) {
      const { adminToken, notices } = all({ KINTSUGI_ADMIN_TOKEN: right })
      assert.strictEqual(Redacted.value(adminToken!), right)
      assert.deepStrictEqual(
        notices,
        right.length < 16 ? ["KINTSUGI_ADMIN_TOKEN has fewer than 16 characters: a token so short can be guessed"] : []
      )
    }
    for (const wrong of ["0123456789 abcdef", "a\tb", "0123456789abcdéf"]) {
      const message = fault({ KINTSUGI_ADMIN_TOKEN: wrong })
      assert.match(message, /^KINTSUGI_ADMIN_TOKEN: must be visible ASCII characters without spaces$/)
    }
  })

  it("refuse what comes later in words, instead of ignoring it", () => {
    assert.match(fault({}, { cluster: "a:1" }), /^--cluster: this release serves with one process/)
  })

  it("take a Redis server as the event bus, and the process's own bus without one", () => {
    for (const none of [{}, { REDIS_URL: "inline" }, { REDIS_URL: " " }]) assert.isNull(all(none).redis)
    assert.strictEqual(all({ REDIS_URL: "redis://redis.example/1" }).redis?.name, "redis.example:6379")
    assert.isNull(all({ REDIS_URL: "redis://redis.example" }, { "redis-url": "inline" }).redis)
    const wrong = fault({ REDIS_URL: "http://user:secret@redis.example" })
    assert.match(wrong, /^REDIS_URL: must be inline, a URL such as redis:/)
    assert.notInclude(wrong, "secret")
    assert.match(fault({}, { "redis-url": "redis.example" }), /^--redis-url: must be inline/)
  })

  it("take an OpenLineage receiver by the variables that its other clients know", () => {
    assert.deepStrictEqual(all({ OPENLINEAGE_URL: "http://marquez:5000/" }).openLineage, {
      url: "http://marquez:5000/api/v1/lineage",
      apiKey: null,
      namespace: "kintsugi"
    })
    const own = { OPENLINEAGE_ENDPOINT: "/v2/events", OPENLINEAGE_API_KEY: "k", OPENLINEAGE_NAMESPACE: "prod" }
    const { apiKey, namespace, url } = all({ OPENLINEAGE_URL: "https://ol.example/x", ...own }).openLineage!
    assert.deepStrictEqual([url, namespace], ["https://ol.example/x/v2/events", "prod"])
    assert.strictEqual(Redacted.value(apiKey!), "k")
    assert.match(fault({ OPENLINEAGE_URL: "marquez:5000" }), /^OPENLINEAGE_URL: must be an http or https URL/)
    const secret = fault({ OPENLINEAGE_URL: "http://user:secret@marquez" })
    assert.match(secret, /without user and password/)
    assert.notInclude(secret, "secret")
    const given = { OPENLINEAGE_URL: "http://marquez" }
    assert.match(fault({ ...given, OPENLINEAGE_ENDPOINT: "a?b" }), /^OPENLINEAGE_ENDPOINT: must be a path/)
    assert.match(fault({ ...given, OPENLINEAGE_API_KEY: "a b" }), /^OPENLINEAGE_API_KEY: must be visible ASCII/)
    for (const name of ["OPENLINEAGE_ENDPOINT", "OPENLINEAGE_API_KEY", "OPENLINEAGE_NAMESPACE"]) {
      assert.match(fault({ [name]: "x" }), new RegExp(`^${name}: must be left out where OPENLINEAGE_URL is not set`))
    }
  })

  it("are refused where the first pause of the materializer is longer than its longest", () => {
    const base = "ASSET_MATERIALIZER_BASE_BACKOFF_MS"
    const max = "ASSET_MATERIALIZER_MAX_BACKOFF_MS"
    assert.match(fault({ [base]: "2000", [max]: "1000" }), new RegExp(`^${base}: must be at most ${max} .1000.`))
    assert.match(fault({ [max]: "1000" }), new RegExp(`^${max}: must be at least ${base} .120000.`))
    assert.match(fault({ [base]: "1800001" }), new RegExp(`^${base}: `))
    assert.strictEqual(all({ [base]: "5", [max]: "5" }).materializer.maxBackoffMs, 5)
  })
})

describe("the settings of a client", () => {
  it("have the default address, and lose a trailing slash", () => {
    assert.strictEqual(Result.getOrThrow(Settings.client({ flags: {}, env: {} })).url, "http://127.0.0.1:4000")
    const { url } = Result.getOrThrow(Settings.client({ flags: { url: "https://k.example/x/" }, env: {} }))
    assert.strictEqual(url, "https://k.example/x")
  })

  it("name an address that is none", () => {
    const result = Settings.client({ flags: {}, env: { KINTSUGI_URL: "localhost:4000" } })
    assert(Result.isFailure(result))
    assert.match(result.failure.message, /^KINTSUGI_URL: must be a URL such as http/)
  })
})
