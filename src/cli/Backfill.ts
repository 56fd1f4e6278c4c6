import { Console, Effect, Result, Schedule, Schema } from "effect"
import * as Progress from "./Progress.ts"
import * as Remote from "./Remote.ts"
import type { ClientSettings } from "./Settings.ts"
import { SettingInvalid } from "./SettingText.ts"

/** A backfill ended, and not every run of it succeeded. */
export class BackfillNotSucceeded extends Schema.TaggedError<BackfillNotSucceeded>()("BackfillNotSucceeded", {
  message: Schema.String
}) {}

export interface Options {
  readonly workflow: string
  readonly from: string | undefined
  readonly to: string | undefined
  /** Separated by commas. */
  readonly keys: string | undefined
  readonly all: boolean
  readonly assetId: string | undefined
  readonly concurrency: number | undefined
  readonly canary: number | undefined
  readonly onlyMissing: boolean
  readonly dryRun: boolean
  readonly detach: boolean
  readonly reason: string | undefined
  /** A JSON object. */
  readonly parameters: string | undefined
  readonly json: boolean
}

const Backfill = Schema.Struct({
  ...{ id: Schema.String, workflow: Schema.String, status: Schema.String, total: Schema.Int },
  ...{ succeeded: Schema.Int, failed: Schema.Int, canceled: Schema.Int, skipped: Schema.Int },
  ...{ running: Schema.Int, waiting: Schema.Int },
  failedCanary: Schema.NullOr(Schema.String),
  failures: Schema.Array(
    Schema.Struct({
      partitionKey: Schema.NullOr(Schema.String),
      runId: Schema.NullOr(Schema.String),
      message: Schema.NullOr(Schema.String)
    })
  )
})
type Backfill = typeof Backfill.Type
const One = Schema.Struct({ data: Backfill })
const Plan = Schema.Struct({
  data: Schema.Struct({
    ...{ total: Schema.Int, wouldRun: Schema.Int, wouldSkip: Schema.Int, unknown: Schema.Int },
    partitions: Schema.Array(Schema.String)
  })
})

/** How often the server is asked how far it is. */
const lookEvery = "500 millis"
/** A server that is restarted meanwhile is waited for. */
const patience = Schedule.min([Schedule.spaced("1 second"), Schedule.recurs(60)])
const isOver = ({ status }: Backfill) => status === "succeeded" || status === "failed" || status === "canceled"
/** Partitions that a dry run or a failed backfill prints; the rest is counted. */
const shownMax = 20

/** Asks for the backfill and shows how far it is, until it ends. */
export const run = Effect.fn("Backfill.run")(function* (settings: ClientSettings, options: Options) {
  const partitions = yield* Effect.fromResult(selectionOf(options))
  const parameters = yield* Effect.fromResult(parametersOf(options))
  const remote = yield* Remote.connect(settings)
  const { assetId, canary, concurrency, dryRun, json, onlyMissing, reason, workflow } = options
  const given = Object.entries({ assetId, concurrency, canary, parameters, reason }).filter(
    ([, value]) => value !== undefined
  )
  const request = { workflow, partitions, onlyMissing, ...Object.fromEntries(given) }
  if (dryRun) {
    const { data } = yield* remote.call(Plan, "POST", "/backfills", { ...request, dryRun })
    if (json) return yield* Console.log(JSON.stringify(data))
    const unknown = data.unknown === 0 ? "" : `, ${data.unknown} are looked at when their turn comes`
    yield* Console.log(`${data.wouldRun} of ${data.total} partitions would run, ${data.wouldSkip} are there${unknown}`)
    for (const key of data.partitions.slice(0, shownMax)) yield* Console.log(`  ${key}`)
    const more = data.wouldRun + data.unknown - Math.min(data.partitions.length, shownMax)
    return more > 0 ? yield* Console.log(`  and ${more} more`) : undefined
  }
  const { data } = yield* remote.call(One, "POST", "/backfills", request)
  if (options.detach) {
    return yield* Console.log(json ? JSON.stringify(data) : `backfill ${data.id}: ${lookAgain(data.id)}`)
  }
  return yield* follow(remote, data, json)
})

