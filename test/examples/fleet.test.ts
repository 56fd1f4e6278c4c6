import { mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { daysBefore } from "../../examples/days.ts"
import app from "../../examples/fleet/app.ts"
import { csvKey } from "../../examples/fleet/assets.ts"
import { csvOf, instruments } from "../../examples/fleet/generator.ts"
import type { RunView } from "../../src/domain/run/RunView.ts"
import { ran, recoveries, stepOf, succeeded } from "../support/engine.ts"
import { type Files, followed, logged, playExample, producersSince, startedThemselves, today } from "./playExample.ts"

const rollup = "fleet-telemetry-daily-rollup"
const alerts = "fleet-telemetry-alerts"
const compact = (day: string) => day.replaceAll("-", "")
const json = (id: string, day: string) => `data/lake/telemetry/${id}_${compact(day)}.json`
const parquet = (id: string, day: string) => `data/lake/timestore/fleet_telemetry/${id}.${day}.parquet`
const reports = ["alerts.json", "index.html", "temperature.svg"].map((name) => `data/reports/fleet-telemetry/${name}`)

const deliver = ({ folder }: Files, instrument: (typeof instruments)[number], day: string) => {
  const file = join(folder, "data/inbox", csvKey("instruments", instrument.id, day))
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, csvOf(instrument, day))
}

/** Two days of each instrument delivered, the newest rolled up, and the alerts that came of the last. */
const scanned = Effect.fnUntraced(function* (files: Files) {
  const days = daysBefore(yield* today, 2)
  for (const day of days) for (const instrument of instruments) deliver(files, instrument, day)
  let run: RunView | undefined
  for (const { id } of instruments) run = yield* followed(alerts, (yield* succeeded(rollup, id)).id)
  return { days, run: run!, last: days[1]! }
})

describe("fleet telemetry", () => {
  it.live(
    "F54 F91: the newest day of each instrument is rolled up, and a scan of its own accord flags the hot and the humid",
    () =>
      playExample(app, (files) =>
        Effect.gen(function* () {
          const { last, run } = yield* scanned(files)
          assert.deepStrictEqual(files.list("data/lake"), [
            ...instruments.map(({ id }) => `telemetry/${id}_${compact(last)}.json`),
            ...instruments.map(({ id }) => `timestore/fleet_telemetry/${id}.${last}.parquet`)
          ])
          const told = JSON.parse(files.text(json("instrument_B", last)))
          assert.deepStrictEqual([told.instrumentId, told.day, told.samples], ["instrument_B", last, 4])
          assert.isTrue(told.anomalyWindow.flagged)
          assert.deepStrictEqual(stepOf(run, "scan-instruments").result, { flagged: ["instrument_B", "instrument_C"] })
          assert.strictEqual(JSON.parse(files.text(reports[0]!)).flags.length, 2)
          assert.include(files.text(reports[1]!), "instrument_B")
          assert.match(files.text(reports[2]!), /^<svg [\s\S]*instrument_A[\s\S]*instrument_C[\s\S]*<\/svg>\n$/)
        })
      )
  )

  it.live("a day that is asked for is rolled up in place of the newest, by the limits of the run", () =>
    playExample(app, (files) =>
      Effect.gen(function* () {
        const [first = "", second = ""] = daysBefore(yield* today, 2)
        for (const day of [first, second]) deliver(files, instruments[0], day)
        const run = yield* succeeded(rollup, "instrument_A", { day: first, temperatureLimitC: -50 })
        assert.deepStrictEqual(stepOf(run, "compute-telemetry").result, { day: first, flagged: true })
        const told = JSON.parse(files.text(json("instrument_A", first)))
        assert.strictEqual(told.anomalyWindow.reason, "temperature above -50 °C")
      })
    )
  )

  for (const [what, file] of [
    ["rollup", json],
    ["partition of the timestore", parquet]
  ] as const) {
    it.live(`F91: the ${what} of one instrument is deleted, and the next scan waits until it is made again`, () =>
      playExample(app, (files) =>
        Effect.gen(function* () {
          const { last } = yield* scanned(files)
          const lost = [file("instrument_C", last), ...reports]
          const before = lost.map(files.digest)
          const from = yield* logged
          files.remove(lost[0]!)
          const run = yield* succeeded(alerts)
          assert.deepStrictEqual(lost.map(files.digest), before)
          assert.deepStrictEqual(yield* producersSince(from), { "compute-telemetry[instrument_C]": 1 })
          assert.strictEqual(stepOf(run, "scan-instruments").attempt, 1)
          assert.strictEqual(yield* startedThemselves(alerts), 3, "equal bytes are news to nobody")
        })
      )
    )
  }

  it.live("F91: a lost rollup whose run named no day is made of the newest day, which is an update", () =>
    playExample(app, (files) =>
      Effect.gen(function* () {
        const [older = "", newer = ""] = daysBefore(yield* today, 2)
        deliver(files, instruments[1], older)
        yield* followed(alerts, (yield* succeeded(rollup, "instrument_B")).id)
        deliver(files, instruments[1], newer)
        files.remove(json("instrument_B", older))
        yield* succeeded(alerts)
        const [recovery] = yield* recoveries
        yield* followed(alerts, recovery!.producerRunId!)
        assert.include(files.list("data/lake/telemetry"), `instrument_B_${compact(newer)}.json`)
        const [flag] = JSON.parse(files.text(reports[0]!)).flags
        assert.deepStrictEqual([flag.instrumentId, flag.lastSample.slice(0, 10)], ["instrument_B", newer])
      })
    )
  )

  it.live("F91: a CSV that was never delivered belongs to no asset: its rollup fails at once and names the file", () =>
    playExample(app, (files) =>
      Effect.gen(function* () {
        const { days } = yield* scanned(files)
        const [missing = ""] = daysBefore(days[0]!, 1)
        const run = yield* ran(rollup, "instrument_A", { day: missing })
        assert.deepStrictEqual([run.failure?.class, run.failure?.code], ["asset_missing", "no_producer"])
        assert.include(run.failure?.message, `instruments/instrument_A/instrument_A_${compact(missing)}.csv`)
        assert.strictEqual((yield* recoveries).length, 0)
      })
    )
  )

  it.live("an instrument that has delivered nothing fails for good, and so does a key that is no instrument", () =>
    playExample(app, () =>
      Effect.gen(function* () {
        const silent = yield* ran(rollup, "instrument_Z")
        assert.strictEqual(silent.failure?.class, "permanent")
        assert.include(silent.failure?.message, "instrument_Z has delivered nothing into instruments")
        const wrong = yield* ran(rollup, "../A")
        assert.strictEqual(wrong.failure?.class, "permanent")
        assert.include(wrong.failure?.message, 'such as instrument_A, not "../A"')
      })
    )
  )
})
