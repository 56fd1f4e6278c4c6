import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as Flags from "./Flags.ts"
import * as Settings from "./Settings.ts"

// The work itself is loaded when it is run, so that `--help` answers at once.

const text = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.optional)
const whole = (name: string, description: string) =>
  Flag.Int(name).pipe(Flag.withMetavar("N"), Flag.withDescription(description), Flag.optional)
const is = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false))

const remote = { ...Flags.client, json: Flags.json }
const id = Argument.String("id").pipe(Argument.withDescription("Id of the backfill"))

const settingsOf = (flags: Parameters<typeof Flags.given>[0]) => Effect.fromResult(Settings.client(Flags.given(flags)))
const clientOf = (flags: { readonly [Name in keyof typeof Flags.client]: Option.Option<string> }) => ({
  url: flags.url,
  token: flags.token,
  "data-dir": flags["data-dir"]
})

const watch = Command.make(
  "watch",
  { id, ...remote },
  Effect.fnUntraced(function* ({ id: backfillId, json, ...flags }) {
    const settings = yield* settingsOf(flags)
    const Backfill = yield* Effect.promise(() => import("./Backfill.ts"))
    return yield* Backfill.watch(settings, backfillId, json)
  })
).pipe(Command.withDescription("Show how far a backfill is, until it ends. Exit 0 only if every run has succeeded."))

const steer = (verb: "pause" | "resume" | "cancel", description: string) =>
  Command.make(
    verb,
    { id, ...remote },
    Effect.fnUntraced(function* ({ id: backfillId, json, ...flags }) {
      const settings = yield* settingsOf(flags)
      const Backfill = yield* Effect.promise(() => import("./Backfill.ts"))
      return yield* Backfill.steer(settings, backfillId, verb, json)
    })
  ).pipe(Command.withDescription(description))

const provenance = Command.make(
  "provenance",
  {
    store: Flag.String("store").pipe(
      Flag.withMetavar("STORE"),
      Flag.withDescription("Store whose objects are looked at")
    ),
    prefix: text("prefix", "PREFIX", "Only objects whose key begins with this"),
    asset: Flag.String("asset").pipe(Flag.withMetavar("ASSET"), Flag.withDescription("Asset that the objects are of")),
    workflow: text("workflow", "SLUG", "Workflow that declares the asset, when several do"),
    "partition-from": text("partition-from", "REGEX", "Pattern of keys; its group (?<key>…) is the partition"),
    partition: text("partition", "KEY", "The one partition that all objects are of"),
    "batch-size": whole("batch-size", "Partitions that are sent at once, 1 to 100; default 50"),
    limit: whole("limit", "Record at most so many; what is there already does not count"),
    "dry-run": is("dry-run", "Only say what would be recorded"),
    ...remote
  },
  Effect.fnUntraced(function* ({ json, ...flags }) {
    const settings = yield* settingsOf(clientOf(flags))
    const BackfillProvenance = yield* Effect.promise(() => import("./BackfillProvenance.ts"))
    return yield* BackfillProvenance.run(settings, {
      ...{ store: flags.store, asset: flags.asset, dryRun: flags["dry-run"], json },
      prefix: Option.getOrElse(flags.prefix, () => ""),
      workflow: Option.getOrUndefined(flags.workflow),
      partitionFrom: Option.getOrUndefined(flags["partition-from"]),
      partition: Option.getOrUndefined(flags.partition),
      batchSize: Option.getOrUndefined(flags["batch-size"]),
      limit: Option.getOrUndefined(flags.limit)
    })
  })
).pipe(
  Command.withDescription(
    "Record files that were there before as assets: who makes them, their size and hash. Again, it records nothing twice."
  )
)

/** `kintsugi backfill`, with what it can be followed and steered by. */
export const backfill = Command.make(
  "backfill",
  {
    workflow: Argument.String("workflow").pipe(Argument.withDescription("Workflow that runs once for each partition")),
    from: text("from", "KEY", "First window, with --to"),
    to: text("to", "KEY", "Last window, with --from"),
    keys: text("keys", "KEY,KEY", "Partitions, separated by commas"),
    all: is("all", "Every partition: the declared or known keys, or the windows of the lookback"),
    asset: text("asset", "ASSET", "Asset whose partitions are meant, when the workflow makes several"),
    concurrency: whole("concurrency", "Runs at once, 1 to 100; default 4"),
    canary: whole("canary", "So many run first and alone; if one fails, the rest does not begin"),
    "only-missing": is("only-missing", "Leave out partitions whose asset is there"),
    "dry-run": is("dry-run", "Only say what would run"),
    detach: is("detach", "Do not wait for its end"),
    reason: text("reason", "TEXT", "Why, for the log"),
    parameters: text("parameters", "JSON", "Parameters of every run, a JSON object, over the workflow's defaults"),
    ...remote
  },
  Effect.fnUntraced(function* ({ json, ...flags }) {
    const settings = yield* settingsOf(clientOf(flags))
    const Backfill = yield* Effect.promise(() => import("./Backfill.ts"))
    return yield* Backfill.run(settings, {
      workflow: flags.workflow,
      from: Option.getOrUndefined(flags.from),
      to: Option.getOrUndefined(flags.to),
      keys: Option.getOrUndefined(flags.keys),
      all: flags.all,
      assetId: Option.getOrUndefined(flags.asset),
      concurrency: Option.getOrUndefined(flags.concurrency),
      canary: Option.getOrUndefined(flags.canary),
      onlyMissing: flags["only-missing"],
      dryRun: flags["dry-run"],
      detach: flags.detach,
      reason: Option.getOrUndefined(flags.reason),
      parameters: Option.getOrUndefined(flags.parameters),
      json
    })
  })
).pipe(
  Command.withDescription(
    "Run a workflow once for each of many partitions on a running server, and show how far it is. Ctrl-C only stops looking."
  ),
  Command.withShortDescription("Run a workflow for many partitions"),
  Command.withSubcommands([
    watch,
    steer("pause", "Start no further run; those under way go on."),
    steer("resume", "Go on with a paused backfill."),
    steer("cancel", "Start no further run, and cancel those under way."),
    provenance
  ])
)