/** Shows how far a backfill is, until it ends. */
export const watch = Effect.fn("Backfill.watch")(function* (settings: ClientSettings, id: string, json: boolean) {
  const remote = yield* Remote.connect(settings)
  return yield* follow(remote, (yield* remote.call(One, "GET", `/backfills/${encodeURIComponent(id)}`)).data, json)
})

/** Pauses, resumes or cancels a backfill. */
export const steer = Effect.fn("Backfill.steer")(function* (
  settings: ClientSettings,
  id: string,
  verb: "pause" | "resume" | "cancel",
  json: boolean
) {
  const remote = yield* Remote.connect(settings)
  const { data } = yield* remote.call(One, "POST", `/backfills/${encodeURIComponent(id)}/${verb}`, {})
  yield* Console.log(json ? JSON.stringify(data) : `backfill ${data.id} is ${data.status}: ${Progress.counts(data)}`)
})

const follow = (remote: Remote.Remote, first: Backfill, json: boolean) =>
  Effect.gen(function* () {
    const look = remote.call(One, "GET", `/backfills/${first.id}`).pipe(
      Effect.retry({ schedule: patience, while: ({ _tag }) => _tag === "RemoteFailed" }),
      Effect.map(({ data }) => data)
    )
    const shown = Progress.make(json)
    let now = first
    while (!isOver(now)) {
      yield* shown.show(now)
      yield* Effect.sleep(lookEvery)
      now = yield* look
    }
    yield* shown.show(now)
    yield* shown.end
    return yield* report(now, json)
  }).pipe(Effect.onInterrupt(() => Console.error(`\nbackfill ${first.id} goes on without you: ${lookAgain(first.id)}`)))

const lookAgain = (id: string) => `look again with kintsugi backfill watch ${id}`

const report = Effect.fnUntraced(function* (done: Backfill, json: boolean) {
  yield* Console.log(json ? JSON.stringify(done) : `backfill ${done.id} has ${done.status}: ${Progress.counts(done)}`)
  if (done.status === "succeeded") return
  if (!json) {
    for (const { message, partitionKey, runId } of done.failures.slice(0, shownMax)) {
      yield* Console.log(`  ${partitionKey ?? ""} (run ${runId ?? "none"}): ${message ?? "canceled"}`)
    }
    const more = done.failed + done.canceled - Math.min(done.failures.length, shownMax)
    if (more > 0) yield* Console.log(`  and ${more} more`)
  }
  const canary = done.failedCanary === null ? "" : `: partition ${done.failedCanary} failed while it ran alone`
  return yield* new BackfillNotSucceeded({ message: `backfill ${done.id} has ${done.status}${canary}` })
})

const decodeParameters = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json)))

const parametersOf = ({ parameters }: Options): Result.Result<unknown, SettingInvalid> => {
  if (parameters === undefined) return Result.succeed(undefined)
  const message = `--parameters must be a JSON object, such as {"region": "eu"}, not ${parameters}`
  return Result.mapError(decodeParameters(parameters), () => new SettingInvalid({ setting: "--parameters", message }))
}

const selectionOf = ({ all, from, keys, to }: Options): Result.Result<unknown, SettingInvalid> => {
  const given = [from !== undefined || to !== undefined, keys !== undefined, all].filter((isGiven) => isGiven).length
  const invalid = (setting: string, message: string) => Result.fail(new SettingInvalid({ setting, message }))
  if (given !== 1) return invalid("--from", "give one of --from KEY --to KEY, --keys KEY,KEY or --all")
  if (all) return Result.succeed("all")
  if (keys !== undefined) return Result.succeed({ keys: keys.split(",") })
  if (from === undefined) return invalid("--from", "--from is needed with --to")
  if (to === undefined) return invalid("--to", "--to is needed with --from")
  return Result.succeed({ from, to })
}
