import { Console, Context, Effect, Layer, Redacted, Schema, type Scope, Tracer } from "effect"
import { flushCompileCache } from "node:module"
import { join } from "node:path"
import { Drain } from "../actors/Drain.ts"
import { Engine } from "../actors/Engine.ts"
import type { IntegrityOptions } from "../actors/IntegritySettings.ts"
import { UpdateLoops } from "../actors/UpdateLoops.ts"
import { parseAllowed, resolveBySystem } from "../capabilities/HttpAccess.ts"
import { AttentionReads } from "../http/AttentionReads.ts"
import * as InventoryLive from "../http/InventoryLive.ts"
import { ProjectionControl } from "../http/ProjectionControl.ts"
import * as ReadsLive from "../http/ReadsLive.ts"
import * as Server from "../http/Server.ts"
import { subscription } from "../bus/Publisher.ts"
import * as QueueHealthHistory from "../projections/QueueHealthHistory.ts"
import * as Channels from "../notify/Channels.ts"
import { Deliveries } from "../notify/Deliveries.ts"
import * as Notifier from "../notify/Notifier.ts"
import { ProcessLock } from "../postgres/ProcessLock.ts"
import type { CheckedApp } from "../sdk/AppCheck.ts"
import * as AdminToken from "./AdminToken.ts"
import * as AppModule from "./AppModule.ts"
import * as AttentionWatch from "./AttentionWatch.ts"
import * as Bus from "./Bus.ts"
import * as DataDir from "./DataDir.ts"
import * as Database from "./Database.ts"
import * as LogAccess from "./LogAccess.ts"
import * as ConsoleLog from "../telemetry/ConsoleLog.ts"
import * as Export from "../telemetry/Export.ts"
import { engine } from "./Runtime.ts"
import * as OpenLineage from "./OpenLineage.ts"
import * as StrayErrors from "./StrayErrors.ts"
import * as Signing from "./Signing.ts"
import type { Settings } from "./Settings.ts"
import * as TlsFiles from "./TlsFiles.ts"

/** An app's workflow is refused by the running system, or the system cannot take it. */
export class AppRefused extends Schema.TaggedError<AppRefused>()("AppRefused", { message: Schema.String }) {}

const emptyApp: CheckedApp = {
  stores: {},
  jobs: new Map(),
  workflows: [],
  timestore: { store: undefined, cacheBytes: 1024 ** 3 },
  http: { allow: [] },
  sources: [],
  notifications: null,
  integrity: {}
}

/** Workflows that the app defines are put when they differ from what the log has. */
const defineWorkflows = (app: CheckedApp) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const running = yield* Engine
      const loops = yield* UpdateLoops
      // A round of updates may be closed, or broken up, only by all of them together.
      loops.announce(app.workflows)
      for (const { slug, source } of app.workflows) {
        yield* running.define(slug, source, "app").pipe(
          Effect.catch((error) => {
            const why =
              error._tag === "InvalidInput"
                ? error.problems.map(({ message, path }) => `${path} ${message}`).join("; ")
                : error.message
            return Effect.fail(new AppRefused({ message: `--app: workflow ${slug}: ${why}` }))
          })
        )
      }
    })
  )

/** The app's channels, with their secrets from the environment: what is not set is told before anything starts. */
const notifierOf = Effect.fnUntraced(function* ({ http, notifications }: CheckedApp) {
  if (notifications === null) return null
  const access = { allow: http.allow.flatMap((text) => parseAllowed(text) ?? []), resolve: resolveBySystem }
  const channels = yield* Channels.make(notifications, access, (name) => process.env[name]).pipe(
    Effect.mapError(({ message }) => new AppRefused({ message }))
  )
  return { config: notifications, channels }
})

/** How assets are checked: the environment goes before the app, and the app before the defaults. */
const integrityOf = (
  { integrity: { deep, window, ...given } }: CheckedApp,
  intervalMs: number | null
): Partial<IntegrityOptions> => ({
  isAutomatic: true,
  ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  ...(deep === undefined ? {} : { isDeep: deep }),
  ...(window === undefined ? {} : { window }),
  ...(intervalMs === null ? {} : { intervalMs })
})

/** The token of this server. */
class Admin extends Context.Service<Admin, AdminToken.AdminToken>()("kintsugi/cli/Serve/Admin") {}

export interface Served {
  readonly url: string
  readonly token: Redacted.Redacted
  /** What relative store paths of the app are relative to. */
  readonly baseDir: string
}

/**
 * Starts the server and answers once it listens; it runs until the scope closes. Fails with one clear line for
 * whatever of the settings cannot be used.
 */
