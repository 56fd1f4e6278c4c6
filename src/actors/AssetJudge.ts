import { Clock, Context, DateTime, Effect, Layer } from "effect"
import type * as Asset from "../domain/Asset.ts"
import { assetName, type AssetRef, storableText } from "../domain/Failure.ts"
import * as Id from "../domain/Id.ts"
import {
  type Finding,
  type FindingKind,
  namesMax,
  reasonLengthMax,
  type RepairKind
} from "../domain/integrity/Finding.ts"
import { membershipFault } from "../domain/Partitioning.ts"
import type { LogUnavailable } from "../eventstore/EventStore.ts"
import { AssetCheck } from "./AssetCheck.ts"
import type { InventoryRow } from "./AssetInventory.ts"
import * as Glance from "./Glance.ts"
import { Definitions, partitioningOf } from "./Definitions.ts"
import { IntegritySettings } from "./IntegritySettings.ts"
import * as PartProbe from "./PartProbe.ts"
import { type Planned, planSteps, RecoveryPlanner } from "./RecoveryPlanner.ts"
import { RecoveryEnabled } from "./RecoverySettings.ts"
import { UpdateLoops } from "./UpdateLoops.ts"
import * as WorkUnderWay from "./WorkUnderWay.ts"

/** What is said of one asset partition. */
export type Judgement =
  | { readonly type: "fine" }
  | { readonly type: "found"; readonly finding: Finding }
  /** Somebody works on it: nothing is said of it now. */
  | { readonly type: "inProgress" }
  | { readonly type: "unreadable"; readonly store: string; readonly message: string }
  | { readonly type: "failed"; readonly message: string }

const fine: Judgement = { type: "fine" }
const inProgress: Judgement = { type: "inProgress" }
const partsAtOnce = 8

/** What is known before a plan says what would help. */
interface Suspicion {
  readonly kind: FindingKind
  readonly repair: RepairKind
  readonly reason: string
  readonly store?: string
  readonly key?: string
}

/**
 * Says whether an asset partition is as it was declared and recorded. The read model and a light look find who is
 * suspicious; only the Asset's own state, a confirmed probe and a plan make a finding of it.
 */
export class AssetJudge extends Context.Service<
  AssetJudge,
  {
    /** The rows that one question to each store does not find in order: those have to be looked at one by one. */
    readonly suspects: (rows: ReadonlyArray<InventoryRow>) => Effect.Effect<ReadonlyArray<InventoryRow>>
    readonly recorded: (row: InventoryRow, isDeep: boolean) => Effect.Effect<Judgement, LogUnavailable>
    /** A partition that is declared, and that the read model does not know. */
    readonly declared: (ref: AssetRef) => Effect.Effect<Judgement, LogUnavailable>
  }
