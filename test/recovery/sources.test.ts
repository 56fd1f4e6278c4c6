import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import type { ServerResponse } from "node:http"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Result, Schedule, type Scope } from "effect"
import { Announcements } from "../../src/actors/Announcements.ts"
import { Engine } from "../../src/actors/Engine.ts"
import type { EventStore } from "../../src/eventstore/EventStore.ts"
import { defineApp, defineJob, type App } from "../../src/index.ts"
import { checkApp } from "../../src/sdk/AppCheck.ts"
import { makes, readInput, stepFor } from "../support/chainApp.ts"
import {
  ended,
  eventsOf,
  history,
  play,
  ran,
  recoveries,
  start,
  stepIs,
  stepOf,
  succeeded,
  until
} from "../support/engine.ts"
import * as sourceServer from "../support/sourceServer.ts"

const source = { source: "https://erp.example", assetId: "erp.orders", partitionKey: "" }

const put = (folder: string, key: string, text: string) => {
  mkdirSync(join(folder, "inbox"), { recursive: true })
  writeFileSync(join(folder, "inbox", key), text)
}

/** Another system writes the file and says so. */
const delivers = Effect.fnUntraced(function* (
  folder: string,
  text: string,
  more: { readonly partitionKey?: string; readonly producedAt?: number } = {}
) {
  const key = `orders${more.partitionKey ?? ""}.csv`
  put(folder, key, text)
  const { announce } = yield* Announcements
  // A store that was away is believed to be so for a moment more.
  return yield* announce({ ...source, ...more, locations: [{ store: "inbox", key }] }).pipe(
    Effect.retry({ while: ({ _tag }) => _tag === "Unavailable", schedule: Schedule.spaced("20 millis"), times: 500 }),
    Effect.orDie
  )
})

const reports = { steps: [stepFor("report", { consumes: ["erp.orders"], produces: ["reports"] })] }
const report = makes("reports", async (ctx) => `report of ${await readInput(ctx, "erp.orders")}`, "report")

type Sources = NonNullable<App["sources"]>

/** The sources of an app as its check answers them. */
const checked = (app: App) => Result.getOrThrow(checkApp(defineApp(app))).sources

interface World {
  readonly server: Effect.Success<typeof sourceServer.make>
  readonly folder: string
}

/** An engine whose source is asked at a real server on this machine. */
const asking = <A, E>(
  recheck: (endpoint: string) => Sources[number]["recheck"],
  body: (world: World) => Effect.Effect<A, E, Engine | EventStore | Announcements | Scope.Scope>,
  more: {
    readonly recovery?: Sources[number]["recovery"]
    readonly workflows?: Readonly<Record<string, object>>
    readonly jobs?: ReadonlyArray<ReturnType<typeof defineJob>>
    readonly allow?: ReadonlyArray<string>
    readonly ends?: boolean
  } = {}
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const server = yield* sourceServer.make
      const jobs = [report, ...(more.jobs ?? [])]
      const workflows = { reports, ...more.workflows }
      const sources = checked({
        jobs,
        workflows: Object.entries(workflows).map(([slug, workflow]) => ({ slug, ...workflow }) as never),
        sources: [
          {
            assetId: "erp.orders",
            recheck: recheck(server.endpoint),
            ...(more.recovery === undefined ? {} : { recovery: more.recovery })
          }
        ]
      })
      const settings = { sources, httpAllow: more.allow ?? server.allow }
      return yield* play({ jobs, workflows, settings }, (folder) => Effect.scoped(body({ server, folder })))
    })
  )

const webhook = (endpoint: string) => ({ webhook: `${endpoint}/exports/token-1?x=1` })
const lose = (folder: string, key = "orders.csv") => rmSync(join(folder, "inbox", key))
const called = ({ server }: World, count: number) =>
  until(
    Effect.sync(() => server.calls),
    ({ length }) => length >= count,
    `call ${count}`
  )

