import { Console, Duration, Effect, Result, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { stat } from "node:fs/promises"
import { join, resolve } from "node:path"
import { Stores } from "../../capabilities/Stores.ts"
import * as Database from "../../postgres/Database.ts"
import * as AppModule from "../AppModule.ts"
import * as LogAccess from "../LogAccess.ts"
import * as Settings from "../Settings.ts"
import type { Given } from "../SettingText.ts"
import * as Table from "../Table.ts"
import * as DatabaseChecks from "./DatabaseChecks.ts"
import { error, type Finding, ok, skipped, warning } from "./Finding.ts"
import * as HostChecks from "./HostChecks.ts"
import * as LogChecks from "./LogChecks.ts"
import { pooler } from "./PoolerCheck.ts"
import { redis } from "./RedisCheck.ts"
import * as StoreChecks from "./StoreChecks.ts"

/** Something is wrong; what, has been printed. */
export class DoctorFoundErrors extends Schema.TaggedError<DoctorFoundErrors>()("DoctorFoundErrors", {
  errors: Schema.Int
}) {
  override get message(): string {
    return this.errors === 1 ? "1 thing is wrong" : `${this.errors} things are wrong`
  }
}

/** `kintsugi doctor`: looks at everything that a server stands on, changes nothing, and fails if something is wrong. */
export const run = Effect.fn("Doctor.run")(function* (given: Given, json: boolean) {
  const findings = yield* examine(given)
  const count = (status: Finding["status"]) => findings.filter((finding) => finding.status === status).length
  const [errors, warnings] = [count("error"), count("warning")]
  if (json) yield* Console.log(JSON.stringify({ ok: errors === 0, errors, warnings, findings }))
  else {
    yield* Console.log(
      Table.table(
        Table.rows(
          findings.map(({ check, status, what }) => ({ status, check, what })),
          ["status", "check", "what"]
        )
      )
    )
    for (const { check, command, status, what, why } of findings) {
      if (status === "ok" || status === "skipped") continue
      yield* Console.log(`\n${status}: ${check}\n  what: ${what}\n  why:  ${why}\n  do:   ${command}`)
    }
    if (errors + warnings === 0) yield* Console.log("\nall is well")
  }
  if (errors > 0) return yield* new DoctorFoundErrors({ errors })
})

/** Every finding. A check that does not come to an end is one, too. */
export const examine = Effect.fn("Doctor.examine")(function* (given: Given) {
  const settings = Settings.all(given)
  const client = Settings.client(given)
  const node = HostChecks.node(process.versions.node)
  if (Result.isFailure(settings) || Result.isFailure(client)) {
    const faults = [...Settings.faults(given), ...(Result.isFailure(client) ? [client.failure] : [])]
    const wrong = new Map(faults.map((fault) => [fault.setting, settingFault(fault.message)]))
    return [node, ...wrong.values(), skipped("everything else", "the settings have to be right first")]
  }
  const { adminToken, app: appFile, dataDir, notices } = settings.success
  const told = notices.map((notice) =>
    warning("settings", notice, "it is accepted, and not wise", "see docs/CONFIGURATION.md")
  )
  const [appFinding, app] = yield* appOf(appFile)
  const host = yield* Effect.all([
    HostChecks.dataDir(dataDir),
    HostChecks.tokenFile(dataDir, adminToken !== null),
    HostChecks.disk("disk", dataDir)
  ])
  const { findings: database, used } = yield* databaseOf(settings.success, client.success.url)
  const stores = app === null ? [] : yield* storesOf(app, (store) => used?.has(store) ?? null)
  const bus = yield* bounded(
    "redis",
    Effect.map(redis(settings.success.redis), (finding) => [finding])
  )
  return [
    node,
    ...(told.length === 0 ? [ok("settings", "all can be used")] : told),
    appFinding,
    ...host,
    ...database,
    ...stores,
    ...bus
  ]
})

const settingFault = (message: string): Finding =>
  error(
    "settings",
    message,
    "kintsugi serve does not start with it",
    "set it right, or leave it out: docs/CONFIGURATION.md"
  )

const appOf = (file: string | null): Effect.Effect<readonly [Finding, AppModule.LoadedApp | null]> => {
  if (file === null) return Effect.succeed([ok("app", "none: workflows are put over HTTP"), null])
  return Effect.match(AppModule.load(file), {
    onFailure: ({ message }) => [
      error("app", message, "kintsugi serve does not start with it", `kintsugi serve --app ${file}, when it is mended`),
      null
    ],
    onSuccess: (app) => {
      const { jobs, stores, workflows } = app.app
      const has = `${workflows.length} workflows, ${jobs.size} jobs, ${Object.keys(stores).length} stores`
      return [ok("app", `${file}: ${has}`), app]
    }
  })
}

const patience = Duration.seconds(30)

/** A check that hangs tells that it does. */
const bounded = (check: string, findings: Effect.Effect<ReadonlyArray<Finding>>) =>
  Effect.timeoutOrElse(findings, {
    duration: patience,
    orElse: () => {
      const what = `did not answer within ${Duration.toSeconds(patience)} s`
      return Effect.succeed([error(check, what, "whoever uses it hangs as long", "kintsugi doctor, in a minute")])
    }
  })

// ----------------------------------------------------------------- database

interface Examined {
  readonly findings: ReadonlyArray<Finding>
  /** Stores that the log knows; null: it could not be asked. */
  readonly used: ReadonlySet<string> | null
}

const databaseOf = Effect.fnUntraced(function* (settings: Settings.Settings, url: string): Effect.fn.Return<Examined> {
  if (settings.databaseUrl === null && !(yield* isThere(join(settings.dataDir, "postgres")))) {
    const none = ok("database", "the embedded one is not there yet; kintsugi serve makes it")
    return { findings: [none], used: new Set() }
  }
  let used: ReadonlySet<string> | null = null
  const asked = Effect.gen(function* () {
    const own = yield* DatabaseChecks.database(settings.databaseSetting)
    if (own[0]?.status === "error") return own
    const log = yield* LogChecks.log(url)
    used = yield* usedStores
    return [...own, yield* pooler, ...log]
  }).pipe(
    Effect.catch((failure) => Effect.succeed([DatabaseChecks.unreachable(DatabaseChecks.messageOf(failure))])),
    Effect.provide(Database.unchecked(LogAccess.where(settings))),
    Effect.catch(({ message }) => Effect.succeed([DatabaseChecks.unreachable(message)]))
  )
  const findings = yield* bounded("database", asked)
  return { findings, used }
})

const usedStores = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [found] = yield* sql<{ readonly ready: boolean }>`SELECT to_regclass('streams') IS NOT NULL AS ready`
  if (found?.ready !== true) return new Set<string>()
  const rows = yield* sql<{ readonly name: string }>`
    SELECT stream_name AS name FROM streams WHERE stream_name LIKE 'store-%' ORDER BY stream_name`
  return new Set(rows.map(({ name }) => name.slice("store-".length)))
})