>()("kintsugi/actors/AssetJudge") {
  static readonly layer = Layer.effect(
    AssetJudge,
    Effect.gen(function* () {
      const assets = yield* AssetCheck
      const definitions = yield* Definitions
      const planner = yield* RecoveryPlanner
      const loops = yield* UpdateLoops
      const isHealing = yield* RecoveryEnabled
      const { toleranceMs } = yield* IntegritySettings
      const { isGoingOn } = yield* WorkUnderWay.make
      const { look } = yield* PartProbe.make
      const glance = yield* Glance.make

      /** A time in the future is no reason to wait: a clock was wrong, and is no authority on what is under way (T29). */
      const isUnderWay = (at: number, now: number) => at <= now && now - at < toleranceMs

      /** Nobody declares it any more, nobody announced it, or its key has been taken out of the list. */
      const isForgotten = ({ assetId, partitionKey }: AssetRef, source: string | null | undefined) => {
        if (definitions.producersOf(assetId).length === 0) return source === null || source === undefined
        const partitioning = partitioningOf(definitions, assetId)
        return partitioning?.type === "static" && membershipFault(partitioning, partitionKey) !== undefined
      }

      /** The bad part, if there is one; the parts that cannot be looked at come first, because they hide the rest. */
      const worst = (ref: AssetRef, parts: InventoryRow["parts"], isDeep: boolean) =>
        Effect.map(
          Effect.forEach(parts, (part) => look(ref, part, isDeep), { concurrency: partsAtOnce }),
          (verdicts) => {
            const order = ["unreadable", "refused", "absent", "truncated", "corrupt", "changed"]
            const bad = verdicts.flatMap((verdict) => (verdict.status === "fine" ? [] : [verdict]))
            return bad.sort((left, right) => order.indexOf(left.status) - order.indexOf(right.status))[0] ?? null
          }
        )

      /** Inputs of which there is something newer to make it from; a round of updates is never finished. */
      const outdatedBy = (row: InventoryRow, now: number) =>
        row.outdatedBy.filter(
          ({ assetId, recordedAt }) =>
            !isUnderWay(recordedAt, now) &&
            Id.assetKey(assetId) !== Id.assetKey(row.assetId) &&
            !loops.isCyclic(row.workflow, assetId)
        )

      const isAged = (row: InventoryRow, now: number) =>
        (row.staleSince !== null && !isUnderWay(row.staleSince, now)) ||
        (row.expiredAt !== null && !isUnderWay(row.expiredAt, now)) ||
        outdatedBy(row, now).length > 0

      /** What the Asset itself says of its age, and the read model of its inputs. */
      const ageOf = (row: InventoryRow, state: Asset.State, now: number): Suspicion | null => {
        const stale = (reason: string): Suspicion => ({ kind: "stale", repair: "refresh", reason })
        const name = assetName(row)
        if (state.stale !== null && !isUnderWay(state.stale.since, now)) {
          return stale(`${name} is marked stale: ${state.stale.note}`)
        }
        if (state.expiredAt !== null && !isUnderWay(state.expiredAt, now)) {
          return stale(`${name} has expired at ${DateTime.formatIso(DateTime.makeUnsafe(state.expiredAt))}`)
        }
        if (state.latest?.generation !== row.generation) return null
        const [input] = outdatedBy(row, now)
        if (input === undefined) return null
        return stale(
          `${name} was made from generation ${input.used} of ${assetName(input)}, of which there is generation ${input.generation}`
        )
      }

      const rootsOf = (planned: Planned): ReadonlyArray<string> => {
        const roots = new Set<string>()
        const seen = new Set<Planned>()
        const open = [planned]
        while (open.length > 0) {
          const next = open.pop()!
          if (seen.has(next)) continue
          seen.add(next)
          if (next.missing.length === 0) roots.add(assetName(next.ref))
          open.push(...next.missing)
        }
        return [...roots].sort().slice(0, namesMax)
      }

      /** What would help, by the same plan that a Recovery would follow. */
      const found = Effect.fnUntraced(function* (ref: AssetRef, generation: number, suspicion: Suspicion) {
        const { kind, reason, repair } = suspicion
        const place = {
          ...(suspicion.store === undefined ? {} : { store: suspicion.store }),
          ...(suspicion.key === undefined ? {} : { key: suspicion.key })
        }
        const wrong = kind === "malformed"
        const plan = yield* planner.plan(ref, { refresh: repair === "refresh" || wrong, wrong })
        if (plan.type === "present") return fine
        if (plan.type === "unavailable") {
          return { type: "unreadable" as const, store: plan.store, message: plan.failure.message }
        }
        const base = { ...ref, generation, ...place }
        if (plan.type === "unrecoverable") {
          const { message, reasonCode, rootCause } = plan
          const isOwn = Id.asset(rootCause.assetId, rootCause.partitionKey) === Id.asset(ref.assetId, ref.partitionKey)
          const finding: Finding = {
            ...{ ...base, kind: kind === "missing" && !isOwn ? "blocked" : kind, action: "recheck", targets: [] },
            ...{ reason: bounded(`${reason}; ${message}`), repair: "none", plan: [], reasonCode }
          }
          return { type: "found" as const, finding }
        }
        const { planned } = plan
        const isBlocked = kind === "missing" && planned.missing.length > 0
        const helps = isHealing && repair !== "none"
        const steps = planSteps(planned).slice(0, namesMax)
        const finding: Finding = {
          ...{ ...base, kind: isBlocked ? "blocked" : kind, action: planned.class },
          targets: helps ? rootsOf(planned) : [],
          reason: bounded(`${reason}; ${isHealing ? planned.why : "recovery is switched off (KINTSUGI_RECOVERY)"}`),
          repair: helps ? repair : "none",
          plan: helps ? steps.map((step) => ({ name: assetName(step), class: step.class })) : []
        }
        return { type: "found" as const, finding }
      })

      /** What the light look suspects is looked at again, as the Asset itself has it now. */
      const confirmed = Effect.fnUntraced(function* (
        row: InventoryRow,
        isDeep: boolean
      ): Effect.fn.Return<Judgement, LogUnavailable> {
        const ref = { assetId: row.assetId, partitionKey: row.partitionKey }
        const state = yield* assets.read(ref)
        const { latest, missing } = state
        if (latest === null || isForgotten(ref, latest.source)) return fine
        if (yield* isGoingOn(ref, state)) return inProgress
        const bad = yield* worst(ref, latest.parts, isDeep)
        if (bad?.status === "unreadable") return { type: "unreadable", store: bad.part.store, message: bad.message }
        if (bad?.status === "refused") return { type: "failed", message: bad.message }
        const at = bad === null ? {} : { store: bad.part.store, key: bad.part.key }
        if (bad?.status === "absent" || missing !== null) {
          const reality = yield* assets.check(ref, { reportedBy: "integrity" })
          if (reality.status === "unavailable") {
            return { type: "unreadable", store: reality.store, message: reality.failure.message }
          }
          if (reality.status === "missing") {
            const what = bad === null ? `${assetName(ref)} is reported missing` : `${at.store}/${at.key} is gone`
            return yield* found(ref, reality.generation, { kind: "missing", repair: "recover", reason: what, ...at })
          }
        }
        if (bad !== null && bad.status !== "absent") {
          // What somebody else has put there may be meant: it is told, and not replaced.
          const repair = bad.status === "changed" ? "none" : "quarantine"
          const advice = repair === "none" ? "; delete it to have it made again" : ""
          const reason = `${bad.message}${advice}`
          return yield* found(ref, latest.generation, { kind: "malformed", repair, reason, ...at })
        }
        const aged = ageOf(row, state, yield* Clock.currentTimeMillis)
        return aged === null ? fine : yield* found(ref, latest.generation, aged)
      })

      return AssetJudge.of({
        suspects: Effect.fnUntraced(function* (rows) {
          const isFine = yield* glance(rows)
          const now = yield* Clock.currentTimeMillis
          return rows.filter((row) => row.isMissing || isAged(row, now) || !isFine(row))
        }),
        recorded: Effect.fnUntraced(function* (row, isDeep) {
          if (isForgotten(row, row.source)) return fine
          const bad = yield* worst(row, row.parts, isDeep)
          // A store that is away is not asked once more, and an object that it refuses may have been replaced.
          if (bad?.status === "unreadable") return { type: "unreadable", store: bad.part.store, message: bad.message }
          const isSuspicious = bad !== null || row.isMissing || isAged(row, yield* Clock.currentTimeMillis)
          return isSuspicious ? yield* confirmed(row, isDeep) : fine
        }),
        declared: Effect.fnUntraced(function* (ref) {
          const state = yield* assets.read(ref)
          if (state.latest !== null) return fine
          if (yield* isGoingOn(ref, state)) return inProgress
          const reason = `${assetName(ref)} is declared and was never produced`
          return yield* found(ref, 0, { kind: "never_produced", repair: "recover", reason })
        })
      })
    })
  )
}

const bounded = (reason: string): string => storableText(reason).slice(0, reasonLengthMax)
