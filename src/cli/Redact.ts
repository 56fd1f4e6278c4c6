import { Console, Effect, Schema } from "effect"
import * as Remote from "./Remote.ts"
import type { ClientSettings } from "./Settings.ts"

const Redacted = Schema.Struct({
  data: Schema.Struct({
    ...{ stream: Schema.String, version: Schema.Int, type: Schema.String },
    ...{ payloadHash: Schema.String, redactedHash: Schema.String, projections: Schema.Array(Schema.String) }
  }),
  position: Schema.String
})

export interface Asked {
  readonly stream: string
  readonly version: number
  readonly pointers: ReadonlyArray<string>
  readonly reason: string
}

/** Asks the server to redact, and says what has become of the event. */
export const run = Effect.fn("Redact.run")(function* (settings: ClientSettings, asked: Asked, json: boolean) {
  const remote = yield* Remote.connect(settings)
  const { data, position } = yield* remote.call(Redacted, "POST", "/admin/redact", asked)
  if (json) return yield* Console.log(JSON.stringify({ ...data, position }))
  yield* Console.log(`${data.type} ${data.version} of ${data.stream} is redacted; its chain keeps ${data.payloadHash}`)
  yield* Console.log(`being built anew: ${data.projections.join(", ")}`)
  yield* Console.log("what left the server before (backups, bus, traces) still has the value: change the secret")
})
