import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import * as HttpStub from "../capabilities/httpStub.ts"
import { token } from "../chaos/serverProcess.ts"
import { kintsugi } from "../cli/kintsugi.ts"
import * as OtlpReceiver from "../support/otlpReceiver.ts"
import { assertWithout, forms } from "./canaries.ts"
import { eventually, inStatus, withFolder, written } from "./processSupport.ts"

/** One for each place in which a secret is given to a server. The marks need escapes in JSON, URLs and base64. */
const canaries = {
  admin: token,
  redis: "canary-redis-5d1f&é",
  s3: "canary-s3-91c7/x+y",
  openLineage: "canary-openlineage-2b8e",
  otlp: "canary-otlp-77aa",
  step: "canary-step-03cd",
  echo: "canary-echo-40be",
  url: "canary-url-6e6e",
  hook: "canary-hook-4c4c-long-enough-for-a-secret",
  mail: "canary-mail-9e1e",
  bearer: "canary-bearer-1a2b3c4d5e6f7a8b",
  database: "canary-database-8f8f"
}

const without = (what: string, text: string) => assertWithout(what, text, canaries)

const app = (folder: string, endpoint: string) =>
  written(
    folder,
    "secrets.ts",
    `import { defineApp, defineJob } from "kintsugi"

const secret = (name: string) => process.env[name] ?? ""
const login = defineJob({
  slug: "login",
  run: async () => {
    throw new Error("connect ECONNREFUSED postgres://app:" + secret("URL_SECRET") + "@db.internal/app")
  }
})
const read = defineJob({ slug: "read", run: async (ctx) => ({ result: await ctx.files.readText("cloud", "a.txt") }) })
const fine = defineJob({ slug: "fine", run: () => ({ result: { ok: true } }) })
const step = (id: string, path: string, env: string) => ({
  id,
  type: "http",
  retryPolicy: { maxAttempts: 1 },
  request: { url: "${endpoint}/" + path, headers: { "x-key": { env, prefix: "Key " } } }
})

export default defineApp({
  http: { allow: ["127.0.0.1"] },
  notifications: {
    channels: {
      hook: { type: "webhook", url: "${endpoint}/hook", secret: { env: "HOOK_SECRET" } },
      mail: {
        ...{ type: "email", host: "127.0.0.1", port: 1, user: "kintsugi" },
        ...{ password: { env: "MAIL_SECRET" }, from: "a@example.org", to: ["b@example.org"] }
      }
    },
    routes: [{ to: ["hook", "mail"] }]
  },
  stores: { cloud: { type: "s3", bucket: "b", endpoint: "http://127.0.0.1:1", region: "us-east-1" } },
  jobs: [login, read, fine],
  workflows: [
    { slug: "fine", steps: [{ id: "a", jobSlug: "fine" }, step("b", "ok", "STEP_SECRET")] },
    { slug: "denied", steps: [step("a", "denied", "ECHO_SECRET")] },
    { slug: "login", steps: [{ id: "a", jobSlug: "login", retryPolicy: { maxAttempts: 1 } }] },
    { slug: "cloud", steps: [{ id: "a", jobSlug: "read" }] }
  ]
})
`
  )

