import { Effect } from "effect"
import * as AccessToken from "../domain/AccessToken.ts"
import type { IllegalTransition } from "../domain/run/RunCommands.ts"
import type { Behaviour } from "./Behaviour.ts"
import * as TokenDirectory from "./TokenDirectory.ts"

/** The Token actor: one API token, from its issue to its end. What it records is in the directory when it answers. */
export const make = Effect.gen(function* () {
  const directory = yield* TokenDirectory.TokenDirectory
  const behaviour: Behaviour<
    AccessToken.State,
    AccessToken.Unstamped,
    AccessToken.Command,
    AccessToken.Event,
    IllegalTransition,
    never
  > = {
    category: "token",
    decider: AccessToken.decider,
    encode: TokenDirectory.encode,
    decode: TokenDirectory.decode,
    stamp: (command, now) => ({ ...command, now }),
    creates: ({ _tag }) => _tag === "Issue",
    demands: () => [],
    key: () => "",
    isResident: () => false,
    activity: (demand) => demand,
    wakeAt: () => null,
    settled: directory.note
  }
  return behaviour
})
