import { Console, Effect, Layer, Logger, Option, References } from "effect"
import { Argument, CliConfig, CliOutput, Command, Flag, GlobalFlag } from "effect/cli"
import { exportLog, importLog, verify } from "./AuditCommands.ts"
import { backfill } from "./BackfillCommand.ts"
import { bulk } from "./BulkCommand.ts"
import * as Flags from "./Flags.ts"
import { integrity } from "./IntegrityCommand.ts"
import { attention, doctor, recover } from "./OperateCommands.ts"
import { presenter } from "./Presenter.ts"
import { inspect, rebuild } from "./InspectCommands.ts"
import * as Settings from "./Settings.ts"
import { redact } from "./RedactCommand.ts"
import { token } from "./TokenCommand.ts"

// Each command's work is loaded when it is run, so that `--help` answers at once and `serve` loads no driver that it
// does not use.

const serve = Command.make(
  "serve",
  { ...Flags.server, json: Flags.json },
  Effect.fnUntraced(function* ({ json, ...flags }) {
    const settings = yield* Effect.fromResult(Settings.all(Flags.given(flags)))
    const level = Option.getOrElse(yield* GlobalFlag.LogLevel, () => settings.telemetry.log.level)
    const Serve = yield* Effect.promise(() => import("./Serve.ts"))
    const log = { ...settings.telemetry.log, level }
    return yield* Serve.run({ ...settings, telemetry: { ...settings.telemetry, log } }, json)
  })
).pipe(
  Command.withDescription(
    "Serve the API and run the workflows of an app. Ends on SIGTERM: running attempts get KINTSUGI_DRAIN_MS to finish."
  ),
  Command.withShortDescription("Run the server")
)

const demo = Command.make(
  "demo",
  {
    keep: Flag.Boolean("keep").pipe(
      Flag.withDescription("Leave the server up at the end, until Ctrl-C"),
      Flag.withDefault(false)
    ),
    port: Flags.demo.port,
    "data-dir": Flags.demo["data-dir"],
    json: Flags.json
  },
  Effect.fnUntraced(function* ({ json, keep, ...flags }) {
    const level = Option.getOrElse(yield* GlobalFlag.LogLevel, () => "Error" as const)
    // The demo is the embedded default, whatever database, bus and receiver of events this shell is set up for.
    const { DATABASE_URL: _database, OPENLINEAGE_URL: _receiver, REDIS_URL: _bus, ...env } = process.env
    const { dataDir, port } = yield* Effect.fromResult(Settings.all({ ...Flags.given(flags), env }))
    const [Demo, Serve] = yield* Effect.promise(() => Promise.all([import("./Demo.ts"), import("./Serve.ts")]))
    const options = {
      keep,
      ...(Option.isSome(flags.port) ? { port } : {}),
      ...(Option.isSome(flags["data-dir"]) ? { dataDir } : {})
    }
    const play = Demo.run(options, (place) => {
      const given = { app: place.app, port: String(place.port), "data-dir": place.dataDir }
      return Effect.flatMap(Effect.fromResult(Settings.all({ flags: given, env })), (settings) =>
        Serve.start(settings, { showToken: false })
      )
      // What the server has to say about its stores is what the demo shows anyway.
    }).pipe(Effect.provideService(References.MinimumLogLevel, level))
    if (!json) return yield* play
    // What happens is told on stderr then, so that stdout is the result alone.
    const aside = { ...globalThis.console, log: globalThis.console.error }
    yield* play.pipe(Effect.provideService(Console.Console, aside))
    yield* Console.log(JSON.stringify({ ok: true }))
  })
).pipe(
  Command.withDescription(
    "Run the observatory example on a server of its own, take its files away in the middle, and watch them come back."
  ),
  Command.withShortDescription("See lost files come back")
)

const migrate = Command.make(
  "migrate",
  { ...Flags.database, json: Flags.json },
  Effect.fnUntraced(function* ({ json, ...flags }) {
    const settings = yield* Effect.fromResult(Settings.database(Flags.given(flags)))
    const Migrate = yield* Effect.promise(() => import("./Migrate.ts"))
    return yield* Migrate.run(settings, json)
  })
).pipe(
  Command.withDescription(
    "Bring the database to this program's schema. serve does so by itself; this does nothing else."
  ),
  Command.withShortDescription("Bring the database up to date")
)

const replay = Command.make(
  "replay",
  {
    stream: Argument.String("stream").pipe(
      Argument.withDescription(
        "Name of the stream, <category>-<id>: run-…, asset-…, recovery-…, workflow-…, limit-…, runkey-…, backfill-…, bulk-…"
      )
    ),
    at: Flag.String("at").pipe(
      Flag.withMetavar("POSITION|TIME"),
      Flag.withDescription("Leave out what came after this position or ISO 8601 time"),
      Flag.optional
    ),
    ...Flags.database,
    json: Flags.json
  },
  Effect.fnUntraced(function* ({ at, json, stream, ...flags }) {
    const settings = yield* Effect.fromResult(Settings.database(Flags.given(flags)))
    const Replay = yield* Effect.promise(() => import("./Replay.ts"))
    return yield* Replay.run(settings, { stream, at: Option.getOrNull(at), json })
  })
).pipe(
  Command.withDescription(
    "Print every event of a stream and the state that they fold to, from the database, also while a server runs."
  ),
  Command.withShortDescription("Show a stream's events and state")
)

/** The whole command line: what completions and the manual are held to. */
export const root = Command.make("kintsugi").pipe(
  Command.withDescription("Data workflows that bring lost files back by themselves."),
  Command.withSubcommands([
    serve,
    demo,
    migrate,
    replay,
    verify,
    exportLog,
    importLog,
    rebuild,
    inspect,
    backfill,
    bulk,
    integrity,
    doctor,
    attention,
    recover,
    token,
    redact
  ])
)

/** Results go to stdout, and only they: the log of what goes on is on stderr. */
const output = Layer.mergeAll(
  CliOutput.layerPresenter(presenter),
  CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions, GlobalFlag.LogLevel] }),
  Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)])
)

/** Runs the command line `args` (without program and script). Fails with what `ExitCode` knows how to tell. */
export const run = (args: ReadonlyArray<string>, version: string) =>
  Command.runWith(root, { version })(args).pipe(Effect.provide(output))
