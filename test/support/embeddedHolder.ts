import { Effect } from "effect"
import * as Embedded from "../../src/postgres/Embedded.ts"
import { options } from "./postgres.ts"

// A process of its own that starts the embedded server of a folder and says so; the test ends it as it likes.
const dataDir = process.argv[2]!
// Listened for from the beginning: a signal that comes right after the word must not find nobody.
const told = new Promise<void>((resolve) => process.once("SIGTERM", () => resolve()))
const alive = setInterval(() => {}, 60_000)
await Effect.runPromise(
  Effect.scoped(
    Effect.gen(function* () {
      const { adopted } = yield* Embedded.start(options(dataDir))
      process.stdout.write(`ready ${adopted}\n`)
      yield* Effect.promise(() => told)
    })
  )
)
clearInterval(alive)
process.exit(0)
