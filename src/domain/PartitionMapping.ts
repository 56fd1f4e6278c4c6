import { Result } from "effect"
import type { ConsumedAsset, Partitioning } from "./Definition.ts"
import * as Id from "./Id.ts"
import { inside, naming } from "./PartitionNaming.ts"
import * as TimeWindow from "./TimeWindow.ts"

/**
 * How the partitions of a consumed asset map to the runs of its consumer, both ways: `needed` answers what a run needs,
 * `started` which runs a production starts. Each is the inverse of the other.
 *
 * - `"same"`: the run's key. Between time windows: the windows that share an instant with the run's, so that a day needs
 *   its hours and an hour the day that covers it. A run without a key is like the widest window: it needs each recorded
 *   partition of a partitioned asset. Any other `partitionKey` template names one partition itself.
 * - `{ last: n }`: of time windows the newest n up to the run's window (to the current one, if the run has none), of a
 *   static asset the last n declared keys, else the last n recorded ones in the order of their first production.
 * - `"all"`: each recorded partition.
 *
 * A window counts from its beginning; one that has not begun is neither needed nor run.
 */
export interface Mapping extends Pick<ConsumedAsset, "partitions" | "partitionKey"> {
  /** Of the consumed asset. Undefined: none is declared; its partitions are whatever was produced, "" among them. */
  readonly upstream: Partitioning | undefined
  /** Of the assets that the consumer produces. Undefined: none is declared; its runs need no key. */
  readonly consumer: Partitioning | undefined
}

/** Partition keys that productions have been recorded for, in the order of their first production. */
export interface Known {
  readonly has: (key: string) => boolean
  readonly keys: () => Iterable<string>
}

/** What a run needs; `reason` says why that is nothing. */
export interface Needed {
  readonly keys: ReadonlyArray<string>
  readonly reason?: string
}

/** The runs to start, each by its partition key (undefined: a run without one); `reason` says why there is none. */
export interface Started {
  readonly runs: ReadonlyArray<string | undefined>
  readonly reason?: string
}

/** There are more than `limit` of them: none is left out in silence, the caller decides. */
export interface BeyondLimit {
  readonly _tag: "BeyondLimit"
  readonly limit: number
  readonly message: string
}

/** The run that is asked about: its key, and `named`, what the template became for it where the mapping `isNamed`. */
export interface Run {
  readonly partitionKey: string | undefined
  readonly named?: string
}

/** Whether the mapping goes by a template of its own, which the caller renders for `Run.named`. */
export const isNamed = (mapping: Pick<Mapping, "partitions" | "partitionKey">): boolean =>
  mapping.partitions === "same" && naming(mapping.partitionKey)._tag !== "RunKey"

/**
 * What `needed` looks at of `Known`: every key, whether the run's own and the key "" were produced, or nothing. Whoever
 * asks need not know more.
 */
export const looksAt = (mapping: Mapping, run: Run): "all" | "own" | "nothing" => {
  const { consumer, partitions, upstream } = mapping
  if (partitions === "all") return "all"
  if (partitions !== "same") return upstream?.type === "static" || upstream?.type === "timeWindow" ? "nothing" : "all"
  if (isNamed(mapping)) return "nothing"
  if (upstream !== undefined) return run.partitionKey === undefined ? "all" : "nothing"
  return run.partitionKey !== undefined && consumer !== undefined ? "own" : "nothing"
}

/** What is wrong with the `partitionKey` of a definition, or undefined: one that nothing would look at. */
export const mappingFault = (mapping: Pick<Mapping, "partitions" | "partitionKey">): string | undefined =>
  mapping.partitions === "same" || naming(mapping.partitionKey)._tag === "RunKey"
    ? undefined
    : `is only for partitions: "same"; ${JSON.stringify(mapping.partitions)} says which partitions by itself`

