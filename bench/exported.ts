import { spawn } from "node:child_process"
import { join } from "node:path"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as Database from "../src/postgres/Database.ts"
import * as Migrations from "../src/postgres/Migrations.ts"
import { temporaryFolder } from "./engine.ts"

const token = "bench-token-0123456789"

/** Events as runs leave them: ten a stream, some hundred bytes each. Their chains are not right: only speed is asked. */
const seed = (events: number) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`
      INSERT INTO streams (stream_id, stream_name, stream_version)
      SELECT n, 'limit-' || lpad(n::text, 26, 'a'), 10 FROM generate_series(1, ${events / 10}::int) n`
    yield* sql`
      INSERT INTO events (transaction_id, global_position, stream_id, recorded_at_ms, epoch, stream_version,
        schema_version, type, hash, payload)
      SELECT pg_current_xact_id(), n, (n - 1) / 10 + 1, 1767225600000 + n, 1, (n - 1) % 10 + 1, 1, 'StepSucceeded',
        sha256(n::text::bytea), json_build_object('stepId', 'load-orders', 'attempt', 1, 'result',
          json_build_object('rows', n, 'store', 'warehouse', 'key', 'orders/2026-01-01/part-' || n || '.parquet'))
      FROM generate_series(1, ${events}::int) n`
    yield* sql`
      SELECT setval('stream_ids', ${events / 10}::bigint), setval('global_positions', ${events}::bigint)`
    yield* sql`ANALYZE`
  })

/** A server of its own process on the folder, for as long as the scope lives; its URL. */
const serve = (dataDir: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const root = join(import.meta.dirname, "..")
      const child = spawn(
        join(root, "node_modules/.bin/node"),
        ["--no-warnings", join(root, "src/main.ts"), "serve", "--port", "0", "--data-dir", dataDir],
        { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, KINTSUGI_ADMIN_TOKEN: token } }
      )
      for await (const chunk of child.stdout) {
        const [, url] = /listening on (http:\S+)/.exec(String(chunk)) ?? []
        if (url !== undefined) return { child, url }
      }
      throw new Error("the server did not start")
    }),
    ({ child }) =>
      Effect.promise(
        () =>
          new Promise<void>((resolve) => {
            child.once("exit", () => resolve())
            child.kill("SIGTERM")
          })
      )
  )

/** Lines a second of `GET /events` over HTTP, by one client that counts them. */
export const measure = (options: { readonly events: number }) =>
  Effect.scoped(
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      yield* Effect.gen(function* () {
        yield* Migrations.run()
        yield* seed(options.events)
      }).pipe(Effect.provide(Database.layer({ kind: "embedded", dataDir })), Effect.scoped)
      const { url } = yield* serve(dataDir)
      const read = Effect.promise(async () => {
        const begun = performance.now()
        const response = await fetch(`${url}/api/v1/events`, { headers: { authorization: `Bearer ${token}` } })
        let events = 0
        let bytes = 0
        for await (const chunk of response.body!) {
          bytes += chunk.length
          for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) events++
        }
        return { events, bytes, perSecond: (events / (performance.now() - begun)) * 1_000 }
      })
      yield* read
      const { bytes, events, perSecond } = yield* read
      if (events < options.events) return yield* Effect.die(new Error(`${events} of ${options.events} events came`))
      return { events, bytesPerEvent: bytes / events, perSecond }
    })
  )
