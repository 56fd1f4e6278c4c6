import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { temporaryFolder } from "../support/postgres.ts"
import { appendOf, type EventSpec, lastHash } from "../support/appends.ts"
import * as LogAccess from "../../src/cli/LogAccess.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import * as PgEventStore from "../../src/eventstore/PgEventStore.ts"
import { kintsugi } from "./kintsugi.ts"

const minute = Date.UTC(2026, 0, 1, 12, 0)
const json = (value: unknown) => JSON.stringify(value)

const definition = { slug: "orders", steps: [{ id: "load", jobSlug: "load-orders" }] }
/** A stored event as its codec writes it. */
const defined: EventSpec = {
  type: "WorkflowDefined",
  payload: json({ slug: "orders", version: 1, definition, contentHash: "h", origin: "app" })
}
const streams: ReadonlyArray<readonly [name: string, events: ReadonlyArray<EventSpec>]> = [
  ["workflow-orders", [defined]],
  [
    "run-r1",
    [
      {
        type: "RunRequested",
        payload: json({ runId: "r1", workflow: "orders", version: 1, parameters: {}, trigger: { type: "manual" } }),
        recordedAt: minute
      },
      { type: "StepStarted", payload: json({ stepId: "load", attempt: 1 }), recordedAt: minute + 1_000 },
      {
        type: "StepSucceeded",
        payload: json({ stepId: "load", attempt: 1, result: { rows: 3 } }),
        recordedAt: minute + 2_000
      }
    ]
  ],
  [
    "asset-a1",
    [
      {
        type: "AssetMissingDetected",
        payload: json({ assetId: "orders.raw", partitionKey: "2024-01", generation: 0, reason: "missing" })
      }
    ]
  ],
  ["store-inbox", [{ type: "StoreMarked", payload: json({ store: "inbox" }) }]]
]

const seed = Effect.gen(function* () {
  const log = yield* EventStore
  for (const [streamName, events] of streams) yield* log.append(appendOf({ streamName, events }))
})

/** A migrated embedded database with a few streams, running as it would under a server, and its client. */
const served = Effect.gen(function* () {
  const dataDir = yield* temporaryFolder
  const migrated = yield* run(["migrate", "--json"], dataDir)
  assert.strictEqual(migrated.code, 0, migrated.stderr)
  const settings = { dataDir, databaseUrl: null, databaseSetting: "DATABASE_URL" }
  const context = yield* Layer.build(PgEventStore.layer.pipe(Layer.provideMerge(LogAccess.existing(settings))))
  yield* Effect.provideContext(seed, context)
  return { dataDir, context }
})

const run = (args: ReadonlyArray<string>, dataDir: string) =>
  Effect.promise(() => kintsugi([...args, "--data-dir", dataDir]))

