import { rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Result } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import * as Settings from "../../src/cli/Settings.ts"
import { defineJob } from "../../src/index.ts"
import * as Export from "../../src/telemetry/Export.ts"
import { keyOf, makes, stepFor, uses } from "../support/chainApp.ts"
import { ended, gate, history, layerMemory, playOn, recoveries, stepIs, succeeded, until } from "../support/engine.ts"
import * as OtlpReceiver from "../support/otlpReceiver.ts"

/** An engine that exports to the receiver. */
const playSeen = (url: string, env: Readonly<Record<string, string>> = {}) => {
  const given = {
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_METRICS_EXPORTER: "none",
    OTEL_BSP_SCHEDULE_DELAY: "20",
    OTEL_BLRP_SCHEDULE_DELAY: "20",
    ...env
  }
  const { exported } = Result.getOrThrow(Settings.all({ flags: {}, env: given })).telemetry
  return playOn((settings) => layerMemory(settings).pipe(Layer.provide(Export.layer(exported))))
}

const caller = (letter: string) => ({
  principal: "tests",
  traceparent: `00-${letter.repeat(32)}-${letter.repeat(16)}-01`
})

describe("the trace of a heal", () => {
  it.live("F83: waiter, recovery, the producer's run and the resumed step are one trace; others are linked to it", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const receiver = yield* OtlpReceiver.make
        const door = gate()
        let made = 0
        const jobs = [
          makes("base", async () => {
            if (++made > 1) await door.pass()
            return "base"
          }),
          // Nothing declares it: it is missed in the middle of an attempt.
          defineJob({ slug: "use-base", run: async (ctx) => void (await ctx.files.readText("lake", keyOf("base"))) })
        ]
        const workflows = {
          bases: { steps: [stepFor("make-base", { produces: ["base"] })] },
          users: { steps: [stepFor("use-base")] }
        }
        const [first, second] = yield* playSeen(receiver.url())({ jobs, workflows }, (folder) =>
          Effect.gen(function* () {
            const engine = yield* Engine
            yield* succeeded("bases")
            rmSync(join(folder, "lake", keyOf("base")))
            const one = yield* engine.startRun({ workflow: "users", caller: caller("a") })
            yield* stepIs(one.run.id, "use-base", "waiting")
            const two = yield* engine.startRun({ workflow: "users", caller: caller("b") })
            yield* until(recoveries, ([recovery]) => recovery?.waiterCount === 2, "both waiters")
            door.open()
            for (const { run } of [one, two]) assert.strictEqual((yield* ended(run.id)).status, "succeeded")
            return [one.run.id, two.run.id] as const
          })
        )
        const spans = receiver.spans()
        const of = (name: string, key: string, id: string) => {
          const found = spans.filter((span) => span.name === name && span.attributes[key] === id)
          assert.isNotEmpty(found, `${name} of ${id} among ${spans.map((span) => span.name).join(", ")}`)
          return found
        }
        const run = of("run users", "kintsugi.run.id", first)[0]!
        assert.deepStrictEqual([run.traceId, run.parentSpanId], ["a".repeat(32), "a".repeat(16)])
        const [missed, resumed] = of("step users/use-base", "kintsugi.run.id", first)
        assert.deepStrictEqual([missed?.parentSpanId, resumed?.parentSpanId], [run.spanId, run.spanId])
        assert.deepStrictEqual(
          [missed?.status.code, missed?.attributes["kintsugi.failure.class"]],
          [2, "asset_missing"]
        )
        assert.deepStrictEqual([resumed?.status.code, resumed?.attributes["kintsugi.attempt"]], [1, 2])

        const recovery = spans.find(({ name }) => name === "recovery base")!
        assert.deepStrictEqual([recovery.traceId, recovery.parentSpanId], [run.traceId, run.spanId])
        assert.strictEqual(recovery.attributes["kintsugi.waiters"], 2)
        const producer = spans.find((span) => span.name === "run bases" && span.traceId === run.traceId)!
        assert.strictEqual(producer.parentSpanId, recovery.spanId)
        const remade = spans.find((span) => span.name === "step bases/make-base" && span.traceId === run.traceId)!
        assert.strictEqual(remade.parentSpanId, producer.spanId)

        // The second waiter's trace is its own; both sides say that they belong together.
        const other = of("run users", "kintsugi.run.id", second)[0]!
        assert.strictEqual(other.traceId, "b".repeat(32))
        assert.deepInclude(recovery.links, { ...recovery.links[0]!, traceId: other.traceId, spanId: other.spanId })
        const again = of("step users/use-base", "kintsugi.run.id", second).at(-1)!
        assert.deepStrictEqual(
          again.links.map(({ spanId, traceId }) => ({ spanId, traceId })),
          [{ spanId: recovery.spanId, traceId: recovery.traceId }]
        )
      })
    )
  )

  it.live("a job's log lines and requests belong to its attempt", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const receiver = yield* OtlpReceiver.make
        let sent: string | undefined
        const jobs = [
          defineJob({
            slug: "talks",
            run: async (ctx) => {
              ctx.log.info("said", { rows: 3 })
              sent = ctx.traceparent
            }
          })
        ]
        const runId = yield* playSeen(receiver.url())(
          { jobs, workflows: { talks: { steps: [stepFor("talks")] } } },
          () => Effect.map(succeeded("talks"), ({ id }) => id)
        )
        const step = receiver.spans().find(({ name }) => name === "step talks/talks")!
        assert.strictEqual(sent, `00-${step.traceId}-${step.spanId}-01`)
        const line = receiver.logs().find(({ attributes }) => attributes.stepId === "talks")!
        assert.deepStrictEqual([line.traceId, line.spanId], [step.traceId, step.spanId])
        const { attempt, runId: ofRun, workflow } = line.attributes
        assert.deepStrictEqual([attempt, ofRun, workflow], [1, runId, "talks"])
      })
    )
  )

  it.live("a trace that is not sampled stays so in all that it causes, and nothing is stored without tracing", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const receiver = yield* OtlpReceiver.make
        const jobs = [makes("base"), uses("base")]
        const workflows = {
          bases: { steps: [stepFor("make-base", { produces: ["base"] })] },
          users: { steps: [stepFor("use-base", { consumes: ["base"] })] }
        }
        const heal = (folder: string) =>
          Effect.gen(function* () {
            yield* succeeded("bases")
            rmSync(join(folder, "lake", keyOf("base")))
            yield* succeeded("users")
            return (yield* history).flatMap(({ metadata }) => metadata.traceparent ?? [])
          })
        const play = (sampler: Readonly<Record<string, string>>) =>
          playSeen(receiver.url(), { OTEL_LOGS_EXPORTER: "none", ...sampler })({ jobs, workflows }, heal)
        const unsampled = yield* play({ OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "0" })
        assert.lengthOf(receiver.spans(), 0)
        assert.isNotEmpty(unsampled)
        for (const traceparent of unsampled) assert.match(traceparent, /-00$/)
        assert.deepStrictEqual(yield* play({ OTEL_SDK_DISABLED: "true" }), [])
      })
    )
  )
})
