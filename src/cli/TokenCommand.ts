import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as Flags from "./Flags.ts"
import * as Settings from "./Settings.ts"

// The work itself is loaded when it is run, so that `--help` answers at once.

const remote = { ...Flags.client, json: Flags.json }
const id = Argument.String("id").pipe(Argument.withDescription("Id of the token, not its secret"))
const expires = Flag.String("expires").pipe(
  Flag.withMetavar("TIME"),
  Flag.withDescription("ISO 8601 date or time at which it ends (default: never)"),
  Flag.optional
)

const settingsOf = (flags: { readonly [Name in keyof typeof Flags.client]: Option.Option<string> }) =>
  Effect.fromResult(Settings.client(Flags.given({ url: flags.url, token: flags.token, "data-dir": flags["data-dir"] })))
const work = Effect.promise(() => import("./Token.ts"))

const create = Command.make(
  "create",
  {
    name: Argument.String("name").pipe(Argument.withDescription("What it is for, for people")),
    role: Flag.Literals("role", ["viewer", "operator", "admin"]).pipe(
      Flag.withDescription("viewer reads, operator also steers runs and recoveries, admin does everything")
    ),
    expires,
    ...remote
  },
  Effect.fnUntraced(function* ({ expires: end, json, name, role, ...flags }) {
    const settings = yield* settingsOf(flags)
    const Token = yield* work
    return yield* Token.create(settings, { name, role, expiresAt: Option.getOrUndefined(end) }, json)
  })
).pipe(Command.withDescription("Issue a token. Its secret is printed once; only its hash is kept."))

const list = Command.make(
  "list",
  remote,
  Effect.fnUntraced(function* ({ json, ...flags }) {
    const settings = yield* settingsOf(flags)
    const Token = yield* work
    return yield* Token.list(settings, json)
  })
).pipe(Command.withDescription("Every token, newest first: its role, status, end and last use."))

const show = Command.make(
  "show",
  { id, ...remote },
  Effect.fnUntraced(function* ({ id: tokenId, json, ...flags }) {
    const settings = yield* settingsOf(flags)
    const Token = yield* work
    return yield* Token.show(settings, tokenId, json)
  })
).pipe(Command.withDescription("One token: who issued it, when it was rotated, last used, revoked."))

const rotate = Command.make(
  "rotate",
  {
    id,
    "overlap-ms": Flag.Int("overlap-ms").pipe(
      Flag.withMetavar("MS"),
      Flag.withDescription("How long the secret before is still taken, at most a day (default 0)"),
      Flag.optional
    ),
    expires,
    ...remote
  },
  Effect.fnUntraced(function* ({ expires: end, id: tokenId, json, "overlap-ms": overlap, ...flags }) {
    const settings = yield* settingsOf(flags)
    const Token = yield* work
    const asked = { id: tokenId, overlapMs: Option.getOrUndefined(overlap), expiresAt: Option.getOrUndefined(end) }
    return yield* Token.rotate(settings, asked, json)
  })
).pipe(Command.withDescription("Give a token a new secret, printed once. Without an overlap the old one ends at once."))

const revoke = Command.make(
  "revoke",
  {
    id,
    reason: Flag.String("reason").pipe(
      Flag.withMetavar("TEXT"),
      Flag.withDescription("Why, for the log"),
      Flag.optional
    ),
    ...remote
  },
  Effect.fnUntraced(function* ({ id: tokenId, json, reason, ...flags }) {
    const settings = yield* settingsOf(flags)
    const Token = yield* work
    return yield* Token.revoke(settings, { id: tokenId, reason: Option.getOrUndefined(reason) }, json)
  })
).pipe(Command.withDescription("End a token at once, for good."))

/** `kintsugi token`: who may speak to a running server. */
export const token = Command.make("token").pipe(
  Command.withDescription("Issue, list, rotate and revoke the API tokens of a running server. Needs the role admin."),
  Command.withShortDescription("Issue and revoke API tokens"),
  Command.withSubcommands([create, list, show, rotate, revoke])
)