describe("a lost asset whose source declares a webhook", () => {
  it.live("is asked for once by however many wait, and all go on when it is announced", () =>
    asking(webhook, (world) =>
      Effect.gen(function* () {
        const { folder, server } = world
        yield* delivers(folder, "one")
        lose(folder)
        const runs = yield* Effect.forEach([1, 2, 3], () => start("reports"), { concurrency: 3 })
        for (const { id } of runs) yield* stepIs(id, "report", "waiting")
        yield* called(world, 1)
        const [open] = yield* until(recoveries, ([found]) => found?.waiterCount === 3, "three waiters")
        assert.strictEqual(open!.status, "running")
        yield* delivers(folder, "two")
        for (const { id } of runs) assert.strictEqual((yield* ended(id)).status, "succeeded")
        const [recovery, ...others] = yield* recoveries
        assert.deepStrictEqual(others, [])
        assert.deepInclude(recovery, {
          ...{ status: "succeeded", class: "recheck", recheck: "webhook", attempts: 1, via: "producer" },
          ...{ generation: 2, contentChanged: true, producerRunId: null, lostGeneration: 1 }
        })
        assert.deepStrictEqual(recovery!.plan, [
          {
            ...{ assetId: "erp.orders", partitionKey: null, class: "recheck", workflow: "", step: "" },
            why: `generation 1 is gone; https://erp.example announced it, and the webhook of ${server.endpoint} asks for it again`,
            webhook: server.endpoint
          }
        ])
        const [call] = server.calls
        assert.lengthOf(server.calls, 1)
        assert.strictEqual(call!.path, "POST /exports/token-1?x=1")
        assert.deepStrictEqual(call!.body, {
          ...{ assetId: "erp.orders", partitionKey: null, lostGeneration: 1, recoveryId: recovery!.id }
        })
        assert.strictEqual(call!.key, `${recovery!.id}-1-1`)
        const [, healed] = yield* eventsOf("asset", "AssetProduced")
        assert.deepInclude(healed, { restored: true, recoveryId: recovery!.id, source: "https://erp.example" })
        // What is after the origin may be a secret.
        assert.notInclude((yield* history).map(({ payload }) => payload).join("\n"), "token-1")
      })
    )
  )

  it.live("the plan says who would be asked, and asks nobody", () =>
    asking(webhook, ({ folder, server }) =>
      Effect.gen(function* () {
        yield* delivers(folder, "one")
        yield* succeeded("reports")
        lose(folder)
        rmSync(join(folder, "lake", "reports.txt"))
        const engine = yield* Engine
        const plan = yield* engine.planRecovery("reports", undefined)
        assert.deepStrictEqual(
          plan.plan.map(({ assetId, class: kind, webhook, workflow }) => [assetId, kind, workflow, webhook]),
          [
            ["erp.orders", "recheck", "", server.endpoint],
            ["reports", "recheck", "reports", undefined]
          ]
        )
        assert.deepStrictEqual([plan.rootCause?.assetId, plan.reasonCode], ["erp.orders", null])
        assert.lengthOf(server.calls, 0)
      })
    )
  )

  it.live("is there again without a word: a probe finds it", () =>
    asking(webhook, (world) =>
      Effect.gen(function* () {
        yield* delivers(world.folder, "one")
        lose(world.folder)
        const { id } = yield* start("reports")
        yield* called(world, 1)
        put(world.folder, "orders.csv", "one")
        assert.strictEqual((yield* ended(id)).status, "succeeded")
        const [recovery] = yield* recoveries
        assert.deepStrictEqual([recovery!.via, recovery!.generation], ["found", 1])
      })
    )
  )

  it.live("that is down is called again after the back-off, with a key of the attempt", () =>
    asking(webhook, (world) =>
      Effect.gen(function* () {
        const { folder, server } = world
        server.answer((response, count) => void response.writeHead(count === 1 ? 503 : 202).end("later"))
        yield* delivers(folder, "one")
        lose(folder)
        const { id } = yield* start("reports")
        yield* called(world, 2)
        yield* delivers(folder, "two")
        assert.strictEqual((yield* ended(id)).status, "succeeded")
        const [recovery] = yield* recoveries
        assert.deepStrictEqual([recovery!.attempts, recovery!.status], [2, "succeeded"])
        assert.deepStrictEqual(
          server.calls.map(({ key }) => key),
          [`${recovery!.id}-1-1`, `${recovery!.id}-1-2`]
        )
        const [failed] = yield* eventsOf("recovery", "RecoveryAttemptFailed")
        assert.deepInclude(failed!.failure, { class: "transient", code: "http_server_error", status: 503 })
      })
    )
  )

  it.live("that is never followed by an announcement uses up its budget and tells who waits; a retry asks again", () =>
    asking(
      webhook,
      (world) =>
        Effect.gen(function* () {
          const { folder, server } = world
          yield* delivers(folder, "one")
          lose(folder)
          const run = yield* ran("reports")
          const failure = stepOf(run, "report").failure
          assert.strictEqual(failure?.code, "budget_exhausted")
          assert.include(failure?.message, "did not announce erp.orders within attemptTimeoutMs (120)")
          const [recovery] = yield* recoveries
          assert.deepInclude(recovery, {
            status: "failed",
            attempts: 2,
            maxAttempts: 2,
            reasonCode: "budget_exhausted"
          })
          assert.lengthOf(server.calls, 2)
          const engine = yield* Engine
          server.answer((response) => void response.writeHead(200).end())
          yield* engine.retryRecovery(recovery!.id)
          yield* called(world, 3)
          assert.strictEqual(server.calls[2]!.key, `${recovery!.id}-2-1`)
          yield* delivers(folder, "two")
          yield* until(engine.recovery(recovery!.id), ({ status }) => status === "succeeded", "end of the recovery")
          yield* succeeded("reports")
        }),
      { recovery: { maxAttempts: 2, attemptTimeoutMs: 120 } }
    )
  )

  it.live("T14: that may not be called, or needs a secret that is not set, fails at once and says why", () =>
    Effect.gen(function* () {
      const fails = (recheck: typeof webhook, allow?: ReadonlyArray<string>) =>
        asking(
          recheck,
          ({ folder, server }) =>
            Effect.gen(function* () {
              yield* delivers(folder, "one")
              lose(folder)
              const failure = stepOf(yield* ran("reports"), "report").failure
              assert.lengthOf(server.calls, 0)
              assert.strictEqual((yield* recoveries)[0]!.attempts, 1)
              assert.notInclude(failure?.message, "token-1")
              return failure?.message
            }),
          allow === undefined ? {} : { allow }
        )
      assert.match((yield* fails(webhook, [])) ?? "", /its source failed for good with: .*no public address/)
      const secret = (endpoint: string) => ({ ...webhook(endpoint), headers: { "X-Key": { env: "S_TEST_NOT_SET" } } })
      assert.match((yield* fails(secret)) ?? "", /header X-Key needs the environment variable S_TEST_NOT_SET/)
    })
  )

  it.live("T14: gets its secrets from the environment, and none of them gets into the log", () => {
    process.env.S_TEST_SOURCE = "canary-7"
    const secret = (endpoint: string) => ({
      ...webhook(endpoint),
      headers: { Authorization: { env: "S_TEST_SOURCE", prefix: "Bearer " } }
    })
    return asking(secret, (world) =>
      Effect.gen(function* () {
        const { folder, server } = world
        server.answer((response, count) => {
          if (count > 1) return void response.writeHead(202).end()
          return void response.writeHead(500, { "content-type": "text/plain" }).end("no entry for canary-7")
        })
        yield* delivers(folder, "one")
        lose(folder)
        const { id } = yield* start("reports")
        yield* called(world, 2)
        assert.strictEqual(server.calls[0]!.headers.authorization, "Bearer canary-7")
        yield* delivers(folder, "two")
        assert.strictEqual((yield* ended(id)).status, "succeeded")
        const log = (yield* history).map(({ payload }) => payload).join("\n")
        assert.include(log, "no entry for [secret S_TEST_SOURCE]")
        assert.notInclude(log, "canary-7")
      })
    ).pipe(Effect.ensuring(Effect.sync(() => delete process.env.S_TEST_SOURCE)))
  })

  it.live(
    "T14: shows the origins of its URL and of each redirect, and nothing else that a URL may have as a secret",
    () => {
      const secret = (endpoint: string) => ({ webhook: `${endpoint}/echo/PATH-canary?key=QUERY%20canary` })
      const fails = (says: (world: World) => (response: ServerResponse, count: number) => void) =>
        asking(
          secret,
          (world) =>
            Effect.gen(function* () {
              world.server.answer(says(world))
              yield* delivers(world.folder, "one")
              lose(world.folder)
              const failure = stepOf(yield* ran("reports"), "report").failure
              const log = (yield* history).map(({ payload }) => payload).join("\n")
              const shown = JSON.stringify([log, yield* recoveries])
              for (const hidden of ["canary", "/redir", "other-path"]) assert.notInclude(shown, hidden)
              const [failed] = yield* eventsOf("recovery", "RecoveryFailed")
              assert.isDefined(failed)
              return { message: failure?.message ?? "", endpoint: world.server.endpoint }
            }),
          { recovery: { maxAttempts: 1 } }
        )
      const text = { "content-type": "text/plain" }
      return Effect.gen(function* () {
        const redirected = yield* fails(() => (response, count) => {
          if (count === 1) return void response.writeHead(307, { location: "/redir2?key=SECRET-canary" }).end()
          response.writeHead(500, text).end("no such key: SECRET-canary (/redir2)")
        })
        assert.include(
          redirected.message,
          `POST ${redirected.endpoint}/… answered 500 Internal Server Error: no such key:`
        )
        const inside = yield* fails(() => (response) => {
          response.writeHead(307, { location: "http://127.0.0.1:1/other-path?key=SECRET-canary" }).end()
        })
        assert.include(inside.message, "POST http://127.0.0.1:1/… is not allowed")
        const quoted = yield* fails(() => (response) => {
          const parts = "/echo/PATH-canary?key=QUERY%20canary, PATH-canary, key=QUERY canary, path-CANARY"
          response.writeHead(400, text).end(`Cannot POST ${parts}`)
        })
        assert.match(quoted.message, /answered 400 Bad Request: Cannot POST \[secret of the URL\], \[secret/)
      })
    }
  )

  it.live("is asked for before it was ever announced, with generation 0", () =>
    asking(webhook, (world) =>
      Effect.gen(function* () {
        const { id } = yield* start("reports", "2024-01")
        const [call] = yield* called(world, 1)
        assert.deepInclude(call!.body, { partitionKey: "2024-01", lostGeneration: 0 })
        yield* delivers(world.folder, "one", { partitionKey: "2024-01" })
        assert.strictEqual((yield* ended(id)).status, "succeeded")
      })
    )
  )

  it.live("T25: is healed by data of whatever time, and by the same bytes without an update to who uses it", () => {
    const follows = {
      steps: [
        {
          ...stepFor("follow", { consumes: ["erp.orders"] }),
          produces: [{ assetId: "followed", autoMaterialize: { onUpstreamUpdate: true } }]
        }
      ]
    }
    const jobs = [makes("followed", (ctx) => readInput(ctx, "erp.orders"), "follow")]
    const automatic = Effect.map(eventsOf("run", "RunRequested"), (runs) =>
      runs.filter(({ trigger }) => (trigger as { readonly type: string }).type === "auto-materialize")
    )
    return asking(
      webhook,
      (world) =>
        Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          yield* delivers(world.folder, "one", { producedAt: now - 1_000 })
          const [first] = yield* until(automatic, ({ length }) => length === 1, "run of the update")
          yield* ended(first!.runId as string)
          lose(world.folder)
          rmSync(join(world.folder, "lake", "followed.txt"))
          const { id } = yield* start("reports")
          yield* called(world, 1)
          yield* delivers(world.folder, "one", { producedAt: now - 60_000 })
          assert.strictEqual((yield* ended(id)).status, "succeeded")
          assert.isFalse((yield* recoveries)[0]!.contentChanged)
          assert.lengthOf(yield* automatic, 1)
        }),
      { workflows: { follows }, jobs }
    )
  })

  it.live("F90: does not use up an attempt while the asset's store is away", () =>
    asking(
      webhook,
      (world) =>
        Effect.gen(function* () {
          const { folder, server } = world
          yield* delivers(folder, "one")
          yield* succeeded("reports")
          lose(folder)
          const { id } = yield* start("reports")
          yield* called(world, 1)
          renameSync(join(folder, "inbox"), join(folder, "inbox.away"))
          yield* Effect.sleep("1500 millis")
          assert.strictEqual((yield* recoveries)[0]!.attempts, 1, "longer than an attempt takes")
          assert.lengthOf(server.calls, 1)
          renameSync(join(folder, "inbox.away"), join(folder, "inbox"))
          yield* delivers(folder, "two")
          assert.strictEqual((yield* ended(id, 30)).status, "succeeded")
        }),
      { recovery: { maxAttempts: 1, attemptTimeoutMs: 600 } }
    )
  )

  it.live("F54: that is older than its consumer takes is asked for, once, also when the answer is too old", () => {
    const strict = {
      steps: [
        { ...stepFor("report", { produces: ["reports"] }), consumes: [{ assetId: "erp.orders", maxAgeMs: 3_600_000 }] }
      ]
    }
    return asking(
      webhook,
      (world) =>
        Effect.gen(function* () {
          const { folder, server } = world
          const now = yield* Clock.currentTimeMillis
          yield* delivers(folder, "one", { producedAt: now - 7_200_000 })
          const { id } = yield* start("strict")
          yield* called(world, 1)
          yield* delivers(folder, "two", { producedAt: now })
          assert.strictEqual((yield* ended(id)).status, "succeeded")
          const [recovery] = yield* recoveries
          assert.deepInclude(recovery, { refresh: true, status: "succeeded", generation: 2, recheck: "webhook" })

          yield* delivers(folder, "3", { partitionKey: "p", producedAt: now - 8_000_000 })
          const late = yield* start("strict", "p")
          yield* called(world, 2)
          yield* delivers(folder, "4", { partitionKey: "p", producedAt: now - 7_000_000 })
          const failed = yield* ended(late.id)
          assert.strictEqual(failed.failure?.code, "input_too_old")
          assert.include(failed.failure?.message, "when https://erp.example had just made it again")
          assert.lengthOf(server.calls, 2)
        }),
      { workflows: { strict } }
    )
  })
})

