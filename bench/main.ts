import "../src/cli/Heap.ts"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, References } from "effect"
import * as activation from "./activation.ts"
import * as assets from "./assets.ts"
import * as crash from "./crash.ts"
import * as exported from "./exported.ts"
import * as floor from "./floor.ts"
import * as integrity from "./integrity.ts"
import * as reads from "./reads.ts"
import * as replay from "./replay.ts"
import * as runs from "./runs.ts"
import * as startup from "./startup.ts"
import * as subscribers from "./subscribers.ts"
import * as timers from "./timers.ts"
import * as updates from "./updates.ts"
import * as waiters from "./waiters.ts"

/** A figure beside the floor of the same run, or beside the bound that it has to keep. */
interface Row {
  readonly figure: string
  readonly measured: number
  readonly unit: string
  readonly floor?: number
  readonly target: string
  readonly isMet: boolean
}

const atLeast = (figure: string, measured: number, unit: string, target: number, floor?: number): Row => ({
  ...{ figure, measured, unit, target: `≥ ${target}`, isMet: measured >= target },
  ...(floor === undefined ? {} : { floor })
})
const atMost = (figure: string, measured: number, unit: string, target: number, floor?: number): Row => ({
  ...{ figure, measured, unit, target: `≤ ${target}`, isMet: measured <= target },
  ...(floor === undefined ? {} : { floor })
})

const stated = (figure: string, measured: number, unit: string): Row => ({
  ...{ figure, measured, unit, target: "stated", isMet: true }
})

const shown = (value: number | undefined): string =>
  value === undefined ? "" : Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(3)

const print = (rows: ReadonlyArray<Row>) =>
  Console.log(
    [
      "| figure | measured | unit | floor | target | met |",
      "| --- | --- | --- | --- | --- | --- |",
      ...rows.map(
        ({ figure, floor, isMet, measured, target, unit }) =>
          `| ${figure} | ${shown(measured)} | ${unit} | ${shown(floor)} | ${target} | ${isMet ? "yes" : "NO"} |`
      )
    ].join("\n")
  )

const quick = process.argv.includes("--quick")
const count = quick ? 4_000 : 20_000

