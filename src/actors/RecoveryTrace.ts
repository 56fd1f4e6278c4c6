import type { State } from "../domain/recovery/RecoveryState.ts"
import type { Ended } from "./ActorTrace.ts"

const ends: ReadonlySet<string> = new Set(["RecoverySucceeded", "RecoveryFailed"])

/** A recovery's own span, from its request to its end. */
export const ended = (recovery: State, types: ReadonlyArray<string>): Ended | null =>
  types.some((type) => ends.has(type))
    ? {
        name: `recovery ${recovery.assetId}`,
        attributes: {
          "kintsugi.recovery.id": recovery.recoveryId,
          "kintsugi.asset.id": recovery.assetId,
          "kintsugi.partition": recovery.partitionKey,
          "kintsugi.outcome": recovery.status,
          "kintsugi.attempt": recovery.attempt,
          "kintsugi.waiters": recovery.waiterCount,
          ...(recovery.class === null ? {} : { "kintsugi.recovery.class": recovery.class }),
          ...(recovery.reasonCode === null ? {} : { "kintsugi.recovery.reason": recovery.reasonCode })
        },
        startedAt: recovery.requestedAt,
        endedAt: recovery.finishedAt ?? recovery.requestedAt,
        failure: recovery.status === "failed" ? (recovery.failure?.message ?? "failed") : undefined
      }
    : null
