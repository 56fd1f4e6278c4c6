import { Effect } from "effect"
import * as AppModule from "../../src/cli/AppModule.ts"

// Loads the app modules that it is given, one after the other, and prints what came of each as a line of JSON. A process
// of its own, because a module is loaded by Node itself and not by the test runner.
for (const file of process.argv.slice(2)) {
  const outcome = await Effect.runPromise(
    AppModule.load(file).pipe(
      Effect.map(({ app, folder }) => ({ ok: true, folder, jobs: [...app.jobs.keys()] })),
      Effect.catch(({ message, trace }) => Effect.succeed({ ok: false, message, trace }))
    )
  )
  console.log(JSON.stringify(outcome))
}
