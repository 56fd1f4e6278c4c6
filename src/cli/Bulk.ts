import { Console, Effect, Result, Schedule, Schema } from "effect"
import * as Progress from "./Progress.ts"
import * as Remote from "./Remote.ts"
import type { ClientSettings } from "./Settings.ts"
import { SettingInvalid } from "./SettingText.ts"

/** A bulk operation ended, and it did not succeed. */
export class BulkNotSucceeded extends Schema.TaggedError<BulkNotSucceeded>()("BulkNotSucceeded", {
  message: Schema.String
}) {}

export interface Options {
  readonly action: string
  readonly target: "runs" | "recoveries"
  /** `name=value` each. */
  readonly filter: ReadonlyArray<string>
  readonly all: boolean
  readonly limit: number | undefined
  readonly canary: number | undefined
  readonly ratePerSecond: number | undefined
  readonly reason: string
  readonly dryRun: boolean
  readonly wait: boolean
  readonly json: boolean
}

const Why = Schema.Struct({ id: Schema.String, message: Schema.String })
const Bulk = Schema.Struct({
  ...{ id: Schema.String, action: Schema.String, target: Schema.String, status: Schema.String },
  ...{ total: Schema.Int, done: Schema.Int, skipped: Schema.Int, failed: Schema.Int, waiting: Schema.Int },
  more: Schema.Boolean,
  failedCanary: Schema.NullOr(Why),
  undone: Schema.Array(Why)
})
type Bulk = typeof Bulk.Type
const One = Schema.Struct({ data: Bulk })
const Plan = Schema.Struct({
  data: Schema.Struct({
    ...{ total: Schema.Int, wouldDo: Schema.Int, wouldSkip: Schema.Int, more: Schema.Boolean },
    ids: Schema.Array(Schema.String),
    skipped: Schema.Array(Why)
  })
})

/** How often the server is asked how far it is. */
const lookEvery = "300 millis"
/** A server that is restarted meanwhile is waited for. */
const patience = Schedule.min([Schedule.spaced("1 second"), Schedule.recurs(60)])
const isOver = ({ status }: Bulk) => status === "succeeded" || status === "failed" || status === "canceled"
/** Ids that are printed; the rest is counted. */
const shownMax = 20

/** Asks for the operation; with `wait` shows how far it is until it ends. */
export const run = Effect.fn("Bulk.run")(function* (settings: ClientSettings, options: Options) {
  const filter = yield* Effect.fromResult(filterOf(options.filter))
  const remote = yield* Remote.connect(settings)
  const { action, all, canary, dryRun, json, limit, ratePerSecond, reason, target } = options
  const request = {
    ...{ target, action, reason },
    ...(Object.keys(filter).length === 0 ? {} : { filter }),
    ...(all ? { all } : {}),
    ...Object.fromEntries(Object.entries({ canary, limit, ratePerSecond }).filter(([, value]) => value !== undefined))
  }
  if (dryRun) {
    const { data } = yield* remote.call(Plan, "POST", "/bulk", { ...request, dryRun })
    if (json) return yield* Console.log(JSON.stringify(data))
    const most = data.more ? " (there are more: see --limit)" : ""
    yield* Console.log(`would ${action} ${data.wouldDo} of ${data.total} ${target}, skip ${data.wouldSkip}${most}`)
    for (const id of data.ids.slice(0, shownMax)) yield* Console.log(`  ${id}`)
    if (data.wouldDo > shownMax) yield* Console.log(`  and ${data.wouldDo - shownMax} more`)
    return yield* listed(data.skipped, data.wouldSkip)
  }
  const { data } = yield* remote.call(One, "POST", "/bulk", request)
  if (options.wait) return yield* follow(remote, data, json)
  return yield* Console.log(json ? JSON.stringify(data) : `bulk ${data.id}: ${action} ${data.total} ${target}`)
})

const listed = Effect.fnUntraced(function* (items: ReadonlyArray<typeof Why.Type>, count: number) {
  for (const { id, message } of items.slice(0, shownMax)) yield* Console.log(`  ${id} skipped: ${message}`)
  if (count > shownMax) yield* Console.log(`  and ${count - shownMax} more skipped`)
})

const progress = ({ done, waiting, ...bulk }: Bulk): Progress.Counts => ({
  ...bulk,
  ...{ succeeded: done, canceled: 0, running: 0, waiting }
})

const follow = (remote: Remote.Remote, first: Bulk, json: boolean) =>
  Effect.gen(function* () {
    const look = remote.call(One, "GET", `/bulk/${first.id}`).pipe(
      Effect.retry({ schedule: patience, while: ({ _tag }) => _tag === "RemoteFailed" }),
      Effect.map(({ data }) => data)
    )
    const shown = Progress.make(json)
    let now = first
    while (!isOver(now)) {
      yield* shown.show(progress(now))
      yield* Effect.sleep(lookEvery)
      now = yield* look
    }
    yield* shown.show(progress(now))
    yield* shown.end
    const counts = Progress.counts(progress(now))
    yield* Console.log(json ? JSON.stringify(now) : `bulk ${now.id} has ${now.status}: ${counts}`)
    if (!json) {
      for (const { id, message } of now.undone.slice(0, shownMax)) yield* Console.log(`  ${id}: ${message}`)
      const more = now.skipped + now.failed - shownMax
      if (more > 0) yield* Console.log(`  and ${more} more`)
    }
    if (now.status === "succeeded") return
    const { failedCanary } = now
    const why = failedCanary === null ? "" : `: the canary ${failedCanary.id} failed with: ${failedCanary.message}`
    return yield* new BulkNotSucceeded({ message: `bulk ${now.id} has ${now.status}${why}` })
  }).pipe(Effect.onInterrupt(() => Console.error(`\nbulk ${first.id} goes on without you`)))

/** The names are the server's to judge. */
const filterOf = (given: ReadonlyArray<string>): Result.Result<Readonly<Record<string, string>>, SettingInvalid> => {
  const invalid = (message: string) => Result.fail(new SettingInvalid({ setting: "--filter", message }))
  const filter = new Map<string, string>()
  for (const text of given) {
    const at = text.indexOf("=")
    if (at < 1) return invalid(`--filter must be NAME=VALUE, such as status=failed, not ${text}`)
    const name = text.slice(0, at)
    if (filter.has(name)) return invalid(`--filter ${name}=… must not be given twice`)
    filter.set(name, text.slice(at + 1))
  }
  return Result.succeed(Object.fromEntries(filter))
}
