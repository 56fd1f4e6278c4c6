import { Clock, Effect } from "effect"
import { Engine } from "../../actors/Engine.ts"
import type { AttentionItem } from "../../projections/AttentionQuery.ts"
import type { ProjectionStatus } from "../../projections/ProjectionRunner.ts"
import { within, patience } from "../Answer.ts"
import type { QueueHealth } from "../api/Admin.ts"
import type { RecoverySummary } from "../api/RecoverySchemas.ts"
import { AttentionReads } from "../AttentionReads.ts"
import { Reads } from "../Reads.ts"

const attentionShownMax = 100
const recoveriesShownMax = 20

type Store = Effect.Success<Engine["Service"]["stores"]>[number]

/** What the page shows; null: it cannot be read now. */
export interface View {
  /** Epoch ms. */
  readonly now: number
  /** The worst first. */
  readonly attention: { readonly items: ReadonlyArray<AttentionItem>; readonly hasMore: boolean } | null
  readonly muted: ReadonlyArray<AttentionItem> | null
  readonly queues: QueueHealth | null
  readonly recoveries: ReadonlyArray<RecoverySummary> | null
  readonly stores: ReadonlyArray<Store> | null
  readonly projections: ReadonlyArray<ProjectionStatus> | null
}

/** Asks everything at once; what does not answer in time is shown as such, because that is when somebody looks. */
export const read = Effect.gen(function* () {
  const attention = yield* AttentionReads
  const reads = yield* Reads
  const engine = yield* Engine
  const soon = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A | null> =>
    Effect.orElseSucceed(within(patience, effect, "too late"), () => null)
  const bySeverity = Effect.forEach(
    ["critical", "error", "warning"] as const,
    (severity) => attention.list({ severity }, { limit: attentionShownMax }),
    { concurrency: "unbounded" }
  )
  const found = yield* Effect.all(
    {
      now: Clock.currentTimeMillis,
      lists: soon(bySeverity),
      muted: soon(attention.list({ muted: "true" }, { limit: attentionShownMax })),
      queues: soon(reads.queueHealth(undefined)),
      recoveries: soon(reads.listRecoveries({}, { limit: recoveriesShownMax })),
      stores: soon(engine.stores),
      projections: soon(reads.projections)
    },
    { concurrency: "unbounded" }
  )
  const { lists, muted, recoveries, ...rest } = found
  const all = lists?.flatMap(({ data }) => data) ?? []
  const view: View = {
    ...rest,
    attention:
      lists === null
        ? null
        : {
            items: all.slice(0, attentionShownMax),
            hasMore: all.length > attentionShownMax || lists.some(({ nextCursor }) => nextCursor !== null)
          },
    muted: muted?.data ?? null,
    recoveries: recoveries?.data ?? null
  }
  return view
})
