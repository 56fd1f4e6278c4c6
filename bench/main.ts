import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import * as runs from "./runs.ts"

const program = Effect.gen(function* () {
  yield* Console.log(yield* runs.measure({ count: 6_000, inFlight: 200 }))
  yield* Console.log(yield* runs.measure({ count: 1_000, inFlight: 1 }))
})
NodeRuntime.runMain(program)