const program = Effect.gen(function* () {
  const bare = yield* floor.measure({ count, inFlight: 200 })
  const bareAlone = yield* floor.measure({ count: 1_000, inFlight: 1 })
  const busy = yield* runs.measure({ count, inFlight: 200 })
  const perActor = yield* runs.measure({ count: count / 2, inFlight: 200, buckets: "actor" })
  const alone = yield* runs.measure({ count: 1_000, inFlight: 1 })
  const logAlone = yield* runs.measure({ count: count / 2, inFlight: 200, projections: false })
  const replayed = yield* replay.measure({ runs: count / 2 })
  const activated = yield* activation.measure(quick ? { productions: 100_000 } : {})
  const inventory = yield* assets.measure()
  const started = yield* Effect.promise(startup.measure)
  const waited = yield* waiters.measure()
  const crashed = yield* crash.measure()
  const updated = yield* updates.measure({ quick })
  const timed = yield* timers.measure(quick ? { pending: 50_000, due: 5_000 } : { pending: 1_000_000, due: 20_000 })
  const log = yield* exported.measure({ events: quick ? 100_000 : 300_000 })
  const followed = yield* subscribers.measure(quick ? { subscribers: 200, seconds: 5 } : {})
  const checked = yield* integrity.measure({ quick })
  const rows: ReadonlyArray<Row> = [
    atLeast("runs, 200 in flight, every projection on", busy.runsPerSecond, "runs/s", 1_200, bare.runsPerSecond),
    atLeast("… as a share of the floor", (100 * busy.runsPerSecond) / bare.runsPerSecond, "%", 10),
    atMost("… commits a run, with projections", busy.commitsPerRun, "commits", 0.3),
    atMost("commits a run, log alone", logAlone.commitsPerRun, "commits", 0.2),
    atMost("WAL a run, log alone", logAlone.walBytesPerRun, "bytes", 4_500),
    stated("WAL a run, with projections", busy.walBytesPerRun, "bytes"),
    stated("CPU of Node a run", busy.cpuUsPerRun, "µs"),
    stated("runs, 200 in flight, with an entity for every actor (ADR 0003)", perActor.runsPerSecond, "runs/s"),
    atMost("one run at a time, p50 of three steps", alone.p50Ms, "ms", 4, bareAlone.p50Ms),
    atLeast("folding streams", replayed.foldedPerSecond, "events/s", 100_000, replayed.driverRowsPerSecond),
    atLeast("rebuilding the run list", replayed.rebuiltPerSecond, "events/s", 50_000, replayed.driverRowsPerSecond),
    atMost(
      `an asset of ${shown(activated.productions)} productions comes to memory, p50`,
      activated.withTail.p50Ms,
      "ms",
      50,
      activated.driver.p50Ms
    ),
    stated("… p99", activated.withTail.p99Ms, "ms"),
    stated("… right after a snapshot, p50", activated.withoutTail.p50Ms, "ms"),
    stated("… when its snapshot was deleted", activated.wholeMs / 1_000, "s"),
    stated("… the parts of a generation amid its history, p50", activated.found.p50Ms, "ms"),
    stated("… one production, by an actor that stays in memory, p50", activated.staying.p50Ms, "ms"),
    stated("… one production, by an actor that left it, p50", activated.leaving.p50Ms, "ms"),
    stated("an asset of 64 productions comes to memory, p50", activated.of64.p50Ms, "ms"),
    atMost(
      `lineage in a graph of 10,000 assets, depth 5 both ways (${inventory.nodes} nodes), p50`,
      inventory.walked.p50Ms,
      "ms",
      50,
      inventory.keyed.p50Ms
    ),
    stated("… p99", inventory.walked.p99Ms, "ms"),
    stated("… of all 10,000 assets and workflows, p50", inventory.whole.p50Ms, "ms"),
    stated("… the graph built from its definitions", inventory.graphMs, "ms"),
    ...inventory.pages.flatMap(({ firstMs, p50Ms, partitioning }) => [
      atMost(`a page of 50 of 100,000 partitions, ${partitioning}, p50`, p50Ms, "ms", 50, inventory.pageFloor.p50Ms),
      stated("… the first one", firstMs, "ms")
    ]),
    atMost("start to listening, first time", started.firstMs, "ms", 5_000),
    atMost("start to listening, later", started.laterMs, "ms", 2_500),
    atLeast("GET /events, one client over HTTP", log.perSecond, "events/s", 50_000),
    atMost(
      `an event to each of ${followed.subscribers} SSE clients, ${followed.perSecond} events/s, p99`,
      followed.all.p99Ms,
      "ms",
      250,
      followed.alone.p99Ms
    ),
    stated("… p50", followed.all.p50Ms, "ms"),
    atLeast(
      `a light check of ${shown(checked.assets)} assets in a folder store`,
      checked.perSecond,
      "assets/s",
      5_000,
      checked.bare
    ),
    stated("… CPU of Node an asset", checked.cpuUsPerAsset, "µs"),
    atMost("… memory in use beyond that before it", checked.heapMiB, "MiB", 256),
    atMost("runs beside a check at its default rate: slower by", checked.slowerPercent, "%", 10),
    ...waited.rows,
    ...crashed.rows,
    ...updated.rows,
    ...timed.rows
  ]
  yield* print(rows)
  const folder = join(import.meta.dirname, "results")
  mkdirSync(folder, { recursive: true })
  const raw = {
    bare,
    bareAlone,
    busy,
    perActor,
    alone,
    logAlone,
    replayed,
    activated,
    inventory,
    started,
    waited,
    crashed,
    updated,
    timed,
    log,
    followed,
    checked,
    rows
  }
  writeFileSync(join(folder, "latest.json"), `${JSON.stringify(raw, null, 2)}\n`)
  yield* Console.log("all of it as JSON: bench/results/latest.json")
  // A figure that is not met is a finding, not a failure of the bench: the machine may be busy.
}).pipe(Effect.provideService(References.MinimumLogLevel, "Error"))

/** Reads of operators at 1,000,000 runs (100,000 with `--quick`): by itself, because the seed alone takes minutes. */
const million = Effect.gen(function* () {
  const found = yield* reads.measure({ runs: quick ? 100_000 : 1_000_000 })
  const floorOf = (name: string) => found.floor.find((one) => one.name === name)?.p99Ms
  yield* print([
    ...found.reads.flatMap(({ name, p50Ms, p99Ms }) => [
      atMost(`${name}, 200 requests/s in all, p99`, p99Ms, "ms", name.endsWith("?at") ? 20 : 50, floorOf(name)),
      stated("… p50", p50Ms, "ms")
    ]),
    stated("a bare HTTP answer, p99", floorOf("/livez") ?? Number.NaN, "ms"),
    atLeast("GET /events, one client over HTTP", found.exportedPerSecond, "events/s", 50_000),
    stated("every read model from the start of the log", found.seeded.events / found.projectedSeconds, "events/s")
  ])
  const folder = join(import.meta.dirname, "results")
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, "million.json"), `${JSON.stringify(found, null, 2)}\n`)
}).pipe(Effect.provideService(References.MinimumLogLevel, "Error"))

NodeRuntime.runMain(process.argv.includes("--million") ? million : program)
