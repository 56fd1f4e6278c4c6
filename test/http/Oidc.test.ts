import { createServer, type Server as NodeServer } from "node:http"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT } from "jose"
import { history, until } from "../support/engine.ts"
import { send } from "./Harness.ts"
import { served } from "./realEngine.ts"

const audience = "kintsugi-test"

interface Issuer {
  readonly url: string
  /** A token with these claims beside those of a good one; undefined takes one away. */
  readonly sign: (
    claims?: Readonly<Record<string, unknown>>,
    header?: { readonly alg: string; readonly kid?: string }
  ) => Effect.Effect<string>
  /** From now on it signs with another key, and publishes that one only. */
  readonly rotate: Effect.Effect<void>
  readonly publicKey: Effect.Effect<string>
  /** Stops, and starts to answer on the same port. */
  readonly stop: Effect.Effect<void>
  readonly start: Effect.Effect<void>
  readonly asked: () => number
}

const nowS = () => Math.floor(Date.now() / 1000)

/** An issuer of tokens as a real HTTP server, with its discovery document and keys. */
const makeIssuer = Effect.gen(function* () {
  let generation = 0
  const makeKeys = () => generateKeyPair("RS256")
  let keys = yield* Effect.promise(makeKeys)
  let asked = 0
  let server: NodeServer
  let url = ""
  const answer = async (path: string | undefined) => {
    asked++
    if (path === "/.well-known/openid-configuration") return { issuer: url, jwks_uri: `${url}/keys` }
    return { keys: [{ ...(await exportJWK(keys.publicKey)), kid: `k${generation}`, alg: "RS256", use: "sig" }] }
  }
  const listen = (port: number) =>
    new Promise<number>((resolve) => {
      server = createServer((request, response) => {
        void answer(request.url).then((body) => {
          response.setHeader("content-type", "application/json").end(JSON.stringify(body))
        })
      })
      server.listen(port, "127.0.0.1", () => resolve((server.address() as AddressInfo).port))
    })
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  const port = yield* Effect.acquireRelease(
    Effect.promise(() => listen(0)),
    () => Effect.promise(() => (server.listening ? close() : Promise.resolve()))
  )
  url = `http://127.0.0.1:${port}`
  const signWith = (
    key: CryptoKey | Uint8Array,
    claims: object,
    header: { readonly alg: string; readonly kid?: string }
  ) =>
    new SignJWT({
      ...{ iss: url, aud: audience, sub: "ada", roles: ["operator"], iat: nowS(), exp: nowS() + 600 },
      ...claims
    })
      .setProtectedHeader(header)
      .sign(key)
  return {
    url,
    sign: (claims = {}, header = { alg: "RS256", kid: `k${generation}` }) =>
      Effect.promise(() => signWith(keys.privateKey, claims, header)),
    rotate: Effect.promise(async () => {
      keys = await makeKeys()
      generation++
    }),
    publicKey: Effect.promise(() => exportSPKI(keys.publicKey)),
    stop: Effect.promise(close),
    start: Effect.asVoid(Effect.promise(() => listen(port))),
    asked: () => asked
  } satisfies Issuer
})

/** A server that takes the tokens of an issuer. */
const trusting = <A, E>(
  body: (
    issuer: Issuer
  ) => Effect.Effect<A, E, Effect.Services<ReturnType<typeof ask>> | Effect.Services<typeof history>>,
  { isAway = false, roleClaim = "roles" } = {}
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const issuer = yield* makeIssuer
      if (isAway) yield* issuer.stop
      const oidc = { issuer: issuer.url, audience, roleClaim, jwksUrl: null, keyCooldownMs: 0 }
      return yield* served({ settings: { oidc } }, body(issuer))
    })
  )

const ask = (token: string, path = "/api/v1/workflows") => send("GET", path, { token })
const statusOf = (token: string) => Effect.map(ask(token), ({ status }) => status)

