import { Effect } from "effect"
import * as Embedded from "../../src/postgres/Embedded.ts"
import { options } from "./postgres.ts"

// A process of its own that starts the embedded server of a folder and says so; the test ends it as it likes.
const dataDir = process.argv[2]!
await Effect.runPromise(
  Effect.scoped(
    Effect.gen(function* () {
      const { adopted } = yield* Embedded.start(options(dataDir))
      process.stdout.write(`ready ${adopted}\n`)
      return yield* Effect.callback<void>((resume) => {
        process.on("SIGTERM", () => resume(Effect.void))
        setInterval(() => {}, 60_000)
      })
    })
  )
)
process.exit(0)
