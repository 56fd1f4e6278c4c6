import { Effect, Layer, Result } from "effect"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import * as Settings from "../src/cli/Settings.ts"
import * as Export from "../src/telemetry/Export.ts"
import { measure } from "./runs.ts"

// What tracing costs: CPU of a run of three trivial steps with nothing exported, and with spans by ratio.
// `node bench/tracing.ts [runs]`

const count = Number(process.argv[2] ?? 1_500)

let requests = 0
const receiver = createServer((request, response) => {
  requests++
  request.resume().on("end", () => response.end())
})
receiver.listen(0, "127.0.0.1")
await new Promise((resolve) => receiver.once("listening", resolve))
const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/v1/traces`

const ratio = (arg: string) =>
  Export.layer(
    Result.getOrThrow(
      Settings.all({
        flags: {},
        env: {
          OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: url,
          OTEL_TRACES_SAMPLER: "traceidratio",
          OTEL_TRACES_SAMPLER_ARG: arg
        }
      })
    ).telemetry.exported
  )

const variants: ReadonlyArray<readonly [string, Layer.Layer<never>]> = [
  ["nothing exported", Export.layer(null)],
  ["no layer of ours", Layer.empty],
  ["ratio 0", ratio("0")],
  ["ratio 0.1", ratio("0.1")],
  ["ratio 1", ratio("1")]
]

for (const round of [1, 2]) {
  for (const [name, telemetry] of variants) {
    const before = requests
    const { cpuUsPerRun, runsPerSecond } = await Effect.runPromise(measure({ count, inFlight: 64, telemetry }))
    console.log(
      `${round} ${name.padEnd(18)} ${cpuUsPerRun.toFixed(0).padStart(6)} us CPU/run ${runsPerSecond.toFixed(0).padStart(6)} runs/s ${requests - before} requests`
    )
  }
}
receiver.close()
