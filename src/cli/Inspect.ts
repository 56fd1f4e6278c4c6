import { Console, Effect, Schema } from "effect"
import type { RecoveryChain } from "../http/api/RecoveryChain.ts"
import { RecoveryChain as RecoveryChainSchema } from "../http/api/RecoveryChain.ts"
import * as AssetName from "./AssetName.ts"
import * as Remote from "./Remote.ts"
import type { ClientSettings } from "./Settings.ts"
import { SettingInvalid } from "./SettingText.ts"
import { rows, table } from "./Table.ts"

export interface InspectOptions {
  readonly id: string
  /** Of an asset. */
  readonly partition?: string | undefined
  /** A position or an ISO time: as it was then. */
  readonly at?: string | undefined
  readonly json: boolean
}

/** A thing in an answer. What is shown of it is taken if it is there. */
const Thing = Schema.Struct({ data: Schema.Record(Schema.String, Schema.Unknown) })
type Shown = typeof Thing.Type.data

/** Shows a run and its steps. */
export const run = Effect.fn("Inspect.run")(function* (settings: ClientSettings, { at, id, json }: InspectOptions) {
  const remote = yield* Remote.connect(settings)
  const { data } = yield* remote.call(Thing, "GET", `/runs/${encodeURIComponent(id)}${query({ at })}`)
  if (json) return yield* Console.log(JSON.stringify(data))
  const { steps, ...about } = data
  yield* Console.log(facts(about))
  const shown = list(steps).map(({ waitingFor, failure, ...step }) => ({
    ...step,
    because: waitingFor === undefined ? because(failure) : `waits for ${because(waitingFor)}`
  }))
  yield* Console.log(`\n${table(rows(shown, ["id", "status", "attempt", "startedAt", "finishedAt", "because"]))}`)
})

/** Shows an asset, or one partition of it. */
export const asset = Effect.fn("Inspect.asset")(function* (settings: ClientSettings, options: InspectOptions) {
  const { at, json, partition } = options
  const { assetId, partitionKey = partition } = yield* Effect.fromResult(AssetName.parse(options.id, "id"))
  if (partition !== undefined && partition !== partitionKey) {
    const message = `--partition: ${options.id} names another partition: leave out one of the two`
    return yield* new SettingInvalid({ setting: "--partition", message })
  }
  const remote = yield* Remote.connect(settings)
  const path = `/assets/${encodeURIComponent(assetId)}${query({ partitionKey, at })}`
  const { data } = yield* remote.call(Thing, "GET", path)
  yield* Console.log(json ? JSON.stringify(data) : facts(data))
})

/** Shows a recovery and everything that happened around it. */
export const recovery = Effect.fn("Inspect.recovery")(function* (
  settings: ClientSettings,
  { at, id, json }: InspectOptions
) {
  const remote = yield* Remote.connect(settings)
  const path = `/recoveries/${encodeURIComponent(id)}`
  const { data } = yield* remote.call(Thing, "GET", `${path}${query({ at })}`)
  // The story is that of now; what it was then is in the recovery itself.
  const chain =
    at === undefined
      ? (yield* remote.call(Schema.Struct({ data: RecoveryChainSchema }), "GET", `${path}/chain`)).data
      : null
  if (json) return yield* Console.log(JSON.stringify({ ...data, ...(chain === null ? {} : { story: chain }) }))
  const { chain: _chain, plan, waiters, ...about } = data
  yield* Console.log(facts(about))
  const planned = list(plan)
  if (planned.length > 0) {
    yield* Console.log(
      `\nplan\n${table(rows(planned, ["assetId", "partitionKey", "class", "workflow", "step", "why"]))}`
    )
  }
  if (chain !== null) yield* Console.log(`\n${story(chain)}`)
  else yield* Console.log(`\n${list(waiters).length} wait for it`)
})

const story = ({ isComplete, recoveries, timeline }: RecoveryChain): string => {
  const entries = timeline.map(({ at, kind, position, text }) => ({ at, kind, what: text, position }))
  const more = isComplete ? "" : "\n… and more recoveries than are followed here"
  const others = recoveries.slice(1).map(({ assetId, id }) => `${assetId} (${id})`)
  const inputs = others.length === 0 ? "" : `it waited for the recoveries of ${others.join(", ")}\n\n`
  return `${inputs}${table(rows(entries, ["at", "kind", "what", "position"]))}${more}`
}

const query = (parameters: { readonly [name: string]: string | undefined }): string => {
  const given = Object.entries(parameters).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const]
  )
  return given.length === 0 ? "" : `?${new URLSearchParams(Object.fromEntries(given)).toString()}`
}

const list = (value: unknown): ReadonlyArray<Shown> =>
  Array.isArray(value) ? value.filter((item): item is Shown => typeof item === "object" && item !== null) : []

/** What there is to say of a failure or a wait, in a few words. */
const because = (value: unknown): string => {
  if (typeof value !== "object" || value === null) return ""
  const { assetId, message, partitionKey, recoveryId, store, type } = value as Shown
  if (typeof message === "string") return message
  return [type, assetId, partitionKey, store, recoveryId].filter((part) => typeof part === "string").join(" ")
}

/** A line for each field that says something, names in a column. */
const facts = (data: Shown): string => {
  const told = Object.entries(data).filter(
    ([, value]) => value !== null && value !== undefined && !(Array.isArray(value) && value.length === 0)
  )
  const width = Math.max(0, ...told.map(([name]) => name.length))
  return told
    .map(
      ([name, value]) => `${name.padEnd(width)}  ${typeof value === "object" ? JSON.stringify(value) : String(value)}`
    )
    .join("\n")
}
