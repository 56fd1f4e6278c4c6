import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { exportJWK, generateKeyPair, SignJWT } from "jose"
import { once } from "node:events"
import { type AddressInfo, createServer } from "node:net"
import * as HttpStub from "../capabilities/httpStub.ts"
import { token } from "../chaos/serverProcess.ts"
import { kintsugi } from "../cli/kintsugi.ts"
import * as OtlpReceiver from "../support/otlpReceiver.ts"
import { assertWithout } from "./canaries.ts"
import { eventually, inStatus, withFolder, written } from "./processSupport.ts"

const audience = "kintsugi-test"
const marks = {
  admin: token,
  redis: "canary-redis-refused-3e9c",
  source: "canary-source-header-62ab",
  defect: "canary-defect-in-url-b8d0"
}

/** A Redis that lets nobody in, and says back what it was sent. */
const refusingRedis = async () => {
  let asked = 0
  const server = createServer((socket) => {
    socket.on("error", () => {})
    socket.on("data", (bytes) => {
      asked++
      const said = bytes.toString("latin1").replace(/[\r\n]+/g, " ")
      // One answer a command.
      for (const _ of said.matchAll(/(?:^| )\*\d+ /g))
        socket.write(`-WRONGPASS invalid username-password pair: ${said}\r\n`)
    })
  })
  await once(server.listen(0, "127.0.0.1"), "listening")
  const { port } = server.address() as AddressInfo
  return { port, asked: () => asked, close: () => server.close() }
}

const app = (folder: string, endpoint: string) =>
  written(
    folder,
    "credentials.ts",
    `import { defineApp, defineJob } from "kintsugi"

const boom = defineJob({
  slug: "boom",
  run: (ctx) => {
    ctx.log.info("about to ask https://app:" + process.env.DEFECT_SECRET + "@db.internal/x")
    return new Promise((_, reject) =>
      setTimeout(() => {
        const cause = new Error("at https://app:" + process.env.DEFECT_SECRET + "@inner.internal/")
        reject(new TypeError("no answer from https://app:" + process.env.DEFECT_SECRET + "@db.internal/x", { cause }))
      }, 5)
    )
  }
})
const use = defineJob({ slug: "use", run: () => ({ result: { ok: true } }) })
const once = { maxAttempts: 1 }

export default defineApp({
  http: { allow: ["127.0.0.1"] },
  jobs: [boom, use],
  sources: [
    {
      assetId: "erp.orders",
      recheck: {
        webhook: "${endpoint}/exports",
        headers: { Authorization: { env: "SOURCE_SECRET", prefix: "Bearer " }, "X-Key": { env: "SOURCE_SECRET" } }
      }
    }
  ],
  workflows: [
    { slug: "boom", steps: [{ id: "a", jobSlug: "boom", retryPolicy: once }] },
    { slug: "uses", steps: [{ id: "a", jobSlug: "use", retryPolicy: once, consumes: [{ assetId: "erp.orders" }] }] }
  ]
})
`
  )

