import { Console, Effect, Schema } from "effect"
import * as Remote from "./Remote.ts"
import type { ClientSettings } from "./Settings.ts"
import * as Table from "./Table.ts"

export interface Options {
  readonly kind: string | undefined
  readonly severity: string | undefined
  readonly reasonCode: string | undefined
  readonly workflow: string | undefined
  readonly assetId: string | undefined
  /** Also what somebody has muted. */
  readonly muted: boolean
  readonly json: boolean
}

const Named = Schema.Struct({ assetId: Schema.String, partitionKey: Schema.NullOr(Schema.String), why: Schema.String })
const Item = Schema.Struct({
  ...{ id: Schema.String, kind: Schema.String, severity: Schema.String, reasonCode: Schema.String },
  ...{ message: Schema.String, since: Schema.String, count: Schema.Int },
  ...{ assetId: Schema.NullOr(Schema.String), partitionKey: Schema.NullOr(Schema.String) },
  ...{ runId: Schema.NullOr(Schema.String), recoveryId: Schema.NullOr(Schema.String) },
  workflow: Schema.NullOr(Schema.String),
  stepId: Schema.NullOr(Schema.String),
  rootCause: Schema.NullOr(Named),
  muted: Schema.NullOr(Schema.Struct({ until: Schema.String, reason: Schema.String })),
  action: Schema.Struct({ text: Schema.String, command: Schema.String })
})
type Item = typeof Item.Type
const Page = Schema.Struct({ data: Schema.Array(Item), nextCursor: Schema.NullOr(Schema.String) })

const pageSize = 200
/** What is shown for people; the rest is counted. */
const shownMax = 100

/** Prints what needs a human, newest first, with the command that each needs. */
export const run = Effect.fn("Attention.run")(function* (settings: ClientSettings, options: Options) {
  const remote = yield* Remote.connect(settings)
  const { assetId, json, kind, muted, reasonCode, severity, workflow } = options
  const filters = Object.entries({ kind, severity, reasonCode, workflow, assetId, muted: muted ? "all" : undefined })
  const query = new URLSearchParams({ limit: String(pageSize) })
  for (const [name, value] of filters) if (value !== undefined) query.set(name, value)
  const items: Array<Item> = []
  while (true) {
    const { data, nextCursor } = yield* remote.call(Page, "GET", `/admin/attention?${query}`)
    items.push(...data)
    if (nextCursor === null) break
    query.set("cursor", nextCursor)
  }
  if (json) return yield* Console.log(JSON.stringify({ data: items }))
  if (items.length === 0) return yield* Console.log("nobody is needed")
  const shown = items.slice(0, shownMax)
  const columns = ["severity", "kind", "reason", "what", "since", "count"] as const
  yield* Console.log(Table.table(Table.rows(shown.map(line), columns)))
  for (const item of shown) {
    const { action, message, rootCause } = item
    const cause = rootCause === null ? "" : `\n  cause: ${nameOf(rootCause)}: ${rootCause.why}`
    yield* Console.log(
      `\n${subject(item)}: ${message}${cause}\n  what to do: ${action.text}\n  command: ${action.command}`
    )
  }
  if (items.length > shown.length) yield* Console.log(`\n… and ${items.length - shown.length} more`)
})

const line = (item: Item) => {
  const { count, kind, muted, reasonCode, severity, since } = item
  const what = muted === null ? subject(item) : `${subject(item)} (muted until ${muted.until})`
  return { severity, kind, reason: reasonCode, what, since, count }
}

/** The asset where there is one, since that is what is missed. */
const subject = ({ assetId, id, partitionKey, runId, stepId }: Item): string => {
  if (assetId !== null) return nameOf({ assetId, partitionKey })
  if (runId !== null) return stepId === null ? `run ${runId}` : `run ${runId}, step ${stepId}`
  return id
}

const nameOf = (asset: { readonly assetId: string; readonly partitionKey: string | null }): string =>
  asset.partitionKey === null || asset.partitionKey === "" ? asset.assetId : `${asset.assetId}[${asset.partitionKey}]`
