import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { OpenApi } from "effect/http-api"
import { Api } from "../../src/http/api/Api.ts"
import { EventBus, Refused } from "../../src/bus/EventBus.ts"
import { defineJob, PermanentFailure } from "../../src/index.ts"
import { daily, making } from "../backfill/days.ts"
import { producedEvent, publish } from "../bus/events.ts"
import { makes, stepFor, uses } from "../support/chainApp.ts"
import { history, ran, recoveries, succeeded, until } from "../support/engine.ts"
import { send } from "./Harness.ts"
import { issue, servedIn } from "./realEngine.ts"

/** Commands that change no stream, and so cause no event. */
const withoutEvents = ["POST /api/v1/recoveries/plan", "POST /api/v1/notifications/{id}/read"]

/**
 * Commands about what only a database has: test/http/Attention.pg.test.ts, test/notify, test/projections, test/bulk and
 * test/redaction give them.
 */
const ofDatabases = [
  "POST /api/v1/admin/attention/{id}/mute",
  "POST /api/v1/admin/attention/{id}/unmute",
  "POST /api/v1/notifications/deliveries/{id}/retry",
  "POST /api/v1/admin/projections/{name}/rebuild",
  "POST /api/v1/admin/projections/{name}/skip",
  "POST /api/v1/admin/redact",
  "POST /api/v1/bulk",
  "POST /api/v1/bulk/{id}/cancel"
]

const commands = Object.entries(OpenApi.fromApi(Api).paths)
  .flatMap(([path, item]) => Object.keys(item as object).map((method) => `${method.toUpperCase()} ${path}`))
  .filter((route) => !route.startsWith("GET ") && ![...withoutEvents, ...ofDatabases].includes(route))

const days = "/api/v1/workflows/days/assets/days"
const base = "/api/v1/workflows/bases/assets/base"
const dead = "/api/v1/bus/dead-letters"
const tokens = "/api/v1/admin/tokens"

const hang = defineJob({ slug: "hang", run: () => new Promise<never>(() => {}) })
const pass = defineJob({ slug: "pass", run: () => Promise.resolve({}) })
const fail = defineJob({ slug: "fail", run: () => Promise.reject(new PermanentFailure("no")) })
const workflows = {
  ...daily,
  bases: { steps: [{ ...stepFor("make-base"), produces: [{ assetId: "base", recovery: { maxAttempts: 1 } }] }] },
  fails: {
    steps: [
      { id: "first", jobSlug: "pass" },
      { id: "only", jobSlug: "fail", dependsOn: ["first"] }
    ]
  },
  users: { steps: [stepFor("use-base", { consumes: ["base"] })] }
}

