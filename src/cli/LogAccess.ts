import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { stat } from "node:fs/promises"
import { join } from "node:path"
import * as Database from "../postgres/Database.ts"
import type { DatabaseSettings } from "./Settings.ts"
import { SettingInvalid } from "./SettingText.ts"

/** The database is there and holds no event log. */
export class LogMissing extends Schema.TaggedError<LogMissing>()("LogMissing", { message: Schema.String }) {}

/** The database of these settings; the embedded one is created if it is not there yet. */
export const database = (settings: DatabaseSettings) => Database.layer(where(settings))

/**
 * The database of a log that exists already, also while a server uses it. The embedded one is started for the duration
 * when it does not run, and never created: an empty log would be the wrong answer to a mistyped data directory.
 */
export const existing = (settings: DatabaseSettings) =>
  Layer.effectDiscard(requireLog).pipe(
    Layer.provideMerge(
      Layer.unwrap(
        Effect.as(settings.databaseUrl === null ? requireCluster(settings.dataDir) : Effect.void, database(settings))
      )
    )
  )

/** Where the settings say that the database is. */
export const where = ({ databaseSetting, databaseUrl, dataDir }: DatabaseSettings): Database.Settings =>
  databaseUrl === null ? { kind: "embedded", dataDir } : { kind: "url", url: databaseUrl, setting: databaseSetting }

const requireCluster = Effect.fnUntraced(function* (dataDir: string): Effect.fn.Return<void, SettingInvalid> {
  const cluster = join(dataDir, "postgres")
  const isThere = yield* Effect.promise(() =>
    stat(cluster).then(
      (found) => found.isDirectory(),
      () => false
    )
  )
  if (isThere) return
  return yield* new SettingInvalid({
    setting: "--data-dir",
    message: `--data-dir (KINTSUGI_DATA_DIR): ${dataDir} holds no embedded database; name the one of the server, or a --database-url`
  })
})

const requireLog = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly found: boolean }>`SELECT to_regclass('events') IS NOT NULL AS found`
  if (row?.found === true) return
  return yield* new LogMissing({
    message: "the database holds no event log yet: run kintsugi migrate or kintsugi serve"
  })
})
