import { PgClient } from "@effect/sql-pg"
import { Effect, FileSystem, Layer, Path, PubSub, Stream } from "effect"
import { NodeServices } from "@effect/platform-node"
import { Migrator, SqlClient } from "effect/sql"
import { fromFileSystem } from "effect/sql/MigratorFileSystem"
import { EventStore, Position, type RecordedEvent } from "../../src/eventstore/EventStore.ts"
import * as Embedded from "../../src/postgres/Embedded.ts"

/** An event as tests write it down. */
export interface Written {
  readonly stream: string
  readonly type: string
  readonly data: unknown
  readonly at: number
}

/** A log in memory with what projections need of an event store; pages cost what they hold, however long the log is. */
export class TestLog {
  readonly events: Array<RecordedEvent> = []
  private readonly versions = new Map<string, number>()
  private readonly ticks = Effect.runSync(PubSub.sliding<void>(1))
  /** Fails reads while true. */
  isAway = false
  /** Never answers what the head is while true. */
  isHanging = false

  static position(number: number): Position {
    return Position.make(`00000000-${"0".repeat(16)}-${number.toString(16).padStart(16, "0")}`)
  }

  /** Appends and answers the position of the last. */
  append(...written: ReadonlyArray<Written>): Position {
    for (const { at, data, stream, type } of written) {
      const streamVersion = (this.versions.get(stream) ?? 0) + 1
      this.versions.set(stream, streamVersion)
      const payload = typeof data === "string" ? data : JSON.stringify(data)
      const position = TestLog.position(this.events.length + 1)
      const rest = { schemaVersion: 1, metadata: {}, hash: "", recordedAt: at }
      this.events.push({ ...rest, streamName: stream, streamVersion, type, payload, position })
    }
    return TestLog.position(this.events.length)
  }

  /** Tells the runner that there is something new. */
  readonly hint = Effect.suspend(() => PubSub.publish(this.ticks, undefined))

  readonly layer = Layer.succeed(EventStore, {
    append: () => Effect.die("not used by projections"),
    read: (streamName) => Effect.sync(() => this.events.filter((event) => event.streamName === streamName)),
    readAll: ({ after, category, limit }) =>
      Effect.suspend(() => {
        if (this.isAway) return Effect.die("the database is away")
        const from = after === null ? 0 : Number.parseInt(after.slice(-16), 16)
        const rest = this.events.slice(from, category === undefined ? from + limit : undefined)
        const events =
          category === undefined
            ? rest
            : rest.filter((event) => event.streamName.startsWith(`${category}-`)).slice(0, limit)
        // As the log does: what a filter left out of a short page was looked at.
        const level = category === undefined || events.length >= limit || this.events.length === 0
        return Effect.succeed({
          events,
          next: level ? (events.at(-1)?.position ?? after) : TestLog.position(this.events.length)
        })
      }),
    head: Effect.suspend(() => (this.isHanging ? Effect.never : Effect.succeed(TestLog.position(this.events.length)))),
    findCommand: () => Effect.die("not used by projections"),
    claimDue: () => Effect.die("not used by projections"),
    waitingOn: () => Effect.die("not used by projections"),
    waitedStores: Effect.die("not used by projections"),
    lostWakes: () => Effect.die("not used by projections"),
    changes: Stream.fromPubSub(this.ticks),
    onAppended: () => Effect.void,
    available: Effect.succeed(true)
  })
}

const migrated = Layer.effectDiscard(
  Effect.gen(function* () {
    const path = yield* Path.Path
    const all = yield* fromFileSystem(path.resolve("migrations"))
    yield* Migrator.make({})({ loader: Effect.succeed(all) })
  })
)

/** A server of its own for one test file, with every table. */
export const database = Layer.unwrap(
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const dataDir = yield* files.makeTempDirectoryScoped({ prefix: "kintsugi-projections-" })
    yield* files.chmod(dataDir, 0o755)
    const server = yield* Embedded.start({ dataDir })
    return PgClient.layer({
      host: server.socketDir,
      port: server.port,
      username: server.username,
      database: server.database
    })
  })
).pipe((client) => Layer.provideMerge(migrated, client), Layer.provideMerge(NodeServices.layer))

const tables = [
  ...["run_list_v1_active", "run_list_v1_ended", "run_list_v1_definitions", "run_list_v1_counters"],
  ...["asset_locations_v1", "asset_locations_v1_current", "asset_list_v2", "asset_partitions_v1"],
  "integrity_inventory_v1",
  ...["asset_list_v2_totals", "asset_list_v2_history", "materialization_list_v1", "materialization_list_v1_counters"],
  ...["recovery_list_v1", "recovery_list_v1_counters"],
  ...["backfill_list_v1", "backfill_list_v1_failures", "bulk_list_v1"],
  ...["attention_v1", "attention_v1_runs"],
  ...["notifications_v1", "notifications_v1_interrupted", "notification_reads", "projection_checkpoints"]
]

/** Every read model empty, as at the start of the log. */
export const emptied = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  for (const table of tables) yield* sql`TRUNCATE ${sql(table)}`
})

/** All rows of the tables as text, in an order of their own: what two builds of a read model must agree on. */
export const checksum = Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
  const sql = yield* SqlClient.SqlClient
  const rows: Array<string> = []
  for (const name of names) {
    const found = yield* sql<{ row: string }>`SELECT ${sql(name)}::text AS row FROM ${sql(name)} ORDER BY 1`
    rows.push(name, ...found.map(({ row }) => row))
  }
  return rows
})
