import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { runActions, Target } from "../domain/bulk/BulkEvents.ts"
import * as Flags from "./Flags.ts"
import * as Settings from "./Settings.ts"

// The work itself is loaded when it is run, so that `--help` answers at once.

const whole = (name: string, description: string) =>
  Flag.Int(name).pipe(Flag.withMetavar("N"), Flag.withDescription(description), Flag.optional)
const is = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false))

/** `kintsugi bulk`: one command for many runs or recoveries. */
export const bulk = Command.make(
  "bulk",
  {
    action: Argument.Literals("action", runActions).pipe(
      Argument.withDescription("What is done to each; recoveries know retry, cancel, pause and resume")
    ),
    target: Flag.Literals("target", Target.literals).pipe(
      Flag.withDescription("What it is done to; default runs"),
      Flag.withDefault("runs" as const)
    ),
    filter: Flag.String("filter").pipe(
      Flag.withMetavar("NAME=VALUE"),
      Flag.withDescription("A filter of the list, such as status=failed; may be given several times"),
      Flag.atLeast(0)
    ),
    all: is("all", "Without a filter: whatever there is, up to the limit"),
    limit: whole("limit", "At most so many, the newest, 1 to 1000; default 100"),
    canary: whole("canary", "So many go first; if one of them fails, the others do not begin"),
    rate: whole("rate", "So many in a second, 1 to 100; default 20"),
    reason: Flag.String("reason").pipe(Flag.withMetavar("TEXT"), Flag.withDescription("Why, for the log")),
    "dry-run": is("dry-run", "Only say what would be done"),
    wait: is("wait", "Show how far it is, until it ends"),
    ...Flags.client,
    json: Flags.json
  },
  Effect.fnUntraced(function* ({ action, all, canary, filter, json, limit, rate, reason, target, wait, ...flags }) {
    const given = { url: flags.url, token: flags.token, "data-dir": flags["data-dir"] }
    const settings = yield* Effect.fromResult(Settings.client(Flags.given(given)))
    const Bulk = yield* Effect.promise(() => import("./Bulk.ts"))
    return yield* Bulk.run(settings, {
      ...{ action, target, filter, all, reason, dryRun: flags["dry-run"], wait, json },
      limit: Option.getOrUndefined(limit),
      canary: Option.getOrUndefined(canary),
      ratePerSecond: Option.getOrUndefined(rate)
    })
  })
).pipe(
  Command.withDescription(
    "Retry, recover, cancel, pause, resume or replay the runs or recoveries that a filter matches, on a running server."
  ),
  Command.withShortDescription("One command for many runs or recoveries")
)
