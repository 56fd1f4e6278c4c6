import { Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as Flags from "./Flags.ts"
import * as Settings from "./Settings.ts"

/** `kintsugi redact`: takes a value out of the log for good. */
export const redact = Command.make(
  "redact",
  {
    stream: Argument.String("stream").pipe(Argument.withDescription("Stream of the event, such as run-01HX…")),
    version: Argument.Int("version").pipe(Argument.withDescription("Version of the event in its stream, from 1")),
    pointers: Flag.String("pointer").pipe(
      Flag.withMetavar("POINTER"),
      Flag.withDescription("JSON pointer into the event's data, such as /parameters/password; may be given again"),
      Flag.atLeast(1)
    ),
    reason: Flag.String("reason").pipe(Flag.withMetavar("TEXT"), Flag.withDescription("Why, for the log")),
    ...Flags.client,
    json: Flags.json
  },
  Effect.fnUntraced(function* ({ json, pointers, reason, stream, version, ...flags }) {
    const settings = yield* Effect.fromResult(
      Settings.client(Flags.given({ url: flags.url, token: flags.token, "data-dir": flags["data-dir"] }))
    )
    const Redact = yield* Effect.promise(() => import("./Redact.ts"))
    return yield* Redact.run(settings, { stream, version, pointers, reason }, json)
  })
).pipe(
  Command.withDescription(
    "Take values out of an event that should never have been stored. The chain holds, and the log says who and why. Needs the role admin."
  ),
  Command.withShortDescription("Take a value out of the log")
)