describe("secrets that a server is given", () => {
  it.live("F84: are in no event, answer, log line or export, whatever goes well or wrong", () =>
    withFolder(async ({ dataDir, folder, start }) => {
      const scope = Effect.runSync(Scope.make())
      try {
        const receiver = await Effect.runPromise(Scope.provide(OtlpReceiver.make, scope))
        const stub = await Effect.runPromise(Scope.provide(HttpStub.make, scope))
        // The other side says back what it was sent, as careless services do.
        stub.answer((request, response) => {
          const key = String(request.headers["x-key"] ?? request.headers.authorization)
          response.setHeader("content-type", "application/json")
          response.setHeader("x-echo", key)
          response.writeHead(request.url === "/ok" ? 200 : 401).end(JSON.stringify({ youSent: key }))
        })
        const server = await start({
          app: app(folder, stub.endpoint),
          env: {
            REDIS_URL: `redis://kintsugi:${encodeURIComponent(canaries.redis)}@127.0.0.1:1/0`,
            KINTSUGI_LOG_LEVEL: "debug",
            AWS_ACCESS_KEY_ID: "AKIAKINTSUGI",
            AWS_SECRET_ACCESS_KEY: canaries.s3,
            OPENLINEAGE_URL: stub.endpoint,
            OPENLINEAGE_API_KEY: canaries.openLineage,
            OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url(),
            OTEL_EXPORTER_OTLP_HEADERS: `x-api-key=${canaries.otlp}`,
            OTEL_BSP_SCHEDULE_DELAY: "50",
            OTEL_BLRP_SCHEDULE_DELAY: "50",
            OTEL_METRIC_EXPORT_INTERVAL: "200",
            STEP_SECRET: canaries.step,
            ECHO_SECRET: canaries.echo,
            URL_SECRET: canaries.url,
            HOOK_SECRET: canaries.hook,
            MAIL_SECRET: canaries.mail
          }
        })
        const answers: Array<string> = []
        const ask = async (method: string, path: string, body?: unknown, bearer = token) => {
          const response = await fetch(`${server.url}${path}`, {
            method,
            headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
            ...(body === undefined ? {} : { body: JSON.stringify(body) })
          })
          const text = `${JSON.stringify([...response.headers])}\n${await response.text()}`
          answers.push(text)
          return text
        }
        const issued = await ask("POST", "/api/v1/admin/tokens", { name: "ci", role: "viewer" })
        const apiToken = /ktg_[\w-]{43}/.exec(issued)![0]
        answers.pop()
        await ask("GET", "/api/v1/runs", undefined, apiToken)
        for (const path of ["/api/v1/runs", "/metrics"]) await ask("GET", path, undefined, canaries.bearer)
        await ask("GET", `/api/v1/runs/${encodeURIComponent(canaries.bearer).slice(0, 3)}`)

        const runs: Record<string, string> = {}
        for (const slug of ["fine", "denied", "login", "cloud"]) {
          const said = await ask("POST", `/api/v1/workflows/${slug}/run`, {})
          runs[slug] = /"data":\{"id":"([^"]+)"/.exec(said)![1]!
        }
        await inStatus(server.client, runs.fine!, "succeeded")
        for (const slug of ["denied", "login"]) await inStatus(server.client, runs[slug]!, "failed")
        await eventually("a step that waits for its store", async () =>
          /"store:cloud"|"waitingFor":\{"type":"store"/.test(await ask("GET", `/api/v1/runs/${runs.cloud}`))
        )
        for (const id of Object.values(runs))
          for (const more of ["", "/events"]) await ask("GET", `/api/v1/runs/${id}${more}`)
        const document = JSON.parse((await ask("GET", "/openapi.json")).split("\n")[1]!) as { paths: object }
        for (const path of [...Object.keys(document.paths), "/admin"]) {
          if (!path.includes("{") && !path.includes("stream")) await ask("GET", path)
        }
        const log = await ask("GET", "/api/v1/events?limit=500")
        assert.include(log, "StepFailed")
        assert.include(stub.requests.join(), "GET /denied")
        await eventually("traces and metrics", async () => receiver.spans().length > 5 && receiver.metrics().length > 0)
        server.signal("SIGTERM")
        await server.ended

        const known = { stdout: server.stdout(), stderr: server.stderr(), answers: answers.join("\n") }
        for (const [what, text] of Object.entries(known)) {
          without(what, text)
          for (const form of forms(apiToken)) assert.notInclude(text, form, `${what}: API token`)
        }
        for (const { bytes, path } of receiver.requests) without(path, bytes.toString("utf8"))
        // Everything that was stored, byte for byte.
        const stored = await kintsugi(["export", "-", "--data-dir", dataDir])
        assert.strictEqual(stored.code, 0, stored.stderr)
        assert.include(stored.stdout, "TokenIssued")
        without("the log", stored.stdout)
        for (const form of forms(apiToken)) assert.notInclude(stored.stdout, form)
      } finally {
        await Effect.runPromise(Scope.close(scope, Exit.void))
      }
    })
  )

  it.live("F84: a database that refuses its URL is told of without the password", () =>
    Effect.promise(async () => {
      for (const rest of ["127.0.0.1:1/kintsugi", "127.0.0.1:1/kintsugi?sslmode=nonsense", "no host/x"]) {
        const url = `postgres://kintsugi:${canaries.database}@${rest}`
        const { code, stderr, stdout } = await kintsugi(["verify", "--database-url", url])
        assert.notStrictEqual(code, 0)
        without(rest, stdout + stderr)
      }
    })
  )
})
