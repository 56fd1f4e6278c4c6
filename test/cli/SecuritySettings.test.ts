import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import * as Settings from "../../src/cli/Settings.ts"
import * as TlsFiles from "../../src/cli/TlsFiles.ts"
import * as Server from "../../src/http/Server.ts"
import * as Fakes from "../http/Fakes.ts"
import { server } from "../http/Harness.ts"
import { temporaryFolder } from "../support/engine.ts"
import { kintsugi } from "./kintsugi.ts"

type Env = Readonly<Record<string, string>>
const read = (env: Env) => Result.getOrThrow(Settings.all({ flags: {}, env })).security
const fault = (env: Env): string => {
  const result = Settings.all({ flags: {}, env })
  assert(Result.isFailure(result), `expected a fault of ${JSON.stringify(env)}`)
  return result.failure.message
}

const folder = join(import.meta.dirname, "../http/tls")
const certFile = join(folder, "cert.pem")
const keyFile = join(folder, "key.pem")
const tls = { cert: readFileSync(certFile), key: readFileSync(keyFile) }

describe("the settings of who is let in", () => {
  it("F84: name an issuer, its audience, the claim of the roles and where the keys are", () => {
    const issuer = { KINTSUGI_OIDC_ISSUER: "https://id.example.org/realm", KINTSUGI_OIDC_AUDIENCE: "kintsugi" }
    const expected = { issuer: "https://id.example.org/realm", audience: "kintsugi", roleClaim: "roles", jwksUrl: null }
    assert.deepStrictEqual(read(issuer).oidc, expected)
    const more = { KINTSUGI_OIDC_ROLE_CLAIM: "realm_access.roles", KINTSUGI_OIDC_JWKS_URL: "http://127.0.0.1:1/keys" }
    const changed = { roleClaim: "realm_access.roles", jwksUrl: "http://127.0.0.1:1/keys" }
    assert.deepStrictEqual(read({ ...issuer, ...more }).oidc, { ...expected, ...changed })
  })

  it("F84: bound requests and wrong credentials; 0 is without a bound", () => {
    assert.deepStrictEqual(read({ KINTSUGI_RATE_LIMIT_PER_SECOND: "10" }).rateLimits, {
      ...{ perSecond: 10, burst: 20, failuresPerMinute: 600 }
    })
    const none = { KINTSUGI_RATE_LIMIT_PER_SECOND: "0", KINTSUGI_SIGN_IN_FAILURES_PER_MINUTE: "0" }
    assert.deepInclude(read(none).rateLimits, { perSecond: 0, failuresPerMinute: 0 })
  })

  it("F84: list origins exactly", () => {
    const origins = "https://a.example.org, http://127.0.0.1:3000"
    assert.deepStrictEqual(read({ KINTSUGI_CORS_ORIGINS: origins }).corsOrigins, origins.split(", "))
  })

  it("F84: name what is wrong, and what would be right", () => {
    const audience = { KINTSUGI_OIDC_AUDIENCE: "kintsugi" }
    const wrong: ReadonlyArray<readonly [Env, string]> = [
      [{ KINTSUGI_OIDC_ISSUER: "https://id" }, "KINTSUGI_OIDC_AUDIENCE: is needed when KINTSUGI_OIDC_ISSUER is set"],
      [audience, "KINTSUGI_OIDC_ISSUER: is needed when KINTSUGI_OIDC_AUDIENCE is set"],
      [{ ...audience, KINTSUGI_OIDC_ISSUER: "http://id.example.org" }, "KINTSUGI_OIDC_ISSUER: must be an https URL"],
      [{ ...audience, KINTSUGI_OIDC_ISSUER: "id.example.org" }, "KINTSUGI_OIDC_ISSUER: must be an https URL"],
      [{ KINTSUGI_CORS_ORIGINS: "*" }, "KINTSUGI_CORS_ORIGINS: must be origins such as"],
      [{ KINTSUGI_CORS_ORIGINS: "https://a.example.org/" }, "KINTSUGI_CORS_ORIGINS: must be origins such as"],
      [{ KINTSUGI_CORS_ORIGINS: "https://*.example.org/x" }, "KINTSUGI_CORS_ORIGINS: must be origins such as"],
      [{ KINTSUGI_RATE_LIMIT_PER_SECOND: "-1" }, "KINTSUGI_RATE_LIMIT_PER_SECOND: must be a whole number from 0"],
      [{ KINTSUGI_RATE_LIMIT_BURST: "0" }, "KINTSUGI_RATE_LIMIT_BURST: must be a whole number from 1"],
      [{ KINTSUGI_TLS_CERT: "c.pem" }, "KINTSUGI_TLS_KEY: is needed when KINTSUGI_TLS_CERT is set"],
      [{ KINTSUGI_TLS_KEY: "k.pem" }, "KINTSUGI_TLS_CERT: is needed when KINTSUGI_TLS_KEY is set"]
    ]
    for (const [env, told] of wrong) assert.include(fault(env), told)
  })
})

