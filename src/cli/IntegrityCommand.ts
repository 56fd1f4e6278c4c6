import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import * as Flags from "./Flags.ts"
import * as Settings from "./Settings.ts"

// The work itself is loaded when it is run, so that `--help` answers at once.

const remote = { ...Flags.client, json: Flags.json }
const text = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.optional)
const wait = (description: string) =>
  Flag.Boolean("wait").pipe(Flag.withDescription(description), Flag.withDefault(false))

const settingsOf = (flags: { readonly [Name in keyof typeof Flags.client]: Option.Option<string> }) =>
  Effect.fromResult(Settings.client(Flags.given({ url: flags.url, token: flags.token, "data-dir": flags["data-dir"] })))
const work = Effect.promise(() => import("./Integrity.ts"))

const check = Command.make(
  "check",
  {
    deep: Flag.Boolean("deep").pipe(
      Flag.withDescription("Compare the checksums of all bytes, too"),
      Flag.withDefault(false)
    ),
    asset: text("asset", "ASSET,ASSET", "Only these assets, separated by commas"),
    partition: text("partition", "KEY", "Only this partition"),
    store: text("store", "STORE", "Only assets with a part in this store"),
    wait: wait("Wait for its end and show what was found"),
    ...remote
  },
  Effect.fnUntraced(function* ({ json, ...flags }) {
    const settings = yield* settingsOf(flags)
    const { asset, partition, store } = flags
    return yield* (yield* work).check(settings, {
      ...{ deep: flags.deep, wait: flags.wait, json },
      assetIds: Option.getOrUndefined(Option.map(asset, (list) => list.split(","))),
      partitionKey: Option.getOrUndefined(partition),
      store: Option.getOrUndefined(store)
    })
  })
).pipe(
  Command.withDescription(
    "Ask for a check of what is declared. With --wait exit 1 says that something was found or could not be looked at."
  )
)

const findings = Command.make(
  "findings",
  remote,
  Effect.fnUntraced(function* ({ json, ...flags }) {
    return yield* (yield* work).findings(yield* settingsOf(flags), json)
  })
).pipe(Command.withDescription("Show what the last checks have found. It looks into no store."))

const recover = Command.make(
  "recover",
  {
    wait: wait("Wait until the repair has ended and a check has confirmed it"),
    reason: text("reason", "TEXT", "Why, for the log"),
    ...remote
  },
  Effect.fnUntraced(function* ({ json, reason, wait: isWaiting, ...flags }) {
    const options = { wait: isWaiting, json, reason: Option.getOrUndefined(reason) }
    return yield* (yield* work).recover(yield* settingsOf(flags), options)
  })
).pipe(
  Command.withDescription(
    "Check, then have everything made again that can be. With --wait exit 1 says that something is still wrong."
  )
)

/** `kintsugi integrity`. */
export const integrity = Command.make("integrity").pipe(
  Command.withDescription("Compare what is declared with the stores of a running server, and repair what is wrong."),
  Command.withShortDescription("Check assets and repair them"),
  Command.withSubcommands([check, findings, recover])
)