export const start = Effect.fn("Serve.start")(function* (
  settings: Settings,
  options: { readonly showToken: boolean } = { showToken: true }
) {
  const { security } = settings
  const tls = yield* TlsFiles.load(security.tls)
  yield* DataDir.ensure(settings.dataDir)
  const loaded = settings.app === null ? null : yield* AppModule.load(settings.app)
  const app = loaded?.app ?? emptyApp
  const notifier = yield* notifierOf(app)
  const baseDir = loaded?.folder ?? settings.dataDir
  const running = engine({
    processId: `${process.pid}-${process.hrtime.bigint().toString(36)}`,
    concurrency: settings.concurrency,
    crashLimit: settings.crashLimit,
    drainMs: settings.drainMs,
    settleMs: settings.storeSettleMs,
    recovery: settings.recovery,
    materializer: settings.materializer,
    stores: app.stores,
    baseDir,
    jobs: [...app.jobs.values()],
    timestoreStore: app.timestore.store,
    timestoreCacheBytes: app.timestore.cacheBytes,
    httpAllow: app.http.allow,
    sources: app.sources,
    integrity: integrityOf(app, settings.integrityIntervalMs),
    cacheDir: join(settings.dataDir, "partition-cache")
    // There before the actors: what a run that goes on does at once is told too.
  }).pipe(Layer.provide(StrayErrors.exitIsTold))
  // Made once the database is ours: a process that is refused leaves nothing behind.
  const admin = Layer.effect(
    Admin,
    Effect.gen(function* () {
      yield* ProcessLock
      const made = yield* AdminToken.ensure(settings.dataDir, settings.adminToken)
      if (made.origin === "made" && options.showToken) {
        const file = AdminToken.fileOf(settings.dataDir)
        yield* Console.error(`admin token (shown only now, kept in ${file}): ${Redacted.value(made.token)}`)
      }
      return made
    })
  )
  const http = Layer.unwrap(
    Effect.map(Admin, ({ token }) =>
      Server.layer({
        ...{ host: settings.host, port: settings.port, token, tls, finishWithinMs: settings.drainMs },
        ...{ oidc: security.oidc, rateLimits: security.rateLimits, corsOrigins: security.corsOrigins }
      })
    )
  )
  const context = yield* Layer.build(
    http.pipe(
      Layer.provideMerge(admin),
      Layer.provideMerge(ReadsLive.layer),
      Layer.provideMerge(QueueHealthHistory.layer(subscription)),
      Layer.provideMerge(
        Layer.mergeAll(
          InventoryLive.layer,
          AttentionReads.layer,
          Deliveries.layer((notifier?.channels.length ?? 0) > 0)
        )
      ),
      Layer.provideMerge(Layer.mergeAll(AttentionWatch.layer, ProjectionControl.layer)),
      Layer.provideMerge(Signing.layer(settings.signing)),
      Layer.provideMerge(defineWorkflows(app)),
      Layer.provideMerge(
        Layer.mergeAll(Bus.layer(settings.redis), OpenLineage.layer(settings.openLineage), Notifier.layer(notifier))
      ),
      Layer.provideMerge(running),
      Layer.provideMerge(Database.layer(LogAccess.where(settings))),
      // Below all: whatever is started is seen, and what the end of it says is still sent.
      Layer.provide(Export.layer(settings.telemetry.exported))
    )
    // What is served is no part of the start: its spans would be taken for parents of all that comes.
  ).pipe(Effect.updateContext((context: Context.Context<Scope.Scope>) => Context.omit(Tracer.ParentSpan)(context)))
  // Added last and so run first: steps have the same time to finish as the requests in flight, not what comes after.
  yield* Effect.addFinalizer(() => Context.get(context, Drain).begin)
  const { url } = yield* Effect.provideContext(Server.Listening, context)
  const { token } = yield* Effect.provideContext(Admin, context)
  const lost = Effect.provideContext(
    Effect.flatMap(ProcessLock, (lock) => lock.lost),
    context
  )
  return { url, token, baseDir, lost }
})

const serve = Effect.fn("Serve.serve")(function* (settings: Settings, json: boolean) {
  for (const notice of settings.notices) yield* Console.error(notice)
  yield* StrayErrors.contain
  const { lost, url } = yield* start(settings)
  const ready = `kintsugi listening on ${url}`
  yield* Console.log(json ? JSON.stringify({ url, message: ready }) : ready)
  // Kept now and not at the end, which a killed process does not have.
  yield* Effect.sync(flushCompileCache)
  return yield* Effect.flatMap(lost, (other) => Effect.fail(other))
}, Effect.scoped)

/**
 * `kintsugi serve`: prints where it listens (as JSON if asked to), and runs until it is told to stop or loses the
 * database to another process.
 */
export const run = (settings: Settings, json = false) =>
  Effect.provide(serve(settings, json), ConsoleLog.layer(settings.telemetry.log, process.stderr.isTTY))
