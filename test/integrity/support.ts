import { Effect } from "effect"
import { type CheckRequest, Integrity } from "../../src/actors/Integrity.ts"
import { until } from "../support/engine.ts"

/** Judges what is seconds old, as fast as it can: what tests do is never a minute ago. */
export const atOnce = { integrity: { isAutomatic: false, toleranceMs: 0, assetsPerSecond: 100_000 } } as const

const idle = Effect.gen(function* () {
  const { integrity } = yield* (yield* Integrity).findings
  return integrity
})

/** Waits until nothing is checked or repaired any more. */
export const settled = until(
  idle,
  ({ inProgress, state }) => state !== "refresh_queued" && state !== "refresh_running" && !inProgress,
  "end of checks and repairs"
)

/** A check from its request to its end: what it knows then, by name. */
export const checked = Effect.fnUntraced(function* (request: CheckRequest = {}) {
  const service = yield* Integrity
  const before = (yield* service.findings).integrity.last?.check ?? 0
  yield* service.check(request)
  yield* until(idle, ({ last, running }) => running === null && (last?.check ?? 0) > before, "end of a check")
  return yield* service.findings
})

/** Each finding as [name, kind, action, targets]. */
export const briefly = (findings: Effect.Success<Integrity["Service"]["findings"]>["findings"]) =>
  findings.map(({ action, assetId, kind, partitionKey, targets }) => [
    partitionKey === null ? assetId : `${assetId}[${partitionKey}]`,
    kind,
    action,
    targets.join(",")
  ])