describe("a lost asset whose source declares a workflow", () => {
  const told: Array<object> = []
  const fetchOrders = defineJob({
    slug: "fetch-orders",
    run: (ctx) => {
      told.push({ step: ctx.stepId, partitionKey: ctx.partitionKey, parameters: ctx.parameters })
      return {}
    }
  })
  const fetches = {
    defaultParameters: { region: "eu" },
    steps: [stepFor("fetch-orders"), { ...stepFor("fetch-orders"), id: "tell", dependsOn: ["fetch-orders"] }]
  }
  const workflow = () => ({ workflow: "fetches" })

  it.live("is asked for by one whole run with the asset as its parameters, and waited for when the run has ended", () =>
    asking(
      workflow,
      ({ folder }) =>
        Effect.gen(function* () {
          told.length = 0
          yield* delivers(folder, "one", { partitionKey: "2024-01" })
          lose(folder, "orders2024-01.csv")
          const { id } = yield* start("reports", "2024-01")
          const [open] = yield* until(
            recoveries,
            ([found]) => found?.producerRunId != null && told.length === 2,
            "the workflow's two steps"
          )
          const run = yield* ended(open!.producerRunId!)
          assert.deepInclude(run.trigger, { type: "recovery", recoveryId: open!.id, assetId: "erp.orders" })
          const parameters = { region: "eu", assetId: "erp.orders", partitionKey: "2024-01" }
          assert.deepStrictEqual(told, [
            { step: "fetch-orders", partitionKey: "2024-01", parameters },
            { step: "tell", partitionKey: "2024-01", parameters }
          ])
          yield* stepIs(id, "report", "waiting")
          yield* delivers(folder, "two", { partitionKey: "2024-01" })
          assert.strictEqual((yield* ended(id)).status, "succeeded")
          const [recovery] = yield* recoveries
          assert.deepInclude(recovery, { status: "succeeded", recheck: "workflow", attempts: 1, generation: 2 })
          assert.deepInclude(recovery!.plan[0], { workflow: "fetches", step: "*", class: "recheck" })
        }),
      { workflows: { fetches }, jobs: [fetchOrders] }
    )
  )

  it.live("is tried again when that run fails, and found when the run puts the file back", () => {
    let tries = 0
    const folders: Array<string> = []
    const flaky = defineJob({
      slug: "fetch-orders",
      run: () => {
        if (++tries <= 3) throw new Error("no answer from the source")
        put(folders[0]!, "orders.csv", "one")
        return {}
      }
    })
    return asking(
      workflow,
      ({ folder }) =>
        Effect.gen(function* () {
          folders.push(folder)
          yield* delivers(folder, "one")
          lose(folder)
          yield* succeeded("reports")
          const [recovery] = yield* recoveries
          assert.deepInclude(recovery, { attempts: 2, via: "found", status: "succeeded" })
          assert.isTrue(existsSync(join(folder, "inbox", "orders.csv")))
          const [failed] = yield* eventsOf("recovery", "RecoveryAttemptFailed")
          assert.include((failed!.failure as { readonly message: string }).message, "no answer from the source")
        }),
      { workflows: { fetches }, jobs: [flaky] }
    )
  })

  it.live("T2: and which itself needs the lost asset ends as a cycle, and does not wait for itself", () =>
    asking(
      workflow,
      ({ folder }) =>
        Effect.gen(function* () {
          yield* delivers(folder, "one")
          lose(folder)
          assert.strictEqual(stepOf(yield* ran("reports"), "report").failure?.code, "cycle")
        }),
      {
        workflows: { fetches: { steps: [stepFor("fetch-orders", { consumes: ["erp.orders"] })] } },
        jobs: [fetchOrders]
      }
    )
  )

  it.live("which cannot take its parameters is not run, and the plan says what is wrong with them", () =>
    asking(
      workflow,
      ({ folder }) =>
        Effect.gen(function* () {
          yield* delivers(folder, "one")
          lose(folder)
          const engine = yield* Engine
          const plan = yield* engine.planRecovery("erp.orders", undefined)
          assert.strictEqual(plan.reasonCode, "parameters_unknown")
          assert.include(
            plan.message,
            "workflow fetches, which asks for it again, cannot run: parameters.day is required"
          )
          assert.strictEqual(stepOf(yield* ran("reports"), "report").failure?.code, "parameters_unknown")
        }),
      {
        workflows: { fetches: { ...fetches, parametersSchema: { type: "object", required: ["day"] } } },
        jobs: [fetchOrders]
      }
    )
  )
})