describe("credentials that are shown to a server, and those that it shows others", () => {
  it.live(
    "F84: of people, sources, jobs and a Redis that refuses, none is in an event, answer, log line or export",
    () =>
      withFolder(async ({ dataDir, folder, start }) => {
        const scope = Effect.runSync(Scope.make())
        const redis = await refusingRedis()
        try {
          const receiver = await Effect.runPromise(Scope.provide(OtlpReceiver.make, scope))
          const stub = await Effect.runPromise(Scope.provide(HttpStub.make, scope))
          const { privateKey, publicKey } = await generateKeyPair("RS256")
          const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: "k", alg: "RS256", use: "sig" }] }
          const sources: Array<string> = []
          stub.answer(({ headers, url }, response) => {
            response.setHeader("content-type", "application/json")
            if (url === "/.well-known/openid-configuration") {
              return response.end(JSON.stringify({ issuer: stub.endpoint, jwks_uri: `${stub.endpoint}/keys` }))
            }
            if (url === "/keys") return response.end(JSON.stringify(keys))
            // The source says back what it was sent, as careless services do.
            const said = `${headers.authorization} ${headers["x-key"]}`
            sources.push(said)
            return response
              .setHeader("x-echo", said)
              .writeHead(401)
              .end(JSON.stringify({ youSent: said }))
          })
          const sign = (expiresAt: string) =>
            new SignJWT({ roles: ["viewer"], sub: "anna" })
              .setProtectedHeader({ alg: "RS256", kid: "k" })
              .setIssuer(stub.endpoint)
              .setAudience(audience)
              .setIssuedAt()
              .setExpirationTime(expiresAt)
              .sign(privateKey)
          const jwt = await sign("5 minutes")
          const expired = await sign("1 hour ago")

          const server = await start({
            app: app(folder, stub.endpoint),
            env: {
              REDIS_URL: `redis://kintsugi:${marks.redis}@127.0.0.1:${redis.port}/0`,
              KINTSUGI_LOG_LEVEL: "debug",
              KINTSUGI_OIDC_ISSUER: stub.endpoint,
              KINTSUGI_OIDC_AUDIENCE: audience,
              OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url(),
              OTEL_BSP_SCHEDULE_DELAY: "50",
              OTEL_BLRP_SCHEDULE_DELAY: "50",
              SOURCE_SECRET: marks.source,
              DEFECT_SECRET: marks.defect
            }
          })
          const answers: Array<string> = []
          const ask = async (
            method: string,
            path: string,
            headers: Readonly<Record<string, string>>,
            body?: string
          ) => {
            const response = await fetch(`${server.url}${path}`, {
              method,
              headers,
              redirect: "manual",
              ...(body === undefined ? {} : { body })
            })
            const text = `${JSON.stringify([...response.headers])}\n${await response.text()}`
            answers.push(text)
            return { status: response.status, headers: response.headers, text }
          }
          const admin = { authorization: `Bearer ${token}` }

          // A person by a token of the issuer: let in, too late, and with half of a signature.
          assert.strictEqual((await ask("GET", "/api/v1/runs", { authorization: `Bearer ${jwt}` })).status, 200)
          for (const wrong of [expired, jwt.slice(0, -9)]) {
            assert.strictEqual((await ask("GET", "/api/v1/runs", { authorization: `Bearer ${wrong}` })).status, 401)
          }
          assert.strictEqual(
            (await ask("POST", "/api/v1/runs/x/cancel", { authorization: `Bearer ${jwt}` })).status,
            403
          )

          // Signed in at /admin: the cookie stands for the token, and is told to the browser alone.
          const form = { "content-type": "application/x-www-form-urlencoded" }
          const cookies: Record<string, string> = {}
          for (const [who, secret] of Object.entries({ admin: token, person: jwt })) {
            const { headers, status } = await ask("POST", "/admin/login", form, `token=${encodeURIComponent(secret)}`)
            assert.strictEqual(status, 303)
            cookies[who] = /^kintsugi_admin=([^;]{20,})/.exec(headers.get("set-cookie") ?? "")![1]!
            answers.pop()
            const seen = await ask("GET", "/admin", { cookie: `kintsugi_admin=${cookies[who]}` })
            assert.include(seen.text, "Sign out")
          }
          await ask("POST", "/admin/login", form, `token=${encodeURIComponent(expired)}`)

          // A source that refuses, and a job that dies with a URL in its hands.
          const failed: Array<string> = []
          for (const slug of ["boom", "uses"]) {
            const { data } = await server.client.run(slug)
            failed.push(String(data.id))
            await inStatus(server.client, String(data.id), "failed")
          }
          assert.deepStrictEqual(sources, [`Bearer ${marks.source} ${marks.source}`])
          assert.isAbove(redis.asked(), 0)
          for (const id of failed)
            for (const more of ["", "/events"]) await ask("GET", `/api/v1/runs/${id}${more}`, admin)
          const shown = answers.join("\n")
          assert.include(shown, "db.internal/x")
          for (const path of ["recoveries", "notifications", "admin/attention", "admin/stores", "events?limit=500"]) {
            await ask("GET", `/api/v1/${path}`, admin)
          }
          for (const path of ["/readyz", "/metrics", "/admin"]) {
            await ask("GET", path, { ...admin, cookie: `kintsugi_admin=${cookies.admin}` })
          }
          await ask("GET", "/api/v1/bus/dead-letters", admin)
          await eventually("traces", async () => receiver.spans().length > 5)
          server.signal("SIGTERM")
          await server.ended

          const secrets = {
            ...marks,
            jwt,
            expired,
            "the signature of the jwt": jwt.split(".")[2]!,
            "the cookie of the admin": cookies.admin!,
            "the cookie of the person": cookies.person!
          }
          const stored = await kintsugi(["export", "-", "--data-dir", dataDir])
          assert.strictEqual(stored.code, 0, stored.stderr)
          assert.include(stored.stdout, "StepFailed")
          const told = { stdout: server.stdout(), stderr: server.stderr(), answers: answers.join("\n") }
          assert.match(told.stdout + told.stderr, /redis/i)
          for (const [what, text] of Object.entries({ ...told, log: stored.stdout })) assertWithout(what, text, secrets)
          for (const { bytes, path } of receiver.requests) assertWithout(path, bytes.toString("utf8"), secrets)
        } finally {
          redis.close()
          await Effect.runPromise(Scope.close(scope, Exit.void))
        }
      })
  )
})
