import { Console, Effect, Schedule, Schema } from "effect"
import * as Remote from "./Remote.ts"
import type { ClientSettings } from "./Settings.ts"

/** Something is wrong with what is declared, or could not be looked at. */
export class IntegrityViolated extends Schema.TaggedError<IntegrityViolated>()("IntegrityViolated", {
  message: Schema.String
}) {}

export interface CheckOptions {
  readonly deep: boolean
  readonly assetIds: ReadonlyArray<string> | undefined
  readonly partitionKey: string | undefined
  readonly store: string | undefined
  readonly wait: boolean
  readonly json: boolean
}

const Finding = Schema.Struct({
  assetId: Schema.String,
  partitionKey: Schema.NullOr(Schema.String),
  kind: Schema.String,
  action: Schema.String,
  targets: Schema.Array(Schema.String),
  reason: Schema.String,
  since: Schema.String,
  count: Schema.Int,
  escalated: Schema.Boolean
})
type Finding = typeof Finding.Type

const Check = Schema.Struct({
  check: Schema.Int,
  looked: Schema.Int,
  inProgress: Schema.Int,
  omitted: Schema.Int,
  failedCount: Schema.Int,
  unreadable: Schema.Array(Schema.Struct({ store: Schema.String, message: Schema.String, assets: Schema.Int }))
})

const standing = {
  state: Schema.String,
  generation: Schema.Int,
  checkedAt: Schema.NullOr(Schema.String),
  inProgress: Schema.Boolean,
  running: Schema.NullOr(Check),
  last: Schema.NullOr(Check)
}
const Standing = Schema.Struct({ data: Schema.Struct(standing) })
const Findings = Schema.Struct({
  data: Schema.Array(Finding),
  nextCursor: Schema.NullOr(Schema.String),
  ...standing
})
const Repair = Schema.Struct({
  data: Schema.Struct({
    recheckNames: Schema.Array(Schema.String),
    reprocessNames: Schema.Array(Schema.String),
    inProgress: Schema.Boolean,
    findings: Schema.Array(Finding)
  })
})

const lookEvery = "500 millis"
/** A server that is restarted meanwhile is waited for. */
const patience = Schedule.min([Schedule.spaced("1 second"), Schedule.recurs(60)])
/** Findings that are printed for people; the rest is counted. */
const shownMax = 50
const pageSize = 500

