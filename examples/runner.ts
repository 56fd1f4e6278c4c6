import type { Client } from "kintsugi"
import { Console, DateTime, Effect, Schedule, Schema } from "effect"
import type { FollowingRun, PlannedRun, Stage } from "./plan.ts"

/** The example did not do what it is there for; `message` says what went wrong. */
export class ExampleFailed extends Schema.TaggedError<ExampleFailed>()("ExampleFailed", {
  message: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

/** Longest time of one run, and longest wait for one that is to come by itself, in ms. */
const runMsMax = 60_000
const pollMs = 50

/** Does what can reject, and says what that was. */
export const attempt = <A>(what: string, work: () => Promise<A>) =>
  Effect.tryPromise({
    try: work,
    catch: (cause) =>
      new ExampleFailed({ message: `${what}: ${cause instanceof Error ? cause.message : String(cause)}`, cause })
  })

const Asset = Schema.Struct({ assetId: Schema.String, partitionKey: Schema.optionalKey(Schema.NullOr(Schema.String)) })
const Trigger = Schema.Struct({
  type: Schema.String,
  ...{ reason: Schema.optionalKey(Schema.String), expiry: Schema.optionalKey(Schema.String) },
  ...{ assetId: Schema.optionalKey(Schema.String), partitionKey: Schema.optionalKey(Schema.NullOr(Schema.String)) },
  upstream: Schema.optionalKey(Schema.Struct({ runId: Schema.optionalKey(Schema.String) })),
  coalesced: Schema.optionalKey(Schema.Int)
})
const time = Schema.NullOr(Schema.String)
const summary = {
  ...{ id: Schema.String, workflow: Schema.String, status: Schema.String, trigger: Trigger },
  ...{ partitionKey: Schema.NullOr(Schema.String), createdAt: Schema.String, finishedAt: time },
  failure: Schema.optionalKey(Schema.NullOr(Schema.Struct({ message: Schema.String })))
}
const Summary = Schema.Struct(summary)
const Run = Schema.Struct({
  ...summary,
  steps: Schema.Array(Schema.Struct({ producedAssets: Schema.Array(Asset) }))
})
type Summary = typeof Summary.Type
type Run = typeof Run.Type

const isOver = ({ status }: Pick<Run, "status">): boolean => ["succeeded", "failed", "canceled"].includes(status)

const named = (name: string, partitionKey: string | null | undefined): string =>
  partitionKey === undefined || partitionKey === null || partitionKey === "" ? name : `${name}[${partitionKey}]`

/** Why the run is there, in words. */
const why = ({ trigger }: Run): string => {
  if (trigger.type === "manual") return "started by hand"
  if (trigger.type !== "auto-materialize") return `started by ${trigger.type}`
  const happened = { "upstream-update": "was produced", expiry: "has expired", stale: "was marked stale" }
  const what = trigger.reason === undefined ? "" : (happened[trigger.reason as keyof typeof happened] ?? trigger.reason)
  const { coalesced = 1 } = trigger
  const updates = coalesced > 1 ? `, the newest of ${coalesced} updates` : ""
  return `by itself: ${named(trigger.assetId ?? "?", trigger.partitionKey)} ${what}${updates}`
}

/** Plays stages on a server, and tells of each run what it made, how long that took, and who started it. */
export const runner = (client: Client) => {
  /** Every run that was told of. */
  const told = new Set<string>()
  /** The newest run of each workflow. */
  const newest = new Map<string, string>()

  const readRun = (id: string) =>
    Effect.flatMap(
      attempt(`run ${id}`, () => client.getRun(id)),
      (data) => read(Run, data)
    )

  const tell = Effect.fnUntraced(function* (run: Run) {
    const name = named(run.workflow, run.partitionKey)
    if (run.status !== "succeeded") {
      return yield* new ExampleFailed({
        message: `${name} ${run.status}: ${run.failure?.message ?? "no reason given"}`
      })
    }
    told.add(run.id)
    newest.set(run.workflow, run.id)
    const made = run.steps.flatMap(({ producedAssets }) => producedAssets.map(({ assetId }) => assetId))
    yield* Console.log(`  ${seconds(run)} s  ${name} made ${made.join(", ")}\n          ${why(run)}`)
  })

  const start = Effect.fnUntraced(function* ({ parameters, partitionKey, workflow }: PlannedRun) {
    const name = named(workflow, partitionKey)
    const started = yield* attempt(name, () =>
      client.run(workflow, {
        ...(parameters === undefined ? {} : { parameters }),
        ...(partitionKey === undefined ? {} : { partitionKey })
      })
    )
    const { id } = yield* read(Schema.Struct({ id: Schema.String }), started.data)
    yield* tell(yield* until(readRun(id), isOver, `${name} did not end (run ${id})`))
  })

  /** Automatic runs of the workflow that were not told of, oldest first. */
  const automatic = ({ partitionKey, workflow }: FollowingRun) =>
    Effect.gen(function* () {
      const query = { workflow, trigger: "auto-materialize", limit: 100, partitionKey }
      const page = yield* attempt(`runs of ${workflow}`, () => client.listRuns(query))
      const runs = yield* read(Schema.Array(Summary), page.data)
      return runs.filter(({ id }) => !told.has(id)).toSorted((one, other) => (one.createdAt < other.createdAt ? -1 : 1))
    })

  const follow = Effect.fnUntraced(function* (following: FollowingRun) {
    const { of, partitionKey, reason, workflow } = following
    const maker = of === undefined ? undefined : newest.get(of)
    const isIt = ({ trigger }: Summary): boolean =>
      trigger.reason === reason && (of === undefined || trigger.upstream?.runId === maker)
    const name = named(workflow, partitionKey)
    const isThere = (runs: ReadonlyArray<Summary>) => runs.some((run) => isIt(run) && isOver(run))
    const runs = yield* until(automatic(following), isThere, `no run of ${name} came by itself (${reason})`)
    // Those before it, too: each answers an update of its own.
    for (const { id } of runs.slice(0, runs.findIndex(isIt) + 1)) {
      yield* tell(yield* until(readRun(id), isOver, `${name} did not end (run ${id})`))
    }
  })

  return {
    play: Effect.fnUntraced(function* ({ follows, starts }: Stage) {
      for (const planned of starts) yield* start(planned)
      for (const following of follows) yield* follow(following)
    })
  }
}

const until = <A, E>(look: Effect.Effect<A, E>, holds: (found: A) => boolean, otherwise: string) =>
  Effect.repeat(look, { until: holds, schedule: Schedule.spaced(pollMs) }).pipe(
    Effect.timeoutOrElse({
      duration: runMsMax,
      orElse: () => Effect.fail(new ExampleFailed({ message: `${otherwise} within ${runMsMax} ms` }))
    })
  )

const seconds = ({ createdAt, finishedAt }: Run): string => {
  const end = DateTime.makeUnsafe(finishedAt ?? createdAt)
  const tookMs = DateTime.toEpochMillis(end) - DateTime.toEpochMillis(DateTime.makeUnsafe(createdAt))
  return (tookMs / 1000).toFixed(2)
}

const read = <A>(schema: Schema.Decoder<A>, input: unknown): Effect.Effect<A, ExampleFailed> =>
  Effect.mapError(
    Schema.decodeUnknownEffect(schema)(input),
    (cause) =>
      new ExampleFailed({ message: `the server answered something else than it should: ${cause.message}`, cause })
  )