describe("the files of TLS", () => {
  const loaded = (cert: string, key: string) =>
    Effect.map(Effect.result(TlsFiles.load({ certFile: cert, keyFile: key })), (result) =>
      Result.isFailure(result) ? result.failure.message : "loaded"
    )

  it.live("F84: are tried before anything starts, and the setting that is wrong is named", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const place = yield* temporaryFolder
        const nonsense = join(place, "nonsense.pem")
        writeFileSync(nonsense, "no certificate")
        assert.strictEqual(yield* loaded(certFile, keyFile), "loaded")
        const wrong: ReadonlyArray<readonly [string, string, string]> = [
          [join(place, "absent.pem"), keyFile, "KINTSUGI_TLS_CERT: .*absent.pem cannot be read: ENOENT"],
          [certFile, join(place, "absent.pem"), "KINTSUGI_TLS_KEY: .*absent.pem cannot be read: ENOENT"],
          [nonsense, keyFile, "KINTSUGI_TLS_CERT: .* holds no PEM certificate"],
          [certFile, nonsense, "KINTSUGI_TLS_KEY: .* holds no PEM key without a passphrase"],
          [keyFile, certFile, "KINTSUGI_TLS_CERT: .* holds no PEM certificate"],
          [certFile, join(folder, "other-key.pem"), "KINTSUGI_TLS_KEY: .* is not the key of the certificate"]
        ]
        for (const [cert, key, told] of wrong) assert.match(yield* loaded(cert, key), new RegExp(`^${told}`))
      })
    )
  )

  it.live("F84: a server with wrong ones ends with one line and exit 2", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const cwd = yield* temporaryFolder
        const env = { KINTSUGI_TLS_CERT: certFile, KINTSUGI_TLS_KEY: join(folder, "other-key.pem") }
        const { code, stderr } = yield* Effect.promise(() => kintsugi(["serve", "--port", "0"], { cwd, env }))
        assert.strictEqual(code, 2, stderr)
        assert.match(stderr, /^kintsugi: KINTSUGI_TLS_KEY: [^\n]* is not the key of the certificate [^\n]*\n$/)
      })
    )
  )

  it.live("F84: a command speaks to a server over TLS when it knows the authority", () =>
    Effect.gen(function* () {
      const { url } = yield* Server.Listening
      const run = (env: Env) =>
        Effect.promise(() =>
          kintsugi(["backfill", "watch", "nothing"], {
            env: { KINTSUGI_URL: url, KINTSUGI_ADMIN_TOKEN: "wrong", ...env }
          })
        )
      assert.include((yield* run({ KINTSUGI_CA_FILE: certFile })).stderr, "the server does not accept this token")
      const unknown = yield* run({})
      assert.strictEqual(unknown.code, 1)
      assert.include(unknown.stderr, "DEPTH_ZERO_SELF_SIGNED_CERT")
      const broken = yield* run({ KINTSUGI_CA_FILE: keyFile })
      assert.strictEqual(broken.code, 2, broken.stderr)
      assert.match(broken.stderr, /^kintsugi: KINTSUGI_CA_FILE: .* holds no PEM certificate/)
    }).pipe(Effect.provide(server(Fakes.makeState(), undefined, { tls })))
  )
})