/** The partitions of the consumed asset that a run needs at `now`. Fails when they are more than `limit`. */
export const needed = (
  mapping: Mapping,
  run: Run,
  known: Known,
  now: number,
  limit: number
): Result.Result<Needed, BeyondLimit> => {
  if (mapping.partitions === "all") return recorded(known, limit)
  if (mapping.partitions !== "same") return newest(mapping, mapping.partitions.last, run, known, now, limit)
  return isNamed(mapping)
    ? Result.succeed(member(mapping.upstream, run.named ?? "", now))
    : sameAsRun(mapping, run.partitionKey, known, now, limit)
}

/**
 * The runs of the consumer that need the partition that was produced: none of a window that has not begun, or that is
 * older than the consumer's `lookbackWindows`. Where each run needs it these are all the partitions that the consumer
 * has: declared keys, the windows of its lookback, else those in `consumerKnown`. `upstreamKnown` has the production
 * already. Fails when they are more than `limit`.
 */
export const started = (
  mapping: Mapping,
  producedKey: string,
  upstreamKnown: Known,
  consumerKnown: Known,
  now: number,
  limit: number
): Result.Result<Started, BeyondLimit> => {
  const { consumer, partitions, upstream } = mapping
  const every = () => everyRun(consumer, consumerKnown, now, limit)
  if (partitions === "all") return every()
  if (partitions !== "same") {
    return startedByNewest(mapping, partitions.last, producedKey, upstreamKnown, every, now, limit)
  }
  const name = naming(mapping.partitionKey)
  const fault = upstream === undefined ? undefined : member(upstream, producedKey, now).reason
  if (fault !== undefined) return none(fault)
  switch (name._tag) {
    case "Constant":
      return Id.isSameKey(name.key, producedKey) ? every() : none(`only partition ${quoted(name.key)} is consumed`)
    case "Around": {
      const key = inside(name, producedKey)
      return key === undefined
        ? none(`${quoted(producedKey)} is not of the form ${quoted(mapping.partitionKey)}`)
        : Result.succeed(runOf(consumer, key, now))
    }
    case "Other":
      return none(`the run cannot be derived from consumes.partitionKey ${quoted(mapping.partitionKey)}`)
    case "RunKey":
      return startedBySame(mapping, producedKey, upstreamKnown, every, now, limit)
  }
}

// ------------------------------------------------------------------------------------------------ what a run needs

const sameAsRun = (
  { consumer, upstream }: Mapping,
  runKey: string | undefined,
  known: Known,
  now: number,
  limit: number
): Result.Result<Needed, BeyondLimit> => {
  if (upstream === undefined) {
    // An asset without declared partitions has the run's key (F65, T21), unless it is produced without keys only.
    const isWhole = runKey === undefined || (consumer !== undefined && !known.has(runKey) && known.has(""))
    return Result.succeed({ keys: [isWhole ? "" : runKey] })
  }
  if (runKey === undefined) return recorded(known, limit)
  if (upstream.type !== "timeWindow" || consumer?.type !== "timeWindow") {
    return Result.succeed(member(upstream, runKey, now))
  }
  const window = begun(consumer, runKey, now)
  if (Result.isFailure(window)) return nothing(window.failure)
  const { end, start } = window.success
  const windows = windowsWithin(upstream, start, Math.min(end, now + 1), limit)
  return Result.map(windows, (keys) => ({ keys }))
}

const newest = (
  { consumer, upstream }: Mapping,
  count: number,
  run: Run,
  known: Known,
  now: number,
  limit: number
): Result.Result<Needed, BeyondLimit> => {
  if (upstream?.type === "static") return within(upstream.keys.slice(-count), limit, (keys) => ({ keys }))
  if (upstream?.type !== "timeWindow") {
    const keys = [...known.keys()].slice(-count)
    return keys.length === 0 ? nothing(nothingProduced) : within(keys, limit, () => ({ keys }))
  }
  let at = now
  if (consumer?.type === "timeWindow" && run.partitionKey !== undefined) {
    const window = begun(consumer, run.partitionKey, now)
    if (Result.isFailure(window)) return nothing(window.failure)
    at = Math.min(window.success.end - 1, now)
  }
  if (count > limit) return beyond(limit)
  return Result.succeed({ keys: TimeWindow.windowsBack(upstream, at, count).map(({ key }) => key) })
}