/** Every finding, and where checks stand. */
const read = Effect.fnUntraced(function* (remote: Remote.Remote) {
  const found: Array<Finding> = []
  let cursor: string | null = null
  while (true) {
    const after: string = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`
    const page: typeof Findings.Type = yield* remote
      .call(Findings, "GET", `/integrity/findings?limit=${pageSize}${after}`)
      .pipe(Effect.retry({ schedule: patience, while: ({ _tag }) => _tag === "RemoteFailed" }))
    found.push(...page.data)
    cursor = page.nextCursor
    if (cursor === null) return { ...page, data: found }
  }
})

/** Waits until a check of at least this number has ended, and nothing goes on. */
const settled = Effect.fnUntraced(function* (remote: Remote.Remote, number: number) {
  while (true) {
    const now = yield* read(remote)
    const isOver = now.running === null && now.state !== "refresh_queued" && (now.last?.check ?? 0) >= number
    if (isOver) return now
    yield* Effect.sleep(lookEvery)
  }
})

const counted = (count: number): string => `${count} ${count === 1 ? "finding" : "findings"}`

const nameOf = ({ assetId, partitionKey }: Finding) => (partitionKey === null ? assetId : `${assetId}[${partitionKey}]`)

const lines = ({ data, last }: typeof Findings.Type): ReadonlyArray<string> => {
  const width = Math.max(0, ...data.slice(0, shownMax).map((finding) => nameOf(finding).length))
  const shown = data.slice(0, shownMax).map((finding) => {
    const { count, escalated, kind, reason, targets } = finding
    const way = targets.length === 0 ? "no repair" : finding.action
    const often = count === 1 ? "" : ` (found ${count} times${escalated ? ", look at it" : ""})`
    return `  ${nameOf(finding).padEnd(width)}  ${kind.padEnd(14)}  ${way.padEnd(9)}  ${reason}${often}`
  })
  const more = data.length - shown.length + (last?.omitted ?? 0)
  return [...shown, ...(more > 0 ? [`  and ${more} more`] : [])]
}

const report = Effect.fnUntraced(function* (found: typeof Findings.Type, json: boolean) {
  const { data, last, nextCursor: _, ...rest } = found
  if (json) return yield* Console.log(JSON.stringify({ ...rest, last, findings: data }))
  const looked = last === null ? "nothing was checked yet" : `${last.looked} looked at`
  const busy = last !== null && last.inProgress > 0 ? `, ${last.inProgress} in progress` : ""
  const failed = last !== null && last.failedCount > 0 ? `, ${last.failedCount} could not be judged` : ""
  yield* Console.log(`${counted(data.length)} (${found.state}): ${looked}${busy}${failed}`)
  for (const line of lines(found)) yield* Console.log(line)
  for (const { assets, message, store } of last?.unreadable ?? []) {
    yield* Console.log(`  store ${store} could not be read (${assets} assets): ${message}`)
  }
})

const judged = ({ data, last }: typeof Findings.Type) => {
  const unseen = (last?.unreadable ?? []).length + (last?.failedCount ?? 0)
  if (data.length === 0 && unseen === 0) return Effect.void
  const what = data.length === 0 ? "not everything could be looked at" : counted(data.length)
  return Effect.fail(new IntegrityViolated({ message: `integrity: ${what}` }))
}

export const check = Effect.fn("Integrity.check")(function* (settings: ClientSettings, options: CheckOptions) {
  const remote = yield* Remote.connect(settings)
  const { assetIds, deep, json, partitionKey, store } = options
  const scope = Object.fromEntries(
    Object.entries({ assetIds, partitionKey, store }).filter(([, value]) => value !== undefined)
  )
  const { data } = yield* remote.call(Standing, "POST", "/integrity/checks", { scope, deep })
  if (!options.wait) {
    return yield* Console.log(
      json
        ? JSON.stringify(data)
        : `a check is ${data.running === null ? "queued" : "running"}: kintsugi integrity findings`
    )
  }
  const number = Math.max(data.running?.check ?? 0, data.last?.check ?? 0) + 1
  const found = yield* settled(remote, number)
  yield* report(found, json)
  return yield* judged(found)
})

export const findings = Effect.fn("Integrity.findings")(function* (settings: ClientSettings, json: boolean) {
  const remote = yield* Remote.connect(settings)
  return yield* report(yield* read(remote), json)
})

export const recover = Effect.fn("Integrity.recover")(function* (
  settings: ClientSettings,
  options: { readonly wait: boolean; readonly json: boolean; readonly reason: string | undefined }
) {
  const remote = yield* Remote.connect(settings)
  const body = options.reason === undefined ? {} : { reason: options.reason }
  const { data } = yield* remote.call(Repair, "POST", "/integrity/recover", body)
  const { inProgress, recheckNames, reprocessNames } = data
  const count = recheckNames.length + reprocessNames.length
  if (!options.wait) {
    if (options.json) return yield* Console.log(JSON.stringify(data))
    const queued = [
      ...recheckNames.map((name) => `  recheck    ${name}`),
      ...reprocessNames.map((name) => `  reprocess  ${name}`)
    ]
    const otherwise = data.findings.length === 0 ? "everything is in order" : "nothing of it can be recovered"
    const nothing = inProgress ? "a repair or a run is under way: nothing was queued" : otherwise
    yield* Console.log(count === 0 ? nothing : `${count} queued`)
    for (const line of queued) yield* Console.log(line)
    return
  }
  let now = yield* read(remote)
  while (now.inProgress || now.running !== null || now.state === "refresh_queued") {
    yield* Effect.sleep(lookEvery)
    now = yield* read(remote)
  }
  if (!options.json) yield* Console.log(`${count} queued, and the repair has ended`)
  yield* report(now, options.json)
  return yield* judged(now)
})
