import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as Flags from "./Flags.ts"
import * as Settings from "./Settings.ts"
import { SettingInvalid } from "./SettingText.ts"

// The work itself is loaded when it is run, so that `--help` answers at once.

const text = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.optional)
const file = (description: string) => Argument.String("file").pipe(Argument.withDescription(description))
const key = text("key", "FILE", "Ed25519 public key in PEM of who has to have signed")

/** `kintsugi export`: the log as a file. */
export const exportLog = Command.make(
  "export",
  {
    file: file("File to write, which must not be there yet; - for stdout"),
    sign: text("sign", "KEY", "Sign with the Ed25519 private key in this PEM file"),
    after: text("after", "POSITION", "Only what came after this position: the next part of an export"),
    ...Flags.database,
    json: Flags.json
  },
  Effect.fnUntraced(function* ({ after, file, json, sign, ...flags }) {
    const settings = yield* Effect.fromResult(Settings.database(Flags.given(flags)))
    const Commands = yield* Effect.promise(() => import("./archive/Commands.ts"))
    return yield* Commands.exportTo(settings, {
      file,
      json,
      sign: Option.getOrNull(sign),
      after: Option.getOrNull(after)
    })
  })
).pipe(
  Command.withDescription(
    "Write the whole log as lines of JSON, also while a server runs: the backup, and the way to another PostgreSQL."
  ),
  Command.withShortDescription("Write the log into a file")
)

/** `kintsugi import`: an exported file into an empty log. */
export const importLog = Command.make(
  "import",
  {
    file: file("File that export has written; - for stdin"),
    key,
    continue: Flag.Boolean("continue").pipe(
      Flag.withDescription("The log holds the part before this one, by an earlier import"),
      Flag.withDefault(false)
    ),
    ...Flags.database,
    json: Flags.json
  },
  Effect.fnUntraced(function* ({ continue: isContinued, file, json, key, ...flags }) {
    const settings = yield* Effect.fromResult(Settings.database(Flags.given(flags)))
    const Commands = yield* Effect.promise(() => import("./archive/Commands.ts"))
    return yield* Commands.importFrom(settings, { file, json, isContinued, key: Option.getOrNull(key) })
  })
).pipe(
  Command.withDescription(
    "Bring an exported log into an empty database while no server runs: all of it, or nothing if a line is not as it was."
  ),
  Command.withShortDescription("Bring an exported log into an empty database")
)

/** `kintsugi verify`: of the database, or of an exported file. */
export const verify = Command.make(
  "verify",
  {
    export: text("export", "FILE", "Check this exported file, without a database; - for stdin"),
    key,
    projections: Flag.Boolean("projections").pipe(
      Flag.withDescription("Also build every read model anew beside, and compare it with the one that is read"),
      Flag.withDefault(false)
    ),
    ...Flags.database,
    json: Flags.json
  },
  Effect.fnUntraced(function* ({ export: exported, json, key, projections, ...flags }) {
    if (Option.isSome(exported)) {
      if (projections) {
        const message = "--projections: an exported file has no read models; leave it out, or --export"
        return yield* new SettingInvalid({ setting: "--projections", message })
      }
      const Commands = yield* Effect.promise(() => import("./archive/Commands.ts"))
      return yield* Commands.verifyFile({ file: exported.value, key: Option.getOrNull(key), json })
    }
    const settings = yield* Effect.fromResult(Settings.database(Flags.given(flags)))
    const Verify = yield* Effect.promise(() => import("./Verify.ts"))
    return yield* Verify.run(settings, { key: Option.getOrNull(key), projections, json })
  })
).pipe(
  Command.withDescription(
    "Compute the hash chain of every stream anew, and the signed roots. Exit 1 names the stream, version and position of each first broken link."
  ),
  Command.withShortDescription("Check every hash chain")
)
