import { Clock, Effect, Random } from "effect"
import * as Id from "../domain/Id.ts"
import type { Caller } from "./Engine.ts"

/** Time first, so that ids sort by age and neighbours share index pages. */
const fresh = Effect.gen(function* () {
  const now = yield* Clock.currentTimeMillis
  const random = yield* Effect.all([Random.nextInt, Random.nextInt, Random.nextInt])
  return now.toString(32).padStart(10, "0") + Id.ofParts(now, ...random).slice(0, 16)
})

/** The id of the run that a command starts: of a command with an id always the same one. */
export const newRunId = (caller: Caller | undefined) =>
  caller?.commandId === undefined ? fresh : Effect.succeed(Id.ofParts("run", caller.commandId))
