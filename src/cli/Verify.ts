import { Console, Effect, Schema } from "effect"
import * as ChainScan from "./ChainScan.ts"
import * as LogAccess from "./LogAccess.ts"
import type { DatabaseSettings } from "./Settings.ts"

/** Some hash chain of the log is broken. What was found has been printed. */
export class LogBroken extends Schema.TaggedError<LogBroken>()("LogBroken", {
  /** Streams with a broken chain. */
  streams: Schema.Int
}) {
  override get message(): string {
    return `the log is broken in ${this.streams === 1 ? "1 stream" : `${this.streams} streams`}`
  }
}

/** Checks every hash chain, prints the first broken link of each broken stream, and fails if there is one. */
export const run = Effect.fn("Verify.run")(function* (settings: DatabaseSettings, json: boolean) {
  const found = yield* ChainScan.scan.pipe(Effect.provide(LogAccess.existing(settings)))
  const { broken, brokenStreams, events, streams } = found
  if (json) yield* Console.log(JSON.stringify({ ok: brokenStreams === 0, ...found }))
  else {
    for (const { position, problem, stream, version } of broken) {
      yield* Console.log(`broken: ${stream} at version ${version}, position ${position ?? "none"}: ${problem}`)
    }
    if (brokenStreams > broken.length) yield* Console.log(`… and ${brokenStreams - broken.length} more broken streams`)
    const checked = `${streams} streams with ${events} events`
    yield* Console.log(brokenStreams === 0 ? `every hash chain holds: ${checked}` : `checked ${checked}`)
  }
  if (brokenStreams > 0) return yield* new LogBroken({ streams: brokenStreams })
})
