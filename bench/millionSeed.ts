import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Engine } from "../src/actors/Engine.ts"
import * as EventRow from "../src/eventstore/EventRow.ts"
import * as HashChain from "../src/eventstore/HashChain.ts"
import { defineJob } from "../src/index.ts"
import * as Database from "../src/postgres/Database.ts"
import { layer } from "./engine.ts"
import { definition, slugOf, workflows } from "./millionDefinitions.ts"

/** Partitions that the runs of a workflow are spread over, a day each. */
export const partitions = 1_000
/** One run in so many fails, and needs attention. */
export const failedOneIn = 100
const chunkRuns = 50_000
const spreadMs = 30 * 86_400_000

const templateSlug = slugOf(0)
const templateDay = "2026-01-01"

const trivial = defineJob({ slug: "trivial", run: () => ({ result: { ok: true } }) })
const moody = defineJob({
  slug: "moody",
  run: (ctx) => {
    if (ctx.parameters.fails === true) throw new Error("the source answered with half a file")
    return { result: { ok: true } }
  }
})

interface TemplateRow {
  readonly version: number
  readonly schemaVersion: number
  readonly type: string
  readonly payload: string
  readonly metadata: string | null
  readonly afterMs: number
}

interface Template {
  readonly runId: string
  readonly rows: ReadonlyArray<TemplateRow>
}

/** Two runs of the real engine, one that ends well and one that fails: what the log then holds of them. */
const templatesOf = (dataDir: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const engine = yield* Engine
      const sql = yield* SqlClient.SqlClient
      for (let index = 0; index < workflows; index++) yield* engine.define(slugOf(index), definition, "app")
      const templateOf = Effect.fnUntraced(function* (parameters: Record<string, boolean>) {
        const { run } = yield* engine.startRun({ workflow: templateSlug, partitionKey: templateDay, parameters })
        yield* engine.awaitRun(run.id)
        // What an actor owes after the end comes at its own time; a stream that nothing is owed to is whole.
        yield* Effect.sleep("1 seconds")
        const rows = yield* sql<TemplateRow>`
          SELECT e.stream_version AS version, e.schema_version AS "schemaVersion", e.type, e.payload::text AS payload,
            e.metadata, (e.recorded_at_ms - min(e.recorded_at_ms) OVER ())::int AS "afterMs"
          FROM events e JOIN streams s USING (stream_id) WHERE s.stream_name = ${`run-${run.id}`}
          ORDER BY e.stream_version`
        return { runId: run.id, rows } satisfies Template
      })
      return { good: yield* templateOf({}), bad: yield* templateOf({ fails: true }) }
    }).pipe(Effect.provide(layer(dataDir, { jobs: [trivial, moody] })))
  )

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** The template's text with the ids of run `n`, as an expression of SQL. */
const made = (text: string, runId: string): string => {
  const replaced = [
    [runId, "runs.id"],
    [`"${templateSlug}"`, "runs.quoted_slug"],
    [templateDay, "runs.day"]
  ].filter(([from]) => text.includes(from!))
  return replaced.reduce((inner, [from, to]) => `replace(${inner}, ${quoted(from!)}, ${to})`, quoted(text))
}

/**
 * Copies of a template for the runs `which` of `$1` to `$2`, each with the chain that `HashChain` would have made of it.
 * `$3`: time of the first run, epoch ms; `$4`: ms between two; `$5`, `$6`: what numbers of streams and events begin after.
 */
const copy = ({ rows, runId }: Template, which: string) => {
  const links = rows.map(({ afterMs, metadata, payload, schemaVersion, type, version }) => {
    const meta = made(metadata ?? "", runId)
    const head = `${version}\n${type}\n${schemaVersion}\n`
    const previous = version === 1 ? quoted(HashChain.genesis) : `e${version - 1}.hash`
    // OFFSET 0: computed once, instead of once for each that builds on it.
    return `CROSS JOIN LATERAL (SELECT ${made(payload, runId)} AS payload, ${meta} AS metadata,
        runs.at + ${afterMs} AS at OFFSET 0) AS t${version}
      CROSS JOIN LATERAL (SELECT encode(sha256(convert_to(${previous} || ${quoted(`\n${head}`)} || t${version}.at
        || ${quoted("\n")} || encode(sha256(convert_to(t${version}.payload, 'UTF8')), 'hex') || ${quoted("\n")}
        || t${version}.metadata, 'UTF8')), 'hex') AS hash OFFSET 0) AS e${version}`
  })
  const values = rows.map(
    ({ schemaVersion, type, version: v }) =>
      `(${v}, ${schemaVersion}, ${quoted(type)}, t${v}.at, t${v}.payload, t${v}.metadata, e${v}.hash)`
  )
  return `
    WITH runs AS MATERIALIZED (
      SELECT n, lpad(n::text, 10, '0') || substr(translate(md5(n::text), '0189', 'wxyz'), 1, 16) AS id,
        '"bench-' || lpad((n % ${workflows})::text, 2, '0') || '"' AS quoted_slug,
        (date ${quoted(templateDay)} + (n / ${workflows} % ${partitions})::int)::text AS day,
        $3::bigint + (n * $4::float8)::bigint AS at
      FROM generate_series($1::bigint, $2::bigint) AS n WHERE ${which}
    ), made AS (
      INSERT INTO streams (stream_id, stream_name, stream_version)
      SELECT $5::bigint + n, 'run-' || id, ${rows.length} FROM runs
    )
    INSERT INTO events (transaction_id, global_position, stream_id, recorded_at_ms, epoch, stream_version,
      schema_version, type, hash, payload, metadata)
    SELECT pg_current_xact_id(), $6::bigint + runs.n * ${positionsPerRun} + made.version, $5::bigint + runs.n, made.at,
      (SELECT epoch FROM log_epoch), made.version, made.schema_version, made.type, decode(made.hash, 'hex'),
      made.payload::json, nullif(made.metadata, '')
    FROM runs ${links.join("\n")}
    CROSS JOIN LATERAL (VALUES ${values.join(", ")})
      AS made (version, schema_version, type, at, payload, metadata, hash)`
}
const positionsPerRun = 16

