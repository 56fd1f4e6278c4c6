import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { token } from "../chaos/serverProcess.ts"
import { eventually, inStatus, napApp, withFolder } from "../e2e/processSupport.ts"
import * as OtlpReceiver from "../support/otlpReceiver.ts"

describe("a server that is traced", () => {
  it.live("F83 F38: a run's trace goes on after kill -9, from the log alone, below the caller's span", () =>
    withFolder(async ({ folder, start }) => {
      const scope = Effect.runSync(Scope.make())
      const receiver = await Effect.runPromise(Scope.provide(OtlpReceiver.make, scope))
      try {
        const env = {
          OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url(),
          OTEL_BSP_SCHEDULE_DELAY: "50",
          OTEL_METRIC_EXPORT_INTERVAL: "200",
          KINTSUGI_LOG_FORMAT: "json"
        }
        const app = napApp(folder)
        const first = await start({ app, env })
        const caller = `00-${"c".repeat(32)}-${"d".repeat(16)}-01`
        const command = (traceparent: string, ms: number) =>
          fetch(`${first.url}/api/v1/workflows/naps/run?`, {
            method: "POST",
            headers: { authorization: `Bearer ${token}`, "content-type": "application/json", traceparent },
            body: JSON.stringify({ parameters: { ms } })
          }).then(async (response) => {
            assert.strictEqual(response.status, 202)
            return ((await response.json()) as { readonly data: { readonly id: string } }).data.id
          })
        const runId = await command(caller, 4_000)
        const stray = await command(`00-${"0".repeat(32)}-${"d".repeat(16)}-01`, 0)
        await eventually("the first step is exported", async () =>
          receiver.spans().some(({ name, traceId }) => name === "step naps/first" && traceId === "c".repeat(32))
        )
        // It naps not at all; what is not exported at the kill is gone with the process.
        await eventually("the stray run is exported", async () =>
          receiver
            .spans()
            .some(({ attributes, name }) => name === "run naps" && attributes["kintsugi.run.id"] === stray)
        )
        first.signal("SIGKILL")
        await first.ended
        const second = await start({ app, env })
        await inStatus(second.client, runId, "succeeded")
        await inStatus(second.client, stray, "succeeded")
        const spans = await eventually("the run's own span", async () => {
          const found = receiver.spans()
          return (
            found.some(({ attributes, name }) => name === "run naps" && attributes["kintsugi.run.id"] === runId) &&
            found
          )
        })
        await eventually("metrics", async () => receiver.metrics().length > 0)
        const run = spans.find(
          ({ attributes, name }) => name === "run naps" && attributes["kintsugi.run.id"] === runId
        )!
        const steps = spans.filter(
          ({ attributes }) => attributes["kintsugi.run.id"] === runId && attributes["kintsugi.step.id"]
        )
        const of = (stepId: string) => steps.filter(({ attributes }) => attributes["kintsugi.step.id"] === stepId)
        assert.deepStrictEqual([of("first").length, of("after").length], [1, 1])
        assert.include(
          of("nap").map(({ attributes }) => attributes["kintsugi.attempt"]),
          2
        )
        for (const step of steps)
          assert.deepStrictEqual([step.traceId, step.parentSpanId], ["c".repeat(32), run.spanId])
        // Caller → request → run; the request's own command and its append hang below the request.
        const request = spans.find(({ spanId }) => spanId === run.parentSpanId)!
        assert.deepStrictEqual(
          [request.name, request.parentSpanId],
          ["POST /api/v1/workflows/{slug}/run", "d".repeat(16)]
        )
        const below = spans.filter(({ parentSpanId }) => parentSpanId === request.spanId).map(({ name }) => name)
        assert.includeMembers(below, ["run.Start", "append"])
        // A header that is no trace context begins a trace instead of failing the request.
        const other = spans.find(
          ({ attributes, name }) => name === "run naps" && attributes["kintsugi.run.id"] === stray
        )
        assert.match(other?.traceId ?? "", /^(?!0{32})[0-9a-f]{32}$/)
        // Nothing hangs below a span that nobody has sent.
        const sent = new Set([...spans.map(({ spanId }) => spanId), "d".repeat(16), ""])
        for (const { name, parentSpanId, traceId } of spans) {
          if (traceId === "c".repeat(32)) assert(sent.has(parentSpanId), `${name} hangs below ${parentSpanId}`)
        }
        for (const { bytes } of receiver.requests) assert.notInclude(bytes.toString("latin1"), token)
        for (const line of second.stderr().trim().split("\n")) if (line !== "") JSON.parse(line)
        second.signal("SIGTERM")
        assert.strictEqual((await second.ended).code, 0)
      } finally {
        await Effect.runPromise(Scope.close(scope, Exit.void))
      }
    })
  )
})