const recorded = (known: Known, limit: number): Result.Result<Needed, BeyondLimit> => {
  const keys: Array<string> = []
  for (const key of known.keys()) {
    if (keys.length === limit) return beyond(limit)
    keys.push(key)
  }
  return keys.length === 0 ? nothing(nothingProduced) : Result.succeed({ keys })
}

/** Whether the key is among them: keys are compared without case. */
const isAmong = (keys: ReadonlyArray<string>, key: string): boolean =>
  keys.includes(key) || keys.some((declared) => Id.isSameKey(declared, key))

/** The one partition, if the asset has it. */
const member = (partitioning: Partitioning | undefined, key: string, now: number): Needed => {
  if (partitioning?.type === "static" && !isAmong(partitioning.keys, key)) {
    return { keys: [], reason: `${quoted(key)} is not a declared key of the consumed asset` }
  }
  if (partitioning?.type === "dynamic" && key === "") {
    return { keys: [], reason: "the consumed asset is partitioned, and no key is given" }
  }
  if (partitioning?.type === "timeWindow") {
    const window = begun(partitioning, key, now)
    if (Result.isFailure(window)) return { keys: [], reason: `the consumed window ${window.failure}` }
  }
  return { keys: [key] }
}

// ---------------------------------------------------------------------------------------- what a production starts

const startedBySame = (
  { consumer, upstream }: Mapping,
  producedKey: string,
  upstreamKnown: Known,
  every: () => Result.Result<Started, BeyondLimit>,
  now: number,
  limit: number
): Result.Result<Started, BeyondLimit> => {
  if (upstream === undefined && producedKey === "") {
    if (consumer === undefined) return Result.succeed({ runs: [undefined] })
    return Result.map(every(), ({ reason, runs }) => {
      // A run whose own key was produced takes that one.
      const left = runs.filter((key) => key === undefined || !upstreamKnown.has(key))
      return left.length > 0 ? { runs: left } : { runs: [], reason: reason ?? "each run has an input of its own key" }
    })
  }
  if (upstream !== undefined && consumer === undefined) return Result.succeed({ runs: [undefined] })
  if (upstream?.type !== "timeWindow" || consumer?.type !== "timeWindow") {
    return Result.succeed(runOf(consumer, producedKey, now))
  }
  const produced = TimeWindow.windowOf(upstream, producedKey)
  if (Result.isFailure(produced)) return none(produced.failure)
  const { end, start } = produced.success
  const runs = windowsWithin(consumer, Math.max(start, oldestStart(consumer, now)), Math.min(end, now + 1), limit)
  return Result.map(runs, (keys) => (keys.length > 0 ? { runs: keys } : { runs: [], reason: tooOld(consumer) }))
}

const startedByNewest = (
  { consumer, upstream }: Mapping,
  count: number,
  producedKey: string,
  upstreamKnown: Known,
  every: () => Result.Result<Started, BeyondLimit>,
  now: number,
  limit: number
): Result.Result<Started, BeyondLimit> => {
  const notAmong = () => none(`${quoted(producedKey)} is not among the newest ${count}`)
  if (upstream?.type !== "timeWindow") {
    const keys = upstream?.type === "static" ? upstream.keys : [...upstreamKnown.keys()]
    return isAmong(keys.slice(-count), producedKey) ? every() : notAmong()
  }
  const produced = begun(upstream, producedKey, now)
  if (Result.isFailure(produced)) return none(`the consumed window ${produced.failure}`)
  const { start } = produced.success
  if (consumer?.type !== "timeWindow") {
    return TimeWindow.startBack(upstream, now, count) <= start ? every() : notAmong()
  }
  // The runs up to whose window at most `count - 1` windows were newer than the produced one.
  const end = TimeWindow.endForth(upstream, start, count, now)
  const runs: Array<string> = []
  for (let at = Math.max(start, oldestStart(consumer, now)); at <= now; ) {
    const window = TimeWindow.windowAt(consumer, at)
    if (now >= end && window.end > end) break
    if (runs.length === limit) return beyond(limit)
    runs.push(window.key)
    at = window.end
  }
  return runs.length > 0 ? Result.succeed({ runs }) : none(tooOld(consumer))
}

