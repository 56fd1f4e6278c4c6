import { Console, Effect, Schema } from "effect"
import * as AssetName from "./AssetName.ts"
import * as Remote from "./Remote.ts"
import type { ClientSettings } from "./Settings.ts"
import { SettingInvalid } from "./SettingText.ts"

/** The asset cannot be brought back by itself. */
export class NotRecoverable extends Schema.TaggedError<NotRecoverable>()("NotRecoverable", {
  message: Schema.String
}) {}

const Run = Schema.Struct({
  data: Schema.Struct({ id: Schema.String, status: Schema.String }),
  kept: Schema.Array(Schema.String),
  rerun: Schema.Array(Schema.String)
})
const Recovery = Schema.Struct({
  id: Schema.String,
  partitionKey: Schema.NullOr(Schema.String),
  status: Schema.String
})
const Plan = Schema.Struct({
  data: Schema.Struct({
    assetId: Schema.String,
    partitionKey: Schema.NullOr(Schema.String),
    present: Schema.Boolean,
    reasonCode: Schema.NullOr(Schema.String),
    message: Schema.NullOr(Schema.String),
    plan: Schema.Array(
      Schema.Struct({ assetId: Schema.String, partitionKey: Schema.NullOr(Schema.String), workflow: Schema.String })
    )
  })
})
const Started = Schema.Struct({ data: Schema.Struct({ id: Schema.String, status: Schema.String }) })

export interface Options {
  readonly json: boolean
  /** Why, for the log. */
  readonly reason: string | undefined
}

/** Resumes a run in place. */
export const run = Effect.fn("Recover.run")(function* (settings: ClientSettings, id: string, options: Options) {
  const remote = yield* Remote.connect(settings)
  const path = `/runs/${encodeURIComponent(id)}/recover`
  const { data, kept, rerun } = yield* remote.call(Run, "POST", path, because(options))
  const again = rerun.length === 0 ? "nothing is left to do" : `does ${rerun.join(", ")}`
  yield* told(
    options.json,
    { run: data.id, kept, rerun },
    `run ${data.id} goes on: keeps ${kept.length} steps, ${again}`
  )
})

/** Tries a failed recovery again. */
export const recovery = Effect.fn("Recover.recovery")(function* (
  settings: ClientSettings,
  id: string,
  options: Options
) {
  yield* retry(yield* Remote.connect(settings), id, options)
})

/** A run or an asset, whichever is named; naming none or both is refused. */
export const either = Effect.fn("Recover.either")(function* (
  settings: ClientSettings,
  runId: string | null,
  asset: string | null,
  options: Options
) {
  if (runId !== null && asset === null) return yield* run(settings, runId, options)
  if (runId !== null || asset === null) {
    const both = "a run and --asset are given: name one of the two"
    const message = runId === null ? "nothing is named: give the id of a run, or an asset with --asset" : both
    return yield* new SettingInvalid({ setting: runId === null ? "run" : "--asset", message })
  }
  const { assetId, partitionKey } = yield* Effect.fromResult(AssetName.parse(asset, "--asset"))
  yield* ofAsset(yield* Remote.connect(settings), assetId, partitionKey, options)
})

/** Goes the way that is open: the recovery that there is, else a run of the producer. */
const ofAsset = Effect.fnUntraced(function* (
  remote: Remote.Remote,
  assetId: string,
  partitionKey: string | undefined,
  options: Options
) {
  const { json } = options
  const wanted = { assetId, ...(partitionKey === undefined ? {} : { partitionKey }) }
  const { data: plan } = yield* remote.call(Plan, "POST", "/recoveries/plan", wanted)
  const name = partitionKey === undefined ? assetId : `${assetId}[${partitionKey}]`
  if (plan.present) return yield* told(json, { asset: name, present: true }, `${name} is there: nothing to do`)

  const known = yield* newest(remote, assetId, plan.partitionKey)
  if (known !== null && /^(requested|planned|running)$/.test(known.status)) {
    return yield* told(json, { recovery: known.id }, `recovery ${known.id} of ${name} is ${known.status} already`)
  }
  if (known !== null && known.status !== "succeeded") return yield* retry(remote, known.id, options)
  if (plan.reasonCode !== null) {
    return yield* new NotRecoverable({
      message: `${name}: ${plan.reasonCode}: ${plan.message ?? "it has no producer"}`
    })
  }
  // What it needs is made or healed before the step starts, like for any other run.
  const producer = plan.plan.findLast((step) => step.assetId.toLowerCase() === assetId.toLowerCase())
  if (producer === undefined) {
    return yield* new NotRecoverable({ message: `${name}: the plan names no workflow that makes it` })
  }
  const path = `/workflows/${encodeURIComponent(producer.workflow)}/run`
  const key = producer.partitionKey === null ? {} : { partitionKey: producer.partitionKey }
  const { data } = yield* remote.call(Started, "POST", path, { ...key, ...because(options) })
  yield* told(
    json,
    { run: data.id, workflow: producer.workflow },
    `run ${data.id} of ${producer.workflow} makes ${name}`
  )
})

const because = ({ reason }: Options) => (reason === undefined ? undefined : { reason })

const retry = Effect.fnUntraced(function* (remote: Remote.Remote, id: string, options: Options) {
  const path = `/recoveries/${encodeURIComponent(id)}/retry`
  const { data } = yield* remote.call(Schema.Struct({ data: Recovery }), "POST", path, because(options))
  const { id: recovery, status } = data
  yield* told(options.json, { recovery, status }, `recovery ${recovery} is tried again: ${status}`)
})

const recoveriesMax = 200

const newest = Effect.fnUntraced(function* (remote: Remote.Remote, assetId: string, partitionKey: string | null) {
  const Page = Schema.Struct({ data: Schema.Array(Recovery), nextCursor: Schema.NullOr(Schema.String) })
  let after = ""
  while (true) {
    const path = `/recoveries?assetId=${encodeURIComponent(assetId)}&limit=${recoveriesMax}${after}`
    const { data, nextCursor } = yield* remote.call(Page, "GET", path)
    // Newest first.
    const found = data.find((item) => item.partitionKey === partitionKey)
    if (found !== undefined) return found
    if (nextCursor === null) return null
    after = `&cursor=${encodeURIComponent(nextCursor)}`
  }
})

const told = (json: boolean, result: object, words: string) => Console.log(json ? JSON.stringify(result) : words)
