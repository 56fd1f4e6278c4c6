import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Option, Random, Redacted, Schedule, Schema } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { chmod, cp, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as DemoClient from "../../src/cli/DemoClient.ts"
import { type DemoTally, tally } from "../../src/cli/DemoTally.ts"

const root = join(import.meta.dirname, "../..")
const token = "observatory-e2e-token"
const generator = "observatory-generator"
const ingest = "observatory-minute-ingest"
const publication = "observatory-daily-publication"
const dashboard = "observatory-dashboard-aggregate"
const slowMs = 1_000
const endsWithinMs = 40_000

const Envelopes = Schema.decodeUnknownSync(Schema.fromJsonString(DemoClient.Envelope))
const Run = Schema.Struct({
  status: Schema.String,
  steps: Schema.Array(
    Schema.Struct({
      id: Schema.String,
      status: Schema.String,
      attempt: Schema.Int,
      waitingFor: Schema.optionalKey(Schema.Struct({ type: Schema.String }))
    })
  )
})
const RunAnswer = Schema.decodeUnknownSync(Schema.Struct({ data: Run }))

/** The observatory, served by a process of its own as a user would: everything goes over HTTP and the file system. */
class Observatory extends Context.Service<
  Observatory,
  {
    readonly client: () => DemoClient.DemoClient
    readonly get: (path: string) => Effect.Effect<string>
    readonly file: (store: string, key: string) => string
    readonly folder: (store: string) => string
    /** Ends the process as a power cut would, and starts it again. */
    readonly killAndRestart: Effect.Effect<void>
  }
>()("kintsugi/test/Observatory") {
  static readonly layer = Layer.effect(
    Observatory,
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.promise(async () => {
          const made = await mkdtemp(join(tmpdir(), "kintsugi-observatory-"))
          // The embedded database runs under a user of its own and must pass through.
          await chmod(made, 0o755)
          await cp(join(root, "examples/observatory"), join(made, "app"), { recursive: true })
          await writeFile(join(made, "app/package.json"), '{ "type": "module" }')
          return made
        }),
        (made) => Effect.promise(() => rm(made, { recursive: true, force: true }))
      )
      let server: Serving = yield* Effect.promise(() => serve(folder))
      yield* Effect.addFinalizer(() => Effect.promise(() => stop(server.process, "SIGTERM")))
      const get = (path: string) =>
        Effect.promise(async () => {
          const response = await fetch(`${server.url}/api/v1${path}`, { headers: { authorization: `Bearer ${token}` } })
          const text = await response.text()
          assert(response.ok, `GET ${path} was answered ${response.status}: ${text}`)
          return text
        })
      return Observatory.of({
        client: () => DemoClient.make({ url: server.url, token: Redacted.make(token) }),
        get,
        file: (store, key) => join(folder, "app/data", store, key),
        folder: (store) => join(folder, "app/data", store),
        killAndRestart: Effect.promise(async () => {
          await stop(server.process, "SIGKILL")
          server = await serve(folder)
        })
      })
    })
  )
}

interface Serving {
  readonly process: ChildProcess
  readonly url: string
}

const serve = (folder: string): Promise<Serving> =>
  new Promise((resolve, reject) => {
    const args = ["src/main.ts", "serve", "--app", join(folder, "app/demo.ts"), "--port", "0"]
    const child = spawn(process.execPath, [...args, "--data-dir", join(folder, "data")], {
      cwd: root,
      env: { ...process.env, KINTSUGI_ADMIN_TOKEN: token },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let output = ""
    const hear = (chunk: Buffer) => {
      output += chunk.toString()
      const url = /listening on (http:\S+)/.exec(output)?.[1]
      if (url !== undefined) resolve({ process: child, url })
    }
    child.stdout.on("data", hear)
    child.stderr.on("data", hear)
    child.on("exit", (code) => reject(new Error(`serve ended with ${code} before it listened: ${output}`)))
  })

const stop = (child: ChildProcess, signal: NodeJS.Signals): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.on("exit", () => resolve())
    child.kill(signal)
  })

const readRun = Effect.fnUntraced(function* (runId: string) {
  const { get } = yield* Observatory
  return RunAnswer(JSON.parse(yield* get(`/runs/${runId}`))).data
})

/** Asks for the run until it is as `wanted`. */
const untilRun = (runId: string, what: string, wanted: (run: typeof Run.Type) => boolean) =>
  Effect.repeat(readRun(runId), { until: wanted, schedule: Schedule.spaced("25 millis") }).pipe(
    Effect.timeoutOrElse({
      duration: endsWithinMs,
      orElse: () =>
        Effect.flatMap(readRun(runId), (run) =>
          Effect.die(new Error(`run ${runId}: ${what} not within ${endsWithinMs} ms: ${JSON.stringify(run)}`))
        )
    })
  )

const start = Effect.fnUntraced(function* (workflow: string, partitionKey?: string, stepDelayMs = 0) {
  const { client } = yield* Observatory
  return yield* client().start(workflow, {
    ...(partitionKey === undefined ? {} : { partitionKey }),
    ...(stepDelayMs === 0 ? {} : { parameters: { stepDelayMs } })
  })
})