/** Every partition that the consumer has. */
const everyRun = (
  consumer: Partitioning | undefined,
  known: Known,
  now: number,
  limit: number
): Result.Result<Started, BeyondLimit> => {
  if (consumer === undefined) return Result.succeed({ runs: [undefined] })
  if (consumer.type === "static") return within(consumer.keys, limit, (runs) => ({ runs }))
  if (consumer.type === "timeWindow" && consumer.lookbackWindows !== undefined) {
    if (consumer.lookbackWindows > limit) return beyond(limit)
    const windows = TimeWindow.windowsBack(consumer, now, consumer.lookbackWindows)
    return Result.succeed({ runs: windows.map(({ key }) => key) })
  }
  const runs: Array<string> = []
  for (const key of known.keys()) {
    if (consumer.type === "timeWindow" && Result.isFailure(begun(consumer, key, now))) continue
    if (runs.length === limit) return beyond(limit)
    runs.push(key)
  }
  return runs.length > 0 ? Result.succeed({ runs }) : none("the consumer has no partition yet")
}

/** The one run, if the consumer may have it. */
const runOf = (consumer: Partitioning | undefined, key: string, now: number): Started => {
  if (consumer === undefined) return { runs: [key] }
  const refuse = (reason: string): Started => ({ runs: [], reason })
  if (key === "") return refuse("the production has no partition key, and the runs of the consumer have one")
  if (consumer.type === "static" && !isAmong(consumer.keys, key)) {
    return refuse(`${quoted(key)} is not a declared key of the consumer`)
  }
  if (consumer.type === "timeWindow") {
    const window = begun(consumer, key, now)
    if (Result.isFailure(window)) return refuse(`the consumer's window ${window.failure}`)
    if (window.success.start < oldestStart(consumer, now)) return refuse(tooOld(consumer))
  }
  return { runs: [key] }
}

// --------------------------------------------------------------------------------------------- windows and limits

type Windows = Extract<Partitioning, { readonly type: "timeWindow" }>

const begun = (spec: Windows, key: string, now: number): Result.Result<TimeWindow.Window, string> => {
  const window = TimeWindow.windowOf(spec, key)
  if (Result.isFailure(window) || window.success.start <= now) return window
  return Result.fail(`${quoted(key)} has not begun`)
}

const windowsWithin = (spec: Windows, from: number, to: number, limit: number) => {
  const keys: Array<string> = []
  for (let at = from; at < to; ) {
    if (keys.length === limit) return beyond(limit)
    const window = TimeWindow.windowAt(spec, at)
    keys.push(window.key)
    at = window.end
  }
  return Result.succeed(keys)
}

/** Windows that begin earlier are not run by themselves. */
const oldestStart = (consumer: Windows, now: number): number =>
  consumer.lookbackWindows === undefined
    ? Number.NEGATIVE_INFINITY
    : TimeWindow.startBack(consumer, now, consumer.lookbackWindows)

/**
 * A window that begins within the production's always exists, so that only the lookback, or the n newest having gone
 * on before its end, leaves no run.
 */
const tooOld = ({ lookbackWindows }: Windows): string =>
  lookbackWindows === undefined
    ? "no window of the consumer has it among its newest"
    : `the consumer's window is older than its lookbackWindows ${lookbackWindows}`

const nothingProduced = "nothing of the consumed asset has been produced yet"
const quoted = (text: string) => JSON.stringify(text)
const nothing = (reason: string): Result.Result<Needed, BeyondLimit> => Result.succeed({ keys: [], reason })
const none = (reason: string): Result.Result<Started, BeyondLimit> => Result.succeed({ runs: [], reason })

const beyond = (limit: number): Result.Result<never, BeyondLimit> =>
  Result.fail({ _tag: "BeyondLimit", limit, message: `there are more than ${limit} partitions` })

const within = <A>(
  keys: ReadonlyArray<string>,
  limit: number,
  make: (keys: ReadonlyArray<string>) => A
): Result.Result<A, BeyondLimit> => (keys.length > limit ? beyond(limit) : Result.succeed(make(keys)))
