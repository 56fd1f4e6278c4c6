import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { readFileSync } from "node:fs"
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { Announcements } from "../../src/actors/Announcements.ts"
import { Engine } from "../../src/actors/Engine.ts"
import * as OpenLineage from "../../src/cli/OpenLineage.ts"
import type { JsonObject } from "../../src/domain/JsonBounds.ts"
import { checkAgainst } from "../../src/domain/JsonSchemaCheck.ts"
import { defineJob, PermanentFailure } from "../../src/index.ts"
import type { DatasetEvent } from "../../src/openlineage/DatasetEvent.ts"
import type { RunEvent } from "../../src/openlineage/RunEvent.ts"
import * as RunUuid from "../../src/openlineage/RunUuid.ts"
import { quiet } from "../bus/events.ts"
import { makes, readInput, stepFor } from "../support/chainApp.ts"
import { ended, gate, layerMemory, playOn, ran, type Settings, start, succeeded, until } from "../support/engine.ts"

const schema = JSON.parse(readFileSync(new URL("RunEvent.schema.json", import.meta.url), "utf8")) as JsonObject

/** A receiver of run events in this process; `answers` are the statuses of the next requests, then 201. */
const receiver = Effect.gen(function* () {
  const events: Array<RunEvent> = []
  const requests: Array<Pick<IncomingMessage, "url" | "headers">> = []
  const answers: Array<number> = []
  const server = yield* Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const made = createServer((request, response) => {
        let text = ""
        request.on("data", (chunk: Buffer) => {
          text += chunk.toString()
        })
        request.on("end", () => {
          const status = answers.shift() ?? 201
          requests.push({ url: request.url, headers: request.headers })
          if (status === 201) events.push(JSON.parse(text) as RunEvent)
          response.writeHead(status).end()
        })
      })
      made.listen(0, "127.0.0.1", () => resume(Effect.succeed(made)))
    }),
    (server) => Effect.sync(() => server.close())
  )
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/api/v1/lineage`, events, requests, answers }
})

/** The engine, sending its run events there. */
const playTo = (url: string) =>
  playOn((given: Settings) =>
    OpenLineage.layer({ url, apiKey: Redacted.make("secret"), namespace: "prod" }).pipe(
      Layer.provideMerge(layerMemory(given))
    )
  )

const door = gate()
const jobs = [
  makes("base"),
  makes("top", (ctx) => readInput(ctx, "base").then((text) => `top of ${text}`)),
  defineJob({
    slug: "fails",
    run: () => {
      throw new PermanentFailure({ message: "no such column" })
    }
  }),
  defineJob({ slug: "waits", run: async () => void (await door.pass()) })
]
const workflows = {
  chain: {
    steps: [
      stepFor("make-base", { produces: ["base"] }),
      { ...stepFor("make-top", { consumes: ["base"], produces: ["top"] }), dependsOn: ["make-base"] }
    ]
  },
  failing: { steps: [stepFor("fails")] },
  waiting: { steps: [stepFor("waits")] }
}

const told = ({ eventType, job: { name } }: RunEvent) => `${eventType} ${name}`
const arrived = (events: ReadonlyArray<RunEvent>, last: string) =>
  until(
    Effect.sync(() => events.map(told)),
    (all) => all.includes(last),
    last
  )

describe("OpenLineage run events", () => {
  it.live("say when a run and each of its attempts begin and end, from what and into what, as the spec wants it", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { events, requests, url } = yield* receiver
        yield* playTo(url)({ jobs, workflows }, () =>
          Effect.gen(function* () {
            const run = yield* succeeded("chain")
            yield* arrived(events, "COMPLETE chain")
            assert.deepStrictEqual(events.map(told), [
              ...["START chain", "START chain.make-base", "COMPLETE chain.make-base"],
              ...["START chain.make-top", "COMPLETE chain.make-top", "COMPLETE chain"]
            ])
            assert.deepStrictEqual(
              events.flatMap((event) => checkAgainst(schema, event, "event")),
              []
            )
            const [whole, , base, top, made] = events
            assert.strictEqual(whole!.run.runId, RunUuid.of("run", run.id))
            assert.deepStrictEqual(top!.run.facets?.parent?.run, { runId: whole!.run.runId })
            assert.deepStrictEqual(top!.run.runId, made!.run.runId)
            const versionOf = (event: RunEvent | undefined, side: "inputs" | "outputs") =>
              event![side].map(({ facets, name, namespace }) => [namespace, name, facets?.version.datasetVersion])
            assert.deepStrictEqual(versionOf(base, "outputs"), [["prod", "base", "1"]])
            assert.deepStrictEqual(versionOf(top, "inputs"), [["prod", "base", "1"]])
            assert.deepStrictEqual(versionOf(made, "outputs"), [["prod", "top", "1"]])
            assert.strictEqual(requests[0]!.headers.authorization, "Bearer secret")
            assert.strictEqual(requests[0]!.url, "/api/v1/lineage")
          })
        )
      })
    )
  )

  it.live("say why a run failed, and that a canceled one ended with the attempt that was under way", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { events, url } = yield* receiver
        yield* playTo(url)({ jobs, workflows }, () =>
          Effect.gen(function* () {
            yield* ran("failing")
            yield* arrived(events, "FAIL failing")
            const failures = events.filter(({ eventType }) => eventType === "FAIL")
            assert.deepStrictEqual(failures.map(told), ["FAIL failing.fails", "FAIL failing"])
            for (const { run } of failures) assert.match(String(run.facets?.errorMessage?.message), /no such column/)
            const { id } = yield* start("waiting")
            yield* until(Effect.sync(door.arrived), (count) => count > 0, "step that waits")
            const runs = yield* Engine
            yield* runs.cancelRun(id, "enough")
            yield* ended(id)
            yield* arrived(events, "ABORT waiting")
            door.open()
            const aborted = events.filter(({ eventType }) => eventType === "ABORT")
            assert.deepStrictEqual(aborted.map(told), ["ABORT waiting.waits", "ABORT waiting"])
            assert.deepStrictEqual(
              events.flatMap((event) => checkAgainst(schema, event, "event")),
              []
            )
          })
        )
      })
    )
  )

  it.live("say that a fan-out began before its children, and before it ended or could not be expanded", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { events, url } = yield* receiver
        const fan = (over: string) => ({
          steps: [{ id: "each", type: "fanOut", over, step: { jobSlug: "child" } }]
        })
        const fanned = { fans: fan("{{ parameters.items }}"), wrong: fan("{{ run.id }}") }
        yield* playTo(url)({ jobs: [defineJob({ slug: "child", run: () => ({}) })], workflows: fanned }, () =>
          Effect.gen(function* () {
            yield* succeeded("fans", undefined, { items: [1] })
            yield* arrived(events, "COMPLETE fans")
            assert.deepStrictEqual(events.map(told), [
              ...["START fans", "START fans.each", "START fans.each[0]"],
              ...["COMPLETE fans.each[0]", "COMPLETE fans.each", "COMPLETE fans"]
            ])
            assert.strictEqual(events[1]!.run.runId, events[4]!.run.runId)
            yield* ran("wrong")
            yield* arrived(events, "FAIL wrong")
            const [, start, fail] = events.slice(6)
            assert.deepStrictEqual([told(start!), told(fail!)], ["START wrong.each", "FAIL wrong.each"])
            assert.strictEqual(start!.run.runId, fail!.run.runId)
          })
        )
      })
    )
  )

  it.live("wait for a receiver that is away, lose none, and pass over one that it refuses", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { answers, events, requests, url } = yield* receiver
        answers.push(503, 401, 503, 422)
        yield* playTo(url)({ jobs, workflows }, () =>
          Effect.gen(function* () {
            yield* succeeded("chain")
            yield* arrived(events, "COMPLETE chain")
            // The first is refused with 422 at its fourth try, the other five arrive.
            assert.lengthOf(requests, 9)
            assert.deepStrictEqual(events.map(told)[0], "START chain.make-base")
            assert.lengthOf(events, 5)
          })
        )
      })
    ).pipe(quiet)
  )

  it("name a run by the same UUID for ever", () => {
    assert.strictEqual(RunUuid.of("run", "01hzy3v9k2m4n6p8q0r2s4t6v8"), "e27485a8-e28f-5dbf-801d-0e0547a997c8")
    assert.match(RunUuid.of("run", "a"), /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    assert.notStrictEqual(RunUuid.of("attempt", "a", "b", 1), RunUuid.of("attempt", "a", "b", 2))
  })

  it.live("what another system announces is a dataset event of its generation, once for each", () =>
    quiet(
      Effect.scoped(
        Effect.gen(function* () {
          const { events, url } = yield* receiver
          const published = JSON.parse(
            readFileSync(new URL("DatasetEvent.schema.json", import.meta.url), "utf8")
          ) as JsonObject
          yield* playTo(url)(
            { jobs, workflows: { bases: { steps: [stepFor("make-base", { produces: ["base"] })] } } },
            () =>
              Effect.gen(function* () {
                const { announce } = yield* Announcements
                const given = { source: "erp", assetId: "erp.orders", locations: [], payload: 1 }
                yield* announce({ ...given, partitionKey: "", eventId: "1" })
                yield* announce({ ...given, partitionKey: "", eventId: "1" })
                yield* announce({ ...given, partitionKey: "2024-01" })
                yield* succeeded("bases")
                const isOver = ({ eventType, job }: RunEvent) => eventType === "COMPLETE" && job?.name === "bases"
                yield* until(
                  Effect.sync(() => events.filter(isOver)),
                  ({ length }) => length === 1,
                  "end of the run"
                )
              })
          )
          const found = (events as ReadonlyArray<unknown> as ReadonlyArray<JsonObject>).filter(
            (event) => "dataset" in event
          )
          for (const event of found) assert.deepStrictEqual(checkAgainst(published, event, "event"), [])
          assert.deepStrictEqual(
            (found as unknown as ReadonlyArray<DatasetEvent>).map(({ dataset }) => [
              dataset.namespace,
              dataset.name,
              dataset.facets?.version.datasetVersion
            ]),
            [
              ["prod", "erp.orders", "1"],
              ["prod", "erp.orders", "2024-01/1"]
            ]
          )
        })
      )
    )
  )
})