describe("commands on the database", () => {
  it.live("migrate says from which version to which, and that there is nothing left to do", () =>
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      const first = yield* run(["migrate"], dataDir)
      assert.match(first.stdout, /^migrated from an empty database to \d{4}_\w+ \(\d+ migrations\)\n$/)
      assert.deepStrictEqual([first.code, first.stderr], [0, ""])

      const second = yield* run(["migrate", "--json"], dataDir)
      const { from, ran, to } = JSON.parse(second.stdout)
      assert.strictEqual(from, to)
      assert.deepStrictEqual(ran, [])

      // The server of a command that is alone is stopped with it.
      const empty = yield* run(["verify", "--json"], dataDir)
      const { root, ...chains } = JSON.parse(empty.stdout)
      assert.deepStrictEqual(chains, { ok: true, streams: 0, events: 0, brokenStreams: 0, redacted: 0, broken: [] })
      assert.strictEqual(root.status, "none")
    })
  )

  it.live("replay prints each event and the folded state, up to a time or a position", () =>
    Effect.gen(function* () {
      const { dataDir } = yield* served
      const all = yield* run(["replay", "run-r1", "--json"], dataDir)
      assert.strictEqual(all.code, 0, all.stderr)
      const whole = JSON.parse(all.stdout)
      assert.deepStrictEqual(
        whole.events.map(({ type, version }: { type: string; version: number }) => `${version} ${type}`),
        ["1 RunRequested", "2 StepStarted", "3 StepSucceeded"]
      )
      assert.strictEqual(whole.state.steps.load.status, "succeeded")
      assert.deepStrictEqual(whole.state.steps.load.result, { rows: 3 })

      const byTime = yield* run(["replay", "run-r1", "--json", "--at", "2026-01-01T12:00:01Z"], dataDir)
      const earlier = JSON.parse(byTime.stdout)
      assert.strictEqual(earlier.version, 2)
      assert.strictEqual(earlier.state.steps.load.status, "executing")
      const byPosition = yield* run(["replay", "run-r1", "--json", "--at", earlier.position], dataDir)
      assert.isTrue(JSON.parse(byPosition.stdout).version >= 2)

      const text = yield* run(["replay", "run-r1"], dataDir)
      assert.match(text.stdout, /^1 {2}2026-01-01T12:00:00\.000Z {2}\S+ {2}RunRequested {2}\{/)
      assert.include(text.stdout, "\nstate:\n{")
    }).pipe(Effect.scoped)
  )

  it.live("replay folds the other categories, and shows the events of those that have no state", () =>
    Effect.gen(function* () {
      const { dataDir } = yield* served
      const state = (stream: string) =>
        Effect.map(run(["replay", stream, "--json"], dataDir), ({ stdout }) => JSON.parse(stdout).state)
      assert.strictEqual((yield* state("asset-a1")).assetId, "orders.raw")
      assert.strictEqual((yield* state("workflow-orders")).versions.length, 1)
      const store = yield* run(["replay", "store-inbox"], dataDir)
      assert.match(store.stdout, /StoreMarked {2}\{"store":"inbox"\}\n\nstreams of this category have no folded state/)
    }).pipe(Effect.scoped)
  )

  it.live("replay tells that a stream is unknown, or a time is none", () =>
    Effect.gen(function* () {
      const { dataDir } = yield* served
      const unknown = yield* run(["replay", "run-nobody"], dataDir)
      assert.strictEqual(unknown.code, 2, "as the commands that ask a server")
      assert.match(unknown.stderr, /^kintsugi: the log has no stream "run-nobody"; [^\n]+\n$/)
      const wrong = yield* run(["replay", "run-r1", "--at", "noon"], dataDir)
      assert.deepStrictEqual([wrong.code, wrong.stdout], [2, ""])
      assert.match(wrong.stderr, /^kintsugi: --at: must be a position or an ISO 8601 time, not "noon"\n$/)
      const early = "00000000-0000000000000000-0000000000000000"
      for (const [at, when] of [
        ["2025-12-31", "2025-12-31T00:00:00.000Z"],
        [early, early]
      ] as const) {
        const before = yield* run(["replay", "run-r1", "--at", at, "--json"], dataDir)
        assert.deepStrictEqual([before.code, before.stdout], [2, ""], "no state is made up")
        const began = `There was no run r1 yet at ${when}: it began at 2026-01-01T12:00:00.000Z, position `
        assert.include(before.stderr, began)
      }
    }).pipe(Effect.scoped)
  )

  it.live("replay tells which event it cannot decode, after it has shown the others", () =>
    Effect.gen(function* () {
      const { context, dataDir } = yield* served
      const events: ReadonlyArray<EventSpec> = [defined, { type: "WorkflowRetired", payload: "{}" }]
      const streamName = "workflow-newer"
      yield* Effect.provideContext(
        Effect.flatMap(EventStore, (log) => log.append(appendOf({ streamName, events }))),
        context
      )
      const { code, stderr, stdout } = yield* run(["replay", streamName], dataDir)
      assert.strictEqual(code, 1)
      assert.include(stdout, "WorkflowRetired  {}")
      assert.match(
        stderr,
        /^kintsugi: event WorkflowRetired \(schema version 1\) of workflow-newer at version 2 [^\n]+\n$/
      )
    }).pipe(Effect.scoped)
  )

  it.live("verify finds every chain intact while a server uses the database", () =>
    Effect.gen(function* () {
      const { dataDir } = yield* served
      const { code, stdout } = yield* run(["verify"], dataDir)
      assert.deepStrictEqual([code, stdout], [0, "every hash chain holds: 4 streams with 6 events\n"])
    }).pipe(Effect.scoped)
  )

  it.live("verify names stream, version and position of the first broken link, whatever was changed", () =>
    Effect.gen(function* () {
      const { context, dataDir } = yield* served
      const edit = (change: (sql: SqlClient.SqlClient) => Effect.Effect<unknown, unknown>) =>
        Effect.provideContext(Effect.flatMap(SqlClient.SqlClient, change), context)
      const of = (sql: SqlClient.SqlClient, name: string) =>
        sql`(SELECT stream_id FROM streams WHERE stream_name = ${name})`
      const broken = Effect.map(run(["verify", "--json"], dataDir), ({ code, stdout }) => {
        assert.strictEqual(code, 1)
        const { broken } = JSON.parse(stdout) as { broken: ReadonlyArray<{ stream: string; version: number }> }
        return broken.map(({ stream, version }) => `${stream} ${version}`).sort()
      })

      yield* edit(
        (sql) => sql`UPDATE events SET recorded_at_ms = recorded_at_ms + 1
        WHERE stream_id = ${of(sql, "run-r1")} AND stream_version = 2`
      )
      assert.deepStrictEqual(yield* broken, ["run-r1 2"])
      const told = yield* run(["verify"], dataDir)
      assert.match(
        told.stdout,
        /^broken: run-r1 at version 2, position [0-9a-f-]{42}: its content does not have the hash/
      )
      assert.strictEqual(told.stderr, "kintsugi: the log is broken in 1 stream\n")

      yield* edit((sql) => sql`DELETE FROM events WHERE stream_id = ${of(sql, "run-r1")} AND stream_version = 2`)
      yield* edit((sql) => sql`DELETE FROM events WHERE stream_id = ${of(sql, "asset-a1")}`)
      yield* edit((sql) => sql`UPDATE streams SET stream_version = 2 WHERE stream_name = 'store-inbox'`)
      assert.deepStrictEqual(yield* broken, ["asset-a1 1", "run-r1 2", "store-inbox 2"])
    }).pipe(Effect.scoped)
  )

  it.live("verify goes on over more streams and events than one page holds", () =>
    Effect.gen(function* () {
      const { context, dataDir } = yield* served
      yield* Effect.provideContext(
        Effect.gen(function* () {
          const log = yield* EventStore
          const events = Array.from({ length: 800 }, (): EventSpec => ({}))
          yield* Effect.forEach(
            Array.from({ length: 15 }, (_, index) => index),
            (index) =>
              Effect.gen(function* () {
                const first = appendOf({ streamName: `many-${index}`, events })
                yield* log.append(first)
                yield* log.append(
                  appendOf({ streamName: `many-${index}`, expectedVersion: 800, after: lastHash(first), events })
                )
              }),
            { concurrency: "unbounded" }
          )
        }),
        context
      )
      const { stdout } = yield* run(["verify"], dataDir)
      assert.strictEqual(stdout, "every hash chain holds: 19 streams with 24006 events\n")
    }).pipe(Effect.scoped)
  )
})

