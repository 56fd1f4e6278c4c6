import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as Flags from "./Flags.ts"
import * as Settings from "./Settings.ts"

// The work itself is loaded when it is run, so that `--help` answers at once.

const text = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.optional)
const at = text("at", "POSITION|TIME", "As it was then")
const remote = { ...Flags.client, json: Flags.json }
const id = (of: string) => Argument.String("id").pipe(Argument.withDescription(`Id of the ${of}`))

const thing = (kind: "run" | "recovery", description: string) =>
  Command.make(
    kind,
    { id: id(kind), at, ...remote },
    Effect.fnUntraced(function* ({ at, id, json, ...flags }) {
      const settings = yield* Effect.fromResult(Settings.client(Flags.given(flags)))
      const Inspect = yield* Effect.promise(() => import("./Inspect.ts"))
      return yield* Inspect[kind](settings, { id, json, at: Option.getOrUndefined(at) })
    })
  ).pipe(Command.withDescription(description))

const asset = Command.make(
  "asset",
  {
    id: Argument.String("id").pipe(Argument.withDescription("ASSET or ASSET[PARTITION]; quote the brackets")),
    partition: text("partition", "KEY", "Its partition, where the id does not name it"),
    at,
    ...remote
  },
  Effect.fnUntraced(function* ({ at, id, json, partition, ...flags }) {
    const settings = yield* Effect.fromResult(Settings.client(Flags.given(flags)))
    const Inspect = yield* Effect.promise(() => import("./Inspect.ts"))
    const options = { id, json, at: Option.getOrUndefined(at), partition: Option.getOrUndefined(partition) }
    return yield* Inspect.asset(settings, options)
  })
).pipe(Command.withDescription("Show an asset, or one partition of it: state, provenance, and whether it is there."))

/** `kintsugi inspect run|asset|recovery ID`, over HTTP. */
export const inspect = Command.make("inspect").pipe(
  Command.withDescription("Show one thing of a running server, as it is or as it was."),
  Command.withShortDescription("Show a run, an asset or a recovery"),
  Command.withSubcommands([
    thing("run", "Show a run and its steps, with what each waits for or why it failed."),
    asset,
    thing("recovery", "Show a recovery: what was lost, who noticed and waited, the root cause, what ran, what went on.")
  ])
)

/** `kintsugi rebuild`, over HTTP. */
export const rebuild = Command.make(
  "rebuild",
  {
    name: Argument.String("name").pipe(
      Argument.withDescription("Name of the read model, as GET /admin/projections has it"),
      Argument.optional
    ),
    all: Flag.Boolean("all").pipe(
      Flag.withDescription("Every read model, one after the other"),
      Flag.withDefault(false)
    ),
    reason: text("reason", "TEXT", "Why, for the log"),
    ...remote
  },
  Effect.fnUntraced(function* ({ all, json, name, reason, ...flags }) {
    const settings = yield* Effect.fromResult(Settings.client(Flags.given(flags)))
    const RebuildProjections = yield* Effect.promise(() => import("./RebuildProjections.ts"))
    const options = { all, json, name: Option.getOrNull(name), reason: Option.getOrNull(reason) }
    return yield* RebuildProjections.run(settings, options)
  })
).pipe(
  Command.withDescription(
    "Build a read model anew from the log on a running server, beside the one that is read, and show how far it is. Ctrl-C only stops looking."
  ),
  Command.withShortDescription("Build read models anew")
)
