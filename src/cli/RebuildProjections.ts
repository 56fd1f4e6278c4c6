import { Console, Effect, Schema } from "effect"
import * as Remote from "./Remote.ts"
import type { ClientSettings } from "./Settings.ts"
import { invalid } from "./SettingText.ts"

/** A rebuild has not come to its end; why, in one line. */
export class RebuildUnfinished extends Schema.TaggedError<RebuildUnfinished>()("RebuildUnfinished", {
  message: Schema.String
}) {}

export interface RebuildOptions {
  /** null: all of them. */
  readonly name: string | null
  readonly all: boolean
  readonly reason: string | null
  readonly json: boolean
}

const Projection = Schema.Struct({
  name: Schema.String,
  position: Schema.NullOr(Schema.String),
  rebuild: Schema.NullOr(
    Schema.Struct({
      events: Schema.Int,
      lagEvents: Schema.NullOr(Schema.Finite)
    })
  ),
  lastRebuild: Schema.NullOr(Schema.Struct({ events: Schema.Int, error: Schema.NullOr(Schema.String) }))
})
const Overview = Schema.Struct({ data: Schema.Struct({ projections: Schema.Array(Projection) }) })
const Begun = Schema.Struct({ data: Projection, position: Schema.String })

const lookEvery = "500 millis"

/** Rebuilds read models on a running server, one after the other, and shows how far each is. */
export const run = Effect.fn("RebuildProjections.run")(function* (settings: ClientSettings, options: RebuildOptions) {
  const { all, json, name, reason } = options
  if ((name === null) !== all) {
    return yield* invalid(
      "NAME",
      "the name of a read model, or --all without one",
      name === null ? null : `${name} --all`
    )
  }
  const remote = yield* Remote.connect(settings)
  const statuses = Effect.map(remote.call(Overview, "GET", "/admin/projections"), ({ data }) => data.projections)
  const names = name === null ? (yield* statuses).map((status) => status.name) : [name]
  const statusOf = (wanted: string) => Effect.map(statuses, (found) => found.find((status) => status.name === wanted)!)

  const rebuilt: Array<typeof Projection.Type> = []
  for (const wanted of names) {
    const body = reason === null ? {} : { reason }
    yield* remote.call(Begun, "POST", `/admin/projections/${encodeURIComponent(wanted)}/rebuild`, body)
    let last = ""
    let status = yield* statusOf(wanted)
    while (status.lastRebuild === null) {
      const { events, lagEvents } = status.rebuild ?? { events: 0, lagEvents: null }
      const left = lagEvents === null ? "" : `, about ${lagEvents} to go`
      const line = `${wanted}: ${events} events read${left}`
      if (!json && line !== last) process.stderr.write(`${line}\n`)
      last = line
      yield* Effect.sleep(lookEvery)
      status = yield* statusOf(wanted)
    }
    const { error } = status.lastRebuild
    if (error !== null) {
      return yield* new RebuildUnfinished({ message: `${wanted} is as it was, its rebuild was given up: ${error}` })
    }
    rebuilt.push(status)
    if (!json) yield* Console.log(`${wanted} is rebuilt, up to ${status.position ?? "the start of the log"}`)
  }
  if (json) yield* Console.log(JSON.stringify({ ok: true, rebuilt }))
})