/** One stream of each kind, read back: its chain is what the verifier computes. */
const verified = Effect.fnUntraced(function* (n: number) {
  const sql = yield* SqlClient.SqlClient
  const id = String(n).padStart(10, "0")
  const rows = yield* sql.unsafe(
    `SELECT s.stream_name, ${EventRow.columns} FROM events e JOIN streams s USING (stream_id)
     WHERE s.stream_name >= $1 AND s.stream_name < $1 || '~' ORDER BY e.stream_version`,
    [`run-${id}`]
  ).values
  const events = rows.map((row) => EventRow.toEvent(row[0] as string, row.slice(1) as unknown as EventRow.Row))
  const broken = HashChain.verify(events)
  if (events.length < 2 || broken !== null) {
    return yield* Effect.die(new Error(`the seeded run ${n} of ${events.length} events: ${JSON.stringify(broken)}`))
  }
  return events[0]!.streamName.slice("run-".length)
})

const indexes = [
  ["events_stream", "CREATE UNIQUE INDEX events_stream ON events (stream_id, stream_version)"],
  ["events_log", "CREATE INDEX events_log ON events (epoch, transaction_id, global_position)"]
] as const

export interface Seeded {
  readonly events: number
  readonly seconds: number
  /** The runs that were looked at: one amid those that ended well, one that failed. */
  readonly goodId: string
  readonly badId: string
}

/**
 * `runs` runs in the log, as copies of two that the real engine wrote: every id, time, payload and hash chain is what a
 * run of its own would have, but 50,000 share a transaction. The read models are not filled: the server that starts
 * next reads the log and does. Followers (bus, notifications, materializer) are told that they have seen it all.
 */
export const seed = (dataDir: string, runs: number) =>
  Effect.gen(function* () {
    const { bad, good } = yield* templatesOf(dataDir)
    const begun = performance.now()
    return yield* Effect.scoped(
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const [from] = yield* sql<{ readonly stream: bigint; readonly position: bigint; readonly now: bigint }>`
          SELECT nextval('stream_ids') + 1000 AS stream, nextval('global_positions') + 1000 AS position,
            (extract(epoch FROM now()) * 1000)::bigint AS now`
        const { now, position, stream } = from!
        for (const [name] of indexes) yield* sql.unsafe(`DROP INDEX ${name}`)
        const statements = [copy(good, `n % ${failedOneIn} <> 0`), copy(bad, `n % ${failedOneIn} = 0`)]
        for (let first = 1; first <= runs; first += chunkRuns) {
          const last = Math.min(runs, first + chunkRuns - 1)
          const given = [first, last, Number(now) - spreadMs, spreadMs / runs, Number(stream), Number(position)]
          yield* sql.withTransaction(
            Effect.forEach(statements, (statement) => sql.unsafe(statement, given), { discard: true })
          )
        }
        for (const [, create] of indexes) yield* sql.unsafe(create)
        yield* sql`SELECT setval('stream_ids', ${Number(stream) + runs + 1000}::bigint),
          setval('global_positions', ${Number(position) + (runs + 1) * positionsPerRun}::bigint)`
        yield* sql`
          UPDATE subscriptions SET position = (
            SELECT lpad(to_hex(epoch), 8, '0') || '-' || lpad(to_hex(transaction_id::text::bigint), 16, '0') || '-'
              || lpad(to_hex(global_position), 16, '0')
            FROM events ORDER BY epoch DESC, transaction_id DESC, global_position DESC LIMIT 1)`
        yield* sql`VACUUM (ANALYZE) events`
        yield* sql`VACUUM (ANALYZE) streams`
        const middle = Math.floor(runs / 2 / failedOneIn) * failedOneIn
        const goodId = yield* verified(middle + 1)
        const badId = yield* verified(middle)
        const [counted] = yield* sql<{ readonly events: number }>`SELECT count(*)::float8 AS events FROM events`
        return { events: counted!.events, seconds: (performance.now() - begun) / 1_000, goodId, badId } satisfies Seeded
      }).pipe(Effect.provide(Database.layer({ kind: "embedded", dataDir })))
    )
  })