describe("tokens of an OpenID Connect issuer", () => {
  it.live("F84: let in whom the issuer names, with the role that it gives, and the log says who it was", () =>
    trusting((issuer) =>
      Effect.gen(function* () {
        const operator = yield* issuer.sign()
        assert.strictEqual(yield* statusOf(operator), 200)
        const produced = yield* send("POST", "/api/v1/assets/orders/produced", { token: operator, body: "{}" })
        assert.strictEqual(produced.status, 202, produced.text)
        const told = (yield* history).filter(({ type }) => type === "AssetProduced")
        assert.deepStrictEqual(
          told.map(({ metadata }) => metadata.principal),
          ["oidc:ada"]
        )
        const refused = yield* send("PUT", "/api/v1/workflows/x", { token: operator, body: "{}" })
        assert.deepInclude(refused.json, { code: "forbidden", requiredRole: "admin", role: "operator" })
        const both = yield* issuer.sign({ roles: ["viewer", "admin", "cook"] })
        assert.strictEqual((yield* ask(both, "/api/v1/admin/tokens")).status, 200, "the highest role counts")
      })
    )
  )

  it.live("F84: without a role that is known here they are known, and may do nothing", () =>
    trusting((issuer) =>
      Effect.gen(function* () {
        for (const roles of [undefined, [], ["cook"], { admin: true }, "constructor", 7]) {
          const { json } = yield* ask(yield* issuer.sign({ roles }))
          assert.deepInclude(json, { status: 403, code: "forbidden", role: null }, JSON.stringify(roles))
          assert.include(String(json.detail), "oidc:ada has none")
        }
      })
    )
  )

  it.live("F84: the claim with the roles may lie deeper, be one text, or have dots in its name", () =>
    trusting(
      (issuer) =>
        Effect.gen(function* () {
          assert.strictEqual(yield* statusOf(yield* issuer.sign({ realm: { roles: "openid viewer" } })), 200)
          assert.strictEqual(yield* statusOf(yield* issuer.sign({ "realm.roles": ["viewer"] })), 200)
          assert.strictEqual(yield* statusOf(yield* issuer.sign()), 403)
        }),
      { roleClaim: "realm.roles" }
    )
  )

  it.live("F84: one that breaks a rule is nobody's", () =>
    trusting((issuer) =>
      Effect.gen(function* () {
        const publicKey = new TextEncoder().encode(yield* issuer.publicKey)
        const claims = { iss: issuer.url, aud: audience, sub: "ada", roles: ["admin"], exp: nowS() + 600 }
        const hmac = new SignJWT(claims).setProtectedHeader({ alg: "HS256", kid: "k0" }).sign(publicKey)
        const other = yield* Effect.promise(() => generateKeyPair("RS256"))
        const forged = new SignJWT(claims).setProtectedHeader({ alg: "RS256", kid: "k0" }).sign(other.privateKey)
        const good = yield* issuer.sign()
        const [head, , signature] = good.split(".")
        const admin = Buffer.from(JSON.stringify(claims)).toString("base64url")
        const bad: Readonly<Record<string, string>> = {
          "another issuer": yield* issuer.sign({ iss: "http://127.0.0.1:1" }),
          "another audience": yield* issuer.sign({ aud: "somebody-else" }),
          "no audience": yield* issuer.sign({ aud: undefined }),
          "no signature (alg none)": new UnsecuredJWT(claims).encode(),
          "the public key for a secret (HS256)": yield* Effect.promise(() => hmac),
          "the key of somebody else": yield* Effect.promise(() => forged),
          "other claims under the signature": `${head}.${admin}.${signature}`,
          expired: yield* issuer.sign({ exp: nowS() - 60 }),
          "without an end": yield* issuer.sign({ exp: undefined }),
          "not valid yet": yield* issuer.sign({ nbf: nowS() + 120 }),
          "without a subject": yield* issuer.sign({ sub: undefined }),
          "an empty subject": yield* issuer.sign({ sub: "" }),
          "a subject of two lines": yield* issuer.sign({ sub: "ada\nadmin" }),
          "an unknown key": yield* issuer.sign({}, { alg: "RS256", kid: "k9" })
        }
        for (const [what, token] of Object.entries(bad)) assert.strictEqual(yield* statusOf(token), 401, what)
        assert.strictEqual(yield* statusOf(good), 200)
        const slow = yield* issuer.sign({ exp: nowS() - 10, nbf: nowS() + 10 })
        assert.strictEqual(yield* statusOf(slow), 200, "clocks differ by less than half a minute")
      })
    )
  )

  it.live("F84: keys are asked for once, and again when the issuer signs with a new one", () =>
    trusting((issuer) =>
      Effect.gen(function* () {
        const old = yield* issuer.sign()
        for (const _ of [1, 2, 3]) assert.strictEqual(yield* statusOf(old), 200)
        assert.strictEqual(issuer.asked(), 2, "the discovery document and the keys")
        yield* issuer.rotate
        assert.strictEqual(yield* statusOf(yield* issuer.sign()), 200)
        assert.strictEqual(yield* statusOf(old), 401, "the key is not published any more")
      })
    )
  )

  it.live("F84: an issuer that is away keeps no server from starting, and 503 says that it is not the token", () =>
    trusting(
      (issuer) =>
        Effect.gen(function* () {
          const token = yield* issuer.sign()
          const away = yield* ask(token)
          assert.deepInclude(away.json, { status: 503, code: "unavailable" })
          assert.include(String(away.json.detail), issuer.url)
          assert.isString(away.headers.get("retry-after"))
          assert.strictEqual((yield* send("GET", "/api/v1/workflows")).status, 200, "the admin token needs no issuer")
          assert.strictEqual(yield* statusOf("not.a.token"), 401)
          yield* issuer.start
          yield* until(statusOf(token), (status) => status === 200, "the issuer's keys")
        }),
      { isAway: true }
    )
  )
})
