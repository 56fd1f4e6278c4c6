import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { Announcements } from "../../src/actors/Announcements.ts"
import { Engine } from "../../src/actors/Engine.ts"
import * as AppModule from "../../src/cli/AppModule.ts"
import { AutoMaterialize, ConsumedAsset, Freshness, parseDefinition, Schedule } from "../../src/domain/Definition.ts"
import { makes } from "../support/chainApp.ts"
import { ended, eventsOf, layerMemory, play, start, succeeded, temporaryFolder, until } from "../support/engine.ts"
import * as sourceServer from "../support/sourceServer.ts"

const text = readFileSync(join(import.meta.dirname, "..", "..", "docs", "ASSETS.md"), "utf8")
const blocks = (language: string): ReadonlyArray<string> =>
  [...text.matchAll(/```(\w+)\n([\s\S]*?)```/g)].flatMap(([, kind, body = ""]) => (kind === language ? [body] : []))
const workflows = blocks("json").map((block) => JSON.parse(block) as { readonly slug: string })

describe("docs/ASSETS.md", () => {
  it.live("F53 F54: its app loads, and the report follows when sales are loaded", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const [source = "", _outside, ...others] = blocks("ts")
        assert.deepStrictEqual(others, [])
        const folder = yield* temporaryFolder
        const file = join(folder, "app.ts")
        writeFileSync(file, source)
        const { app } = yield* AppModule.load(file)
        const run = Effect.gen(function* () {
          const engine = yield* Engine
          for (const { slug, source: definition } of app.workflows) yield* engine.define(slug, definition, "app")
          const sales = yield* succeeded("sales")
          const [report] = yield* until(
            Effect.map(eventsOf("run", "RunRequested"), (runs) =>
              runs.filter(({ workflow }) => workflow === "sales-report")
            ),
            ({ length }) => length === 1,
            "run of the report"
          )
          assert.deepStrictEqual(report!.trigger, {
            type: "auto-materialize",
            reason: "upstream-update",
            assetId: "sales.daily",
            upstream: { assetId: "sales.daily", generation: 1, workflow: "sales", runId: sales.id },
            coalesced: 1
          })
          assert.strictEqual((yield* ended(report!.runId as string)).status, "succeeded")
        })
        const layer = layerMemory({ jobs: [...app.jobs.values()], stores: app.stores, baseDir: folder })
        yield* Effect.provide(run, layer)
        assert.isTrue(existsSync(join(folder, "lake/report.md")))
      })
    )
  )

  it.live("its app with sources loads, and each is asked for what it announced when that is lost", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const server = yield* sourceServer.make
        const folder = yield* temporaryFolder
        const file = join(folder, "app.ts")
        const [port] = server.allow.map((host) => host.split(":")[1])
        writeFileSync(file, blocks("ts")[1]!.replaceAll("localhost:7071", `127.0.0.1:${port}`))
        const { app } = yield* AppModule.load(file)
        const key = "orders.csv"
        const run = Effect.gen(function* () {
          const engine = yield* Engine
          const { announce } = yield* Announcements
          const delivers = (assetId: string, text: string) => {
            mkdirSync(join(folder, "inbox"), { recursive: true })
            writeFileSync(join(folder, "inbox", key), text)
            return announce({ source: "erp", assetId, partitionKey: "", locations: [{ store: "inbox", key }] })
          }
          for (const { slug, source: definition } of app.workflows) yield* engine.define(slug, definition, "app")
          yield* delivers("bank.rates", "1")
          yield* delivers("erp.orders", "18")
          rmSync(join(folder, "inbox", key))
          const rates = yield* engine.planRecovery("bank.rates", undefined)
          assert.deepInclude(rates.plan[0], { workflow: "request-rates", step: "*" })
          const { id } = yield* start("orders-report")
          const [call] = yield* until(
            Effect.sync(() => server.calls),
            ({ length }) => length === 1,
            "call"
          )
          assert.strictEqual(call!.headers.authorization, "Bearer t-1")
          yield* delivers("erp.orders", "19")
          assert.strictEqual((yield* ended(id)).status, "succeeded")
        })
        process.env.ERP_TOKEN = "t-1"
        const layer = layerMemory({
          jobs: [...app.jobs.values()],
          ...{ stores: app.stores, sources: app.sources, httpAllow: app.http.allow, baseDir: folder }
        })
        yield* Effect.provide(run, layer)
        assert.include(readFileSync(join(folder, "lake/orders.md"), "utf8"), "19")
      }).pipe(Effect.ensuring(Effect.sync(() => delete process.env.ERP_TOKEN)))
    )
  )

  it.live("F54 F61: every definition that it shows can be put", () => {
    assert.deepStrictEqual(
      workflows.map(({ slug }) => slug),
      ["quiet-report", "forecast", "nightly", "dashboard"]
    )
    const jobs = [makes("nightly.sales"), makes("report")].map((job, index) => ({
      ...job,
      slug: ["load-sales", "report-sales"][index]!
    }))
    const defined = Object.fromEntries(workflows.map((workflow) => [workflow.slug, workflow]))
    return play({ jobs, workflows: defined }, () => succeeded("nightly", "2026-01-31"))
  })
})