const succeeds = Effect.fnUntraced(function* (runId: string) {
  const run = yield* untilRun(runId, "its end", ({ status }) => ["succeeded", "failed", "canceled"].includes(status))
  assert.strictEqual(run.status, "succeeded", JSON.stringify(run))
  return run
})

const runToEnd = (workflow: string, partitionKey?: string) => Effect.flatMap(start(workflow, partitionKey), succeeds)

const Listed = Schema.Struct({ data: Schema.Array(Schema.Struct({ id: Schema.String })) })
const ListedAnswer = Schema.decodeUnknownSync(Schema.fromJsonString(Listed))

/** Waits for the run of the minute that nobody started by hand. */
const followed = Effect.fnUntraced(function* (workflow: string, minute: string) {
  const { get } = yield* Observatory
  const query = `workflow=${workflow}&partitionKey=${minute}&trigger=auto-materialize`
  const found = yield* Effect.repeat(
    Effect.map(get(`/runs?${query}`), (text) => ListedAnswer(text).data),
    { until: ({ length }) => length > 0, schedule: Schedule.spaced("25 millis") }
  ).pipe(
    Effect.timeoutOrElse({
      duration: endsWithinMs,
      orElse: () => Effect.die(new Error(`no run of ${workflow}[${minute}] came by itself`))
    })
  )
  assert.strictEqual(found.length, 1, `runs of ${workflow}[${minute}] that came by themselves`)
  return found[0]!.id
})

/** Generated by hand; ingested and published by itself. */
const prepared = Effect.fnUntraced(function* (minute: string) {
  yield* runToEnd(generator, minute)
  for (const workflow of [ingest, publication]) yield* succeeds(yield* followed(workflow, minute))
})

/** The position after which nothing has happened yet. */
const head = Effect.fnUntraced(function* () {
  const { get } = yield* Observatory
  const lines = (yield* get("/events")).trimEnd().split("\n")
  const { position } = JSON.parse(lines.at(-1) ?? "{}") as { position: string }
  return position
})

/** What has been logged since then, when as many runs as expected have succeeded; the log shows an event a moment after it was written. */
const countedSince = Effect.fnUntraced(function* (
  position: string,
  expected: number
): Effect.fn.Return<DemoTally, never, Observatory> {
  const { get } = yield* Observatory
  const counted = Effect.map(get(`/events?after=${position}`), (text) => {
    const lines = text.split("\n").filter((line) => line !== "")
    return tally(lines.flatMap((line) => Option.toArray(DemoClient.seenOf(Envelopes(line)))))
  })
  return yield* Effect.repeat(counted, {
    until: ({ runs, succeeded }) => runs === succeeded && runs >= expected,
    schedule: Schedule.spaced("50 millis"),
    times: 100
  })
})

const bytesOf = (path: string) => Effect.promise(() => readFile(path, "latin1"))
const remove = (...paths: ReadonlyArray<string>) =>
  Effect.promise(() => Promise.all(paths.map((path) => rm(path)))).pipe(Effect.asVoid)

const plots = (minute: string) =>
  ["metrics.json", "temperature.svg", "pm25.svg"].map((name) => `plots/${minute}/${name}`)
const partitions = (minute: string) =>
  ["alpha", "bravo", "charlie"].map((id) => `timestore/observatory_readings/${id}.${minute}.parquet`)
const csvs = (minute: string) =>
  ["alpha", "bravo", "charlie"].map((id) => `instrument_${id}_${minute.replace(/\D/g, "")}.csv`)

