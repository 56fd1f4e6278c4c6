import { assert, describe, it } from "@effect/vitest"
import { Console, Effect, type Layer } from "effect"
import * as Trace from "../../src/eventstore/Trace.ts"
import * as ConsoleLog from "../../src/telemetry/ConsoleLog.ts"

/** What is told on stderr, a line each. */
const told = (layer: Layer.Layer<never>, effect: Effect.Effect<unknown>) =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const listening = {
      ...globalThis.console,
      error: (...texts: ReadonlyArray<unknown>) => lines.push(texts.join(" "))
    }
    yield* effect.pipe(Effect.provide(layer), Effect.provideService(Console.Console, listening))
    return lines
  })

const info = { level: "Info", format: null } as const
const machine = ConsoleLog.layer(info, false)

describe("the log", () => {
  it.effect("is one JSON object a line when nobody looks, with what tells which lines belong together (F83)", () =>
    Effect.gen(function* () {
      const parent = Trace.parse(`00-${"a".repeat(32)}-${"b".repeat(16)}-01`)!
      const [line, ...more] = yield* told(
        machine,
        Effect.logWarning("rows\nread", { rows: 3 }).pipe(
          Effect.annotateLogs({ runId: "r1", stepId: "load", workflow: "orders" }),
          Trace.span("step", { parent })
        )
      )
      assert.lengthOf(more, 0)
      const { spanId, timestamp, ...rest } = JSON.parse(line ?? "")
      assert.match(timestamp, /^1970-01-01T00:00:00.000Z$/)
      assert.match(spanId, /^[0-9a-f]{16}$/)
      assert.deepStrictEqual(rest, {
        level: "WARN",
        message: "rows\nread",
        runId: "r1",
        stepId: "load",
        workflow: "orders",
        traceId: "a".repeat(32),
        data: { rows: 3 }
      })
    })
  )

  it.effect("has no secrets: none of a URL, of a header, or under a secret's name", () =>
    Effect.gen(function* () {
      const lines = yield* told(
        machine,
        Effect.gen(function* () {
          yield* Effect.logInfo("postgres://u:hunter2@db/x?sslmode=off is away", { url: "s3://k:hunter2@bucket" })
          yield* Effect.logInfo("sent Authorization: Bearer hunter2hunter2", { headers: { "X-Api-Key": "hunter2" } })
          yield* Effect.logInfo("GET /x?access_token=hunter2&a=b", { nested: [{ clientSecret: "hunter2" }] })
          yield* Effect.logError("failed", new Error("password: hunter2"))
          yield* Effect.annotateLogs(Effect.logInfo("annotated"), { token: "hunter2" })
        })
      )
      assert.lengthOf(lines, 5)
      assert.notInclude(lines.join("\n"), "hunter2")
      assert.strictEqual(JSON.parse(lines[0]!).message, "postgres://[redacted]@db/x?sslmode=off is away")
      assert.strictEqual(JSON.parse(lines[2]!).message, "GET /x?access_token=[redacted]&a=b")
    })
  )

  it.effect("leaves alone what only looks like a secret", () =>
    Effect.gen(function* () {
      const lines = yield* told(
        machine,
        Effect.logInfo("12 tokens at https://host:80/a@b, basic checks pass", { tokens: 12 })
      )
      assert.strictEqual(JSON.parse(lines[0]!).message, "12 tokens at https://host:80/a@b, basic checks pass")
    })
  )

  it.effect("shows what a job logs although JSON has no form for it", () =>
    Effect.gen(function* () {
      const round: Record<string, unknown> = { big: 1n }
      round.self = round
      const [line] = yield* told(machine, Effect.logInfo("odd", round))
      assert.strictEqual(JSON.parse(line!).message, "odd")
    })
  )

  it.effect("is for people on a terminal, unless JSON is asked for", () =>
    Effect.gen(function* () {
      const pretty = yield* told(ConsoleLog.layer(info, true), Effect.logInfo("hello https://u:hunter2@x"))
      assert.throws(() => JSON.parse(pretty[0]!))
      assert.include(pretty.join(""), "hello https://[redacted]@x")
      const json = yield* told(ConsoleLog.layer({ ...info, format: "json" }, true), Effect.logInfo("hello"))
      assert.strictEqual(JSON.parse(json[0]!).message, "hello")
    })
  )

  it.effect("tells what is at its level or above", () =>
    Effect.gen(function* () {
      const both = Effect.andThen(Effect.logInfo("info"), Effect.logError("error"))
      const lines = yield* told(ConsoleLog.layer({ level: "Error", format: "json" }, false), both)
      assert.deepStrictEqual(
        lines.map((line) => JSON.parse(line).message),
        ["error"]
      )
      assert.lengthOf(yield* told(ConsoleLog.layer({ level: "None", format: "json" }, false), both), 0)
    })
  )
})
