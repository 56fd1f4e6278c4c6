import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { Kind, Severity } from "../domain/Attention.ts"
import * as Flags from "./Flags.ts"
import * as Settings from "./Settings.ts"

// The work itself is loaded when it is run, so that `--help` answers at once.

const remote = { ...Flags.client, json: Flags.json }
const clientOf = (flags: { readonly [Name in keyof typeof Flags.client]: Option.Option<string> }) => ({
  url: flags.url,
  token: flags.token,
  "data-dir": flags["data-dir"]
})
const filter = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.optional)

/** Judged here, so that a fault names the flag and completions know the words. */
const oneOf = (name: string, words: ReadonlyArray<string>) =>
  Flag.Literals(name, words).pipe(Flag.withDescription("Only these"), Flag.optional)

/** `kintsugi doctor`. */
export const doctor = Command.make(
  "doctor",
  { ...Flags.server, url: Flags.client.url, json: Flags.json },
  Effect.fnUntraced(function* ({ json, ...flags }) {
    const Doctor = yield* Effect.promise(() => import("./doctor/Doctor.ts"))
    return yield* Doctor.run(Flags.given(flags), json)
  })
).pipe(
  Command.withDescription(
    "Look at everything that a server stands on: settings, app, database, stores, event bus, disk, clocks. Changes nothing, also while a server runs. Each finding says why it matters and what mends it. Exit 1 only if something is wrong, not for warnings."
  ),
  Command.withShortDescription("Find what is wrong with a setup")
)

const why = filter("reason", "TEXT", "Why, for the log")

/** What `recover` can be told to bring back. */
const recoverOne = (kind: "run" | "recovery", description: string) =>
  Command.make(
    kind,
    { id: Argument.String("id").pipe(Argument.withDescription(`Id of the ${kind}`)), reason: why, ...remote },
    Effect.fnUntraced(function* ({ id, json, reason, ...flags }) {
      const settings = yield* Effect.fromResult(Settings.client(Flags.given(flags)))
      const Recover = yield* Effect.promise(() => import("./Recover.ts"))
      return yield* Recover[kind](settings, id, { json, reason: Option.getOrUndefined(reason) })
    })
  ).pipe(Command.withDescription(description))

/** `kintsugi recover`. */
export const recover = Command.make(
  "recover",
  {
    run: Argument.String("run").pipe(Argument.withDescription("Id of the run"), Argument.optional),
    asset: filter("asset", "ASSET[PARTITION]", "An asset that is lost, in place of a run; quote the brackets"),
    reason: why,
    ...remote
  },
  Effect.fnUntraced(function* ({ asset, json, reason, run, ...flags }) {
    const settings = yield* Effect.fromResult(Settings.client(Flags.given(clientOf(flags))))
    const Recover = yield* Effect.promise(() => import("./Recover.ts"))
    const options = { json, reason: Option.getOrUndefined(reason) }
    return yield* Recover.either(settings, Option.getOrNull(run), Option.getOrNull(asset), options)
  })
).pipe(
  Command.withDescription(
    "Resume a failed run in place from its last checkpoint with a fresh budget, or bring back a lost asset."
  ),
  Command.withShortDescription("Resume a run, or bring back an asset"),
  Command.withSubcommands([
    recoverOne("run", "Resume a failed run in place: finished steps are kept, the others get a fresh budget."),
    recoverOne("recovery", "Try a failed recovery again with a fresh budget.")
  ])
)

/** `kintsugi attention`. */
export const attention = Command.make(
  "attention",
  {
    kind: oneOf("kind", Kind.literals),
    severity: oneOf("severity", Severity.literals),
    reason: filter("reason", "CODE", "Only this reason code"),
    workflow: filter("workflow", "SLUG", "Only this workflow"),
    asset: filter("asset", "ASSET", "Only this asset"),
    muted: Flag.Boolean("muted").pipe(Flag.withDescription("Also what is muted"), Flag.withDefault(false)),
    ...remote
  },
  Effect.fnUntraced(function* ({ json, muted, ...flags }) {
    const settings = yield* Effect.fromResult(Settings.client(Flags.given(clientOf(flags))))
    const Attention = yield* Effect.promise(() => import("./Attention.ts"))
    return yield* Attention.run(settings, {
      kind: Option.getOrUndefined(flags.kind),
      severity: Option.getOrUndefined(flags.severity),
      reasonCode: Option.getOrUndefined(flags.reason),
      workflow: Option.getOrUndefined(flags.workflow),
      assetId: Option.getOrUndefined(flags.asset),
      muted,
      json
    })
  })
).pipe(
  Command.withDescription(
    "List what needs a human on a running server: since when, why, and the command to type. Exit 0 also if something does."
  ),
  Command.withShortDescription("List what needs a human")
)
