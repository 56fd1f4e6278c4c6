import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect } from "effect"
import * as Cli from "./Cli.ts"
import * as ExitCode from "./ExitCode.ts"
import * as StrayErrors from "./StrayErrors.ts"
import * as Version from "./Version.ts"

const args = process.argv.slice(2)

// `kintsugi replay … | head` closes the pipe early: there is nobody left to tell, and nothing is wrong.
process.stdout.on("error", (error: NodeJS.ErrnoException) =>
  StrayErrors.exit(error.code === "EPIPE" ? ExitCode.fine : ExitCode.failure)
)

const reported = Cli.run(args, Version.read()).pipe(
  Effect.tapCause((cause) =>
    Effect.sync(() => {
      const text = ExitCode.told(cause)
      if (text !== null) process.stderr.write(`${text}\n`)
    })
  ),
  Effect.provide(NodeServices.layer)
)

NodeRuntime.runMain(reported, {
  disableErrorReporting: true,
  teardown: (exit, onExit) => {
    const code = ExitCode.of(exit)
    // SIGTERM is how a server is told to end, so ending is what it was asked for.
    onExit(code === ExitCode.interrupted && args[0] === "serve" ? ExitCode.fine : code)
  }
})