const isThere = (path: string) =>
  Effect.promise(() =>
    stat(path).then(
      () => true,
      () => false
    )
  )

// ------------------------------------------------------------------- stores

const storesOf = Effect.fnUntraced(function* ({ app, folder }: AppModule.LoadedApp, wasUsed: StoreChecks.WasUsed) {
  const configs = Object.entries(app.stores)
  const one = Effect.fnUntraced(function* (name: string, config: (typeof configs)[number][1]) {
    const stores = yield* Stores
    const finding = yield* Effect.flatMap(Effect.orDie(stores.get(name)), (driver) =>
      StoreChecks.store(driver, config, wasUsed)
    )
    if (config.type === "folder") {
      return [finding, yield* HostChecks.disk(`store ${name} disk`, resolve(folder, config.path))]
    }
    const endpoint =
      config.endpoint ?? `https://s3.${config.region ?? process.env.AWS_REGION ?? "us-east-1"}.amazonaws.com`
    return [finding, yield* StoreChecks.clock(name, endpoint)]
  })
  return yield* Effect.forEach(
    configs,
    ([name, config]) =>
      Effect.flatMap(Stores, (stores) =>
        bounded(`store ${name}`, Effect.provideService(one(name, config), Stores, stores))
      ),
    { concurrency: 4 }
  ).pipe(
    Effect.map((found) => found.flat()),
    Effect.provide(Stores.layer(app.stores, folder))
  )
})