interface Row {
  readonly table: "produces" | "consumes" | "workflow"
  readonly field: string
  readonly default: string
  readonly bounds: string
}

const tables = {
  "field of `produces[]`": "produces",
  "field of `consumes[]`": "consumes",
  "field of the workflow": "workflow"
} as const

/** The rows of "Every field", in order. */
const rows = ((): ReadonlyArray<Row> => {
  const found: Array<Row> = []
  let table: Row["table"] | undefined
  for (const line of text.slice(text.indexOf("## Every field")).split("\n")) {
    const cells = line.split("|").map((cell) => cell.trim())
    const [, field = "", fallback = "", bounds = ""] = cells
    if (field in tables) table = tables[field as keyof typeof tables]
    else if (table !== undefined && field.startsWith("`")) {
      found.push({ table, field: field.replaceAll("`", ""), default: fallback, bounds })
    }
  }
  return found
})()

/** Where a field of a table lies in a definition that has everything but that which has a default. */
const pathOf = ({ field, table }: Row): ReadonlyArray<string> => {
  const path = field.replace("[]", ".0").split(".")
  return table === "workflow" ? path : ["steps", "0", table, "0", ...path]
}

const bare = () => ({
  slug: "all",
  schedule: { cron: "0 * * * *" },
  quietHours: [{ from: "22:00", to: "06:00" }],
  steps: [
    {
      id: "only",
      jobSlug: "job",
      consumes: [{ assetId: "in" }],
      produces: [{ assetId: "out", freshness: {}, autoMaterialize: {} }]
    }
  ]
})

const at = (value: unknown, path: ReadonlyArray<string>): unknown =>
  path.reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], value)

/** Whether the definition with this value in that place is of the right shape. */
const takes = (path: ReadonlyArray<string>, value: unknown): boolean => {
  const definition = bare()
  const parent = at(definition, path.slice(0, -1)) as Record<string, unknown>
  parent[path.at(-1)!] = value
  return Result.isSuccess(parseDefinition(definition))
}

describe("the tables of fields in docs/ASSETS.md", () => {
  it("T20: have every field that there is", () => {
    const fieldsOf = (table: Row["table"], prefix = "") =>
      rows
        .filter((row) => row.table === table && row.field.startsWith(prefix))
        .map(({ field }) => field.slice(prefix.length))
    assert.deepStrictEqual(fieldsOf("produces", "freshness."), Object.keys(Freshness.fields))
    assert.deepStrictEqual(fieldsOf("produces", "autoMaterialize."), Object.keys(AutoMaterialize.fields))
    assert.deepStrictEqual(["assetId", ...fieldsOf("consumes")], Object.keys(ConsumedAsset.fields))
    assert.deepStrictEqual(fieldsOf("workflow", "schedule."), Object.keys(Schedule.fields))
    assert.deepStrictEqual(fieldsOf("workflow", "quietHours[]."), ["from", "to", "timezone"])
  })

  for (const row of rows) {
    it(`${row.table}: ${row.field} has the default and the bounds that are told`, () => {
      const path = pathOf(row)
      const definition = Result.getOrThrow(
        parseDefinition(row.field === "quietHours" ? { ...bare(), quietHours: undefined } : bare())
      )
      const found = at(definition, path)
      if (row.default === "–") assert.isUndefined(found)
      else if (row.default === "required") assert.isFalse(takes(path, undefined))
      else assert.deepStrictEqual(found, JSON.parse(row.default.replaceAll("`", "")))
      const [least, most] = row.bounds.split(" – ").map(Number)
      if (least === undefined || most === undefined) return
      assert.deepStrictEqual(
        [least - 1, least, most, most + 1].map((value) => takes(path, value)),
        [false, true, true, false]
      )
    })
  }
})