describe("the command line", () => {
  const cli = (args: ReadonlyArray<string>, env: { readonly [variable: string]: string } = {}) =>
    Effect.promise(() => kintsugi(args, { env }))

  it.live("answers help and version on stdout", () =>
    Effect.gen(function* () {
      const version = yield* cli(["--version"])
      assert.deepStrictEqual(version, { code: 0, stdout: "kintsugi v0.1.0\n", stderr: "" })
      for (const command of ["serve", "demo", "migrate", "replay", "verify", "export", "import"]) {
        const { code, stderr, stdout } = yield* cli([command, "--help"])
        assert.deepStrictEqual([code, stderr], [0, ""])
        assert.include(stdout, `USAGE\n  kintsugi ${command}`)
        assert.include(stdout, "--json")
      }
    })
  )

  it.live("ends with 2 and one line for an unknown command, an unknown flag or a missing argument", () =>
    Effect.gen(function* () {
      for (const [args, line] of [
        [["frob"], /^kintsugi: Unknown subcommand "frob".* \(see kintsugi --help\)\n$/],
        [["serve", "--prot", "1"], /^kintsugi: Unrecognized flag: --prot .*--port \(see kintsugi serve --help\)\n$/],
        [["replay"], /^kintsugi: Missing required argument: stream \(see kintsugi replay --help\)\n$/]
      ] as const) {
        const { code, stderr, stdout } = yield* cli(args)
        assert.deepStrictEqual([code, stdout], [2, ""])
        assert.match(stderr, line)
      }
    })
  )

  it.live("ends with 2 and one line that names the setting for a wrong value", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const file = join(folder, "file")
      yield* Effect.sync(() => writeFileSync(file, ""))
      for (const [args, env, line] of [
        [["serve", "--port", "http"], {}, /^kintsugi: --port: must be/],
        [["serve"], { KINTSUGI_CONCURRENCY: "many" }, /^kintsugi: KINTSUGI_CONCURRENCY: must be/],
        [["serve"], { DATABASE_URL: "mysql://x/y" }, /^kintsugi: DATABASE_URL: must be/],
        [["serve"], { REDIS_URL: "redis://me:secret@" }, /^kintsugi: REDIS_URL: must be inline, a URL such as redis/],
        [["serve", "--redis-url", "redis.example"], {}, /^kintsugi: --redis-url: must be inline/],
        [["serve"], { OPENLINEAGE_URL: "marquez:5000" }, /^kintsugi: OPENLINEAGE_URL: must be an http or https URL/],
        [["serve", "--cluster", "a:1"], {}, /^kintsugi: --cluster: /],
        [["serve", "--data-dir", file], {}, /^kintsugi: --data-dir \(KINTSUGI_DATA_DIR\): .* is a file, not a folder/],
        [["migrate", "--data-dir", join(file, "below")], {}, /^kintsugi: --data-dir .*ENOTDIR|a part of the path/],
        [["serve", "--data-dir", folder, "--app", "no.ts"], {}, /^kintsugi: --app \(KINTSUGI_APP\): .* does not exist/],
        [["verify", "--data-dir", folder], {}, /^kintsugi: --data-dir .* holds no embedded database/],
        [
          ["migrate", "--database-url", "postgres://me:secret@127.0.0.1:1/x"],
          {},
          /^kintsugi: --database-url: .*ECONNREFUSED/
        ],
        // Without a user it is the system's, as with every client of Postgres: the server is what is missing.
        [["migrate", "--database-url", "postgres://127.0.0.1:1/x"], {}, /^kintsugi: --database-url: .*ECONNREFUSED/],
        [["migrate"], { DATABASE_URL: "postgres://127.0.0.1:1/x" }, /^kintsugi: DATABASE_URL: .*ECONNREFUSED/]
      ] as const) {
        const { code, stderr, stdout } = yield* cli(args, env)
        assert.deepStrictEqual([code, stdout], [2, ""], stderr)
        assert.match(stderr, line)
        assert.strictEqual(stderr.trimEnd().split("\n").length, 1, stderr)
        assert.notInclude(stderr, "secret")
      }
      // The demo asks no bus and no receiver of this shell: wrong ones are none of its faults.
      const demo = yield* cli(["demo", "--data-dir", file], { REDIS_URL: "nonsense", OPENLINEAGE_URL: "nonsense" })
      assert.match(demo.stderr, /^kintsugi: copying the observatory: .*ENOTDIR/)
      rmSync(file)
    }).pipe(Effect.scoped)
  )

  it.live("shows the user's own stack when the app throws at import, and ends with 2", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const app = join(folder, "app.ts")
      yield* Effect.sync(() => writeFileSync(app, `const f = (): never => { throw new Error("mine") }\nf()\n`))
      const { code, stderr } = yield* cli(["serve", "--data-dir", join(folder, "data"), "--app", app])
      assert.strictEqual(code, 2)
      assert.match(
        stderr,
        /^kintsugi: --app \(KINTSUGI_APP\): .*app\.ts threw at import: mine\nError: mine\n {4}at f \(.*app\.ts:1:/
      )
      assert.notMatch(stderr, /node:internal|src\/cli/)
    }).pipe(Effect.scoped)
  )
})