describe("the log is the audit", () => {
  it.live("F84: the events of every command bear the principal of who gave it", () => {
    let made = 0
    let isSlow = false
    const broken = makes("base", () => {
      if (isSlow) return new Promise<never>(() => {})
      if (++made > 1) throw new PermanentFailure("the instrument is broken")
      return "base"
    })
    const jobs = [hang, pass, fail, broken, uses("base"), making(() => new Promise<never>(() => {}))]
    return servedIn({ jobs, workflows }, (folder) =>
      Effect.gen(function* () {
        const boss = yield* issue("admin")
        const proven: Array<string> = []

        /** Gives the command of a route, and looks at what it has added to the log. */
        const prove = Effect.fnUntraced(function* (route: string, path: string, body?: object) {
          const [method = ""] = route.split(" ")
          const before = (yield* history).length
          const sent = body === undefined ? {} : { body: JSON.stringify(body) }
          const answer = yield* send(method, path, { token: boss.token, ...sent })
          assert.oneOf(answer.status, [200, 201, 202], `${route}: ${answer.text}`)
          const principals = (yield* history).slice(before).flatMap(({ metadata }) => metadata.principal ?? [])
          assert.deepStrictEqual([...new Set(principals)], [`token:${boss.id}`], route)
          proven.push(route)
          return answer.json.data as { readonly id: string }
        })

        const step = { id: "wait", jobSlug: "hang" }
        yield* prove("PUT /api/v1/workflows/{slug}", "/api/v1/workflows/waits", { steps: [step] })
        const run = yield* prove("POST /api/v1/workflows/{slug}/run", "/api/v1/workflows/waits/run", {})
        const waiting = `/api/v1/runs/${run.id}`
        yield* prove("POST /api/v1/runs/{id}/pause", `${waiting}/pause`)
        yield* prove("POST /api/v1/runs/{id}/resume", `${waiting}/resume`)
        for (const verb of ["pause", "resume"]) {
          yield* prove(`POST /api/v1/workflows/{slug}/${verb}`, `/api/v1/workflows/waits/${verb}`)
        }
        yield* prove("POST /api/v1/runs/{id}/cancel", `/api/v1/runs/${run.id}/cancel`, { reason: "enough" })

        const failing = yield* ran("fails")
        const inPlace = `/api/v1/runs/${failing.id}`
        const hasFailed = until(send("GET", inPlace), ({ json }) => Object(json.data).status === "failed", "failure")
        yield* prove("POST /api/v1/runs/{id}/steps/{stepId}/retry", `${inPlace}/steps/only/retry`)
        yield* hasFailed
        const points = (yield* send("GET", `${inPlace}/checkpoints`)).json.data as ReadonlyArray<{
          checkpoint: unknown
        }>
        const { checkpoint } = points[0]!
        yield* prove("POST /api/v1/runs/{id}/restore", `${inPlace}/restore`, { checkpoint })
        yield* hasFailed
        yield* prove("POST /api/v1/runs/{id}/replay", `${inPlace}/replay`)
        yield* prove("POST /api/v1/runs/{id}/fork", `${inPlace}/fork`, { fromStep: "only" })
        const skipped = { reason: "by hand", force: true }
        yield* prove("POST /api/v1/runs/{id}/steps/{stepId}/skip", `${inPlace}/steps/only/skip`, skipped)

        yield* succeeded("bases")
        rmSync(join(folder, "lake", "base.txt"))
        const user = yield* ran("users")
        const failed = until(recoveries, ([found]) => found?.status === "failed", "failed recovery")
        const runIs = (status: string) =>
          until(send("GET", `/api/v1/runs/${user.id}`), ({ json }) => Object(json.data).status === status, status)
        const [recovery] = yield* failed
        const place = `/api/v1/recoveries/${recovery!.id}`
        yield* prove("POST /api/v1/recoveries/{id}/retry", `${place}/retry`)
        yield* failed
        yield* prove("POST /api/v1/runs/{id}/recover", `/api/v1/runs/${user.id}/recover`)
        yield* runIs("failed")
        yield* prove("POST /api/v1/workflows/{runId}/recover", `/api/v1/workflows/${user.id}/recover`)
        yield* runIs("failed")

        yield* failed
        isSlow = true
        yield* send("POST", `${place}/retry`, { token: boss.token })
        yield* prove("POST /api/v1/recoveries/{id}/pause", `${place}/pause`)
        yield* prove("POST /api/v1/recoveries/{id}/resume", `${place}/resume`)
        yield* prove("POST /api/v1/recoveries/{id}/cancel", `${place}/cancel`, { reason: "enough" })

        yield* prove("POST /api/v1/integrity/checks", "/api/v1/integrity/checks", { scope: { assetIds: ["base"] } })
        yield* prove("POST /api/v1/integrity/recover", "/api/v1/integrity/recover")

        yield* prove("POST /api/v1/assets/{assetId}/produced", "/api/v1/assets/outside/produced", {})
        mkdirSync(join(folder, "lake", "days"), { recursive: true })
        writeFileSync(join(folder, "lake", "days", "2024-01-01.txt"), "one")
        const items = [{ partitionKey: "2024-01-01", locations: [{ store: "lake", key: "days/2024-01-01.txt" }] }]
        yield* prove("POST /api/v1/assets/{assetId}/provenance", "/api/v1/assets/days/provenance", { items })

        const ofAsset = "/api/v1/workflows/{slug}/assets/{assetId}"
        const note = { note: "wrong" }
        const parameters = { parameters: { a: 1 } }
        yield* prove(`PUT ${ofAsset}/parameters`, `${base}/parameters`, parameters)
        yield* prove(`POST ${ofAsset}/stale`, `${base}/stale`, note)
        yield* prove(`DELETE ${ofAsset}/stale`, `${base}/stale`)
        const day = `${days}/partitions/2024-01-01`
        yield* prove(`PUT ${ofAsset}/partitions/{key}/parameters`, `${day}/parameters`, parameters)
        yield* prove(`POST ${ofAsset}/partitions/{key}/stale`, `${day}/stale`, note)
        yield* prove(`DELETE ${ofAsset}/partitions/{key}/stale`, `${day}/stale`)

        const range = { workflow: "days", partitions: { from: "2024-01-02", to: "2024-01-03" }, concurrency: 1 }
        const backfill = yield* prove("POST /api/v1/backfills", "/api/v1/backfills", range)
        for (const verb of ["pause", "resume", "cancel"]) {
          yield* prove(`POST /api/v1/backfills/{id}/${verb}`, `/api/v1/backfills/${backfill.id}/${verb}`)
        }

        const bus = yield* EventBus
        yield* bus.subscribe("picky", () => Effect.fail(new Refused({ reason: "no such column", path: "data" })))
        yield* publish(bus, producedEvent("a", 1), producedEvent("a", 2))
        const letters = Effect.map(send("GET", dead), ({ json }) => json.data as ReadonlyArray<{ readonly id: string }>)
        const [first, second] = yield* until(letters, ({ length }) => length === 2, "dead letters")
        yield* prove(`POST ${dead}/{id}/retry`, `${dead}/${first!.id}/retry`)
        yield* prove(`POST ${dead}/{id}/discard`, `${dead}/${second!.id}/discard`, { reason: "obsolete" })

        const token = yield* prove(`POST ${tokens}`, tokens, { role: "viewer", name: "x" })
        yield* prove(`POST ${tokens}/{id}/rotate`, `${tokens}/${token.id}/rotate`)
        yield* prove(`DELETE ${tokens}/{id}`, `${tokens}/${token.id}`)

        assert.sameMembers(proven, commands, "a command route has no proof here, or two")
      })
    )
  })
})