layer(Observatory.layer, { timeout: 60_000, excludeTestServices: true })(
  "the observatory on a server of its own",
  (it) => {
    it.effect("F88: an inbox CSV removed in the middle of an ingest is acquired again, and the ingest succeeds", () =>
      Effect.gen(function* () {
        const { file } = yield* Observatory
        const minute = "2026-01-01T01-00"
        const bravo = file("inbox", csvs(minute)[1] ?? "")
        const from = yield* head()
        yield* start(generator, minute)
        const runId = yield* followed(ingest, minute)
        const before = yield* bytesOf(bravo)
        yield* untilRun(runId, "normalize-inbox at work", ({ steps }) => steps[0]?.status === "running")
        yield* Effect.sleep(slowMs / 4)
        yield* remove(bravo)
        const run = yield* succeeds(runId)
        assert.deepStrictEqual(
          run.steps.map(({ attempt }) => attempt),
          [2, 1]
        )
        assert.strictEqual(yield* bytesOf(bravo), before)
        const counted = yield* countedSince(from, 3)
        assert.deepStrictEqual([...counted.producers], [["generate", 1]])
        assert.deepStrictEqual([counted.losses, counted.recoveries, counted.healed, counted.waited], [1, 1, 1, 1])
        assert.strictEqual(counted.runs, 3, "generated, ingested, published: the heal is no update")
      })
    )

    it.effect(
      "F89: a deleted timestore partition is loaded again, and the dashboard shows what it would have shown",
      () =>
        Effect.gen(function* () {
          const { file } = yield* Observatory
          const minute = "2026-01-01T02-00"
          yield* prepared(minute)
          yield* runToEnd(dashboard)
          const snapshot = yield* bytesOf(file("reports", "dashboard/snapshot.json"))
          const from = yield* head()
          yield* remove(file("lake", partitions(minute)[2] ?? ""))
          yield* runToEnd(dashboard)
          assert.strictEqual(yield* bytesOf(file("reports", "dashboard/snapshot.json")), snapshot)
          const counted = yield* countedSince(from, 1)
          assert.deepStrictEqual([...counted.producers], [["load-timestore", 1]])
          assert.deepStrictEqual([counted.losses, counted.recoveries, counted.waited], [1, 1, 1])
          assert.strictEqual(counted.runs, 1, "nothing is published anew")
        })
    )

    it.effect("F92 T28: a chain of four with all its files gone heals with each producer run exactly once", () =>
      Effect.gen(function* () {
        const { file } = yield* Observatory
        const minute = "2026-01-01T03-00"
        yield* prepared(minute)
        const lost = [
          ...csvs(minute).map((key) => file("inbox", key)),
          file("lake", `normalized/${minute}.json`),
          ...partitions(minute).map((key) => file("lake", key)),
          ...plots(minute).map((key) => file("reports", key))
        ]
        const before = yield* Effect.forEach(lost, bytesOf)
        const from = yield* head()
        const runId = yield* start(publication, minute, slowMs)
        yield* untilRun(runId, "publish-reports at work", ({ steps }) => steps[1]?.status === "running")
        yield* Effect.sleep(slowMs / 4)
        yield* remove(...lost)
        yield* succeeds(runId)
        assert.deepStrictEqual(yield* Effect.forEach(lost, bytesOf), before)
        const counted = yield* countedSince(from, 1)
        assert.deepStrictEqual([...counted.producers].sort(), [
          ["generate", 1],
          ["generate-plots", 1],
          ["load-timestore", 1],
          ["normalize-inbox", 1]
        ])
        assert.deepStrictEqual([counted.losses, counted.recoveries, counted.healed], [4, 4, 4])
      })
    )

    it.effect("F92: runs that wait for one lost chain together share its recoveries", () =>
      Effect.gen(function* () {
        const { file } = yield* Observatory
        const minute = "2026-01-01T04-00"
        yield* prepared(minute)
        const from = yield* head()
        yield* remove(
          ...csvs(minute).map((key) => file("inbox", key)),
          file("lake", `normalized/${minute}.json`),
          ...partitions(minute).map((key) => file("lake", key))
        )
        const waiting = [start(publication, minute), start(publication, minute), start(dashboard)]
        const runIds = yield* Effect.all(waiting, { concurrency: 3 })
        yield* Effect.forEach(runIds, succeeds)
        const counted = yield* countedSince(from, 3)
        assert.deepStrictEqual([...counted.producers].sort(), [
          ["generate", 1],
          ["load-timestore", 1],
          ["normalize-inbox", 1]
        ])
        assert.deepStrictEqual([counted.recoveries, counted.runs, counted.succeeded], [3, 3, 3])
      })
    )

    it.effect(
      "F90: the store is away for a while and the server is killed meanwhile: every run ends well, nothing is made again",
      () =>
        Effect.gen(function* () {
          const { folder, killAndRestart } = yield* Observatory
          const minutes = ["2026-01-01T05-00", "2026-01-01T05-01"]
          yield* prepared("2026-01-01T05-02")
          const from = yield* head()
          yield* Effect.forEach(minutes, (minute) => start(generator, minute), { concurrency: 2 })
          const ingests = yield* Effect.forEach(minutes, (minute) => followed(ingest, minute), { concurrency: 2 })
          yield* Effect.forEach(ingests, (runId) =>
            untilRun(runId, "normalize-inbox at work", ({ steps }) => steps[0]?.status === "running")
          )
          yield* Effect.promise(() => rename(folder("lake"), `${folder("lake")}-away`))
          const others = [yield* start(dashboard), yield* start(publication, "2026-01-01T05-02")]
          const awayMs = yield* Random.nextIntBetween(200, 2_500)
          yield* Effect.sleep(awayMs)
          yield* killAndRestart
          const runIds = [...ingests, ...others]
          yield* Effect.forEach(runIds, (runId) =>
            untilRun(runId, "waiting for the store", ({ steps }) =>
              steps.some((step) => step.waitingFor?.type === "store")
            )
          )
          yield* Effect.promise(() => rename(`${folder("lake")}-away`, folder("lake")))
          yield* Effect.forEach(runIds, succeeds)
          // Generated and ingested by twos, the dashboard, a publication by hand, and two that follow the ingests.
          const counted = yield* countedSince(from, 8)
          const told = `killed after ${awayMs} ms of outage`
          assert.deepStrictEqual([counted.recoveries, counted.producerRuns, counted.losses], [0, 0, 0], told)
          assert.deepStrictEqual([counted.runs, counted.succeeded], [8, 8], told)
        })
    )
  }
)
