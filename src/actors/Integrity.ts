import { Clock, Context, Duration, Effect, Layer, Schedule } from "effect"
import { Stores } from "../capabilities/Stores.ts"
import { namesOf, type Scope, scopeAssetsMax } from "../domain/integrity/Finding.ts"
import { repairable } from "../domain/integrity/IntegrityDecide.ts"
import { actorId } from "../domain/integrity/IntegrityDemand.ts"
import { keyOf } from "../domain/integrity/Finding.ts"
import type { State } from "../domain/integrity/IntegrityState.ts"
import { type FindingView, findingView, integrityView, type IntegrityView } from "../domain/integrity/IntegrityView.ts"
import { EventStore, type Position } from "../eventstore/EventStore.ts"
import * as Actors from "./Actors.ts"
import { commandRules, metadataOf, unavailable } from "./CommandRules.ts"
import { type Caller, type CommandReused, InvalidInput, type Problem, type Unavailable } from "./Engine.ts"
import { freshMsOf, IntegritySettings } from "./IntegritySettings.ts"
import { decode } from "./IntegrityActor.ts"

export interface CheckRequest {
  /** Left out: everything. */
  readonly scope?: Scope | undefined
  /** Compare the bytes' checksums, too. */
  readonly deep?: boolean | undefined
}

/** What a call of `recover` has queued: nothing while another repair is under way. */
export interface Recovered {
  readonly recheckNames: ReadonlyArray<string>
  readonly reprocessNames: ReadonlyArray<string>
  /** Work was under way already. */
  readonly inProgress: boolean
  /** The first 1,000. */
  readonly findings: ReadonlyArray<FindingView>
  /** Null: everything is in order, and nothing was asked of anybody. */
  readonly position: Position | null
}

/** Findings that one answer of `recover` repeats. */
const repeatedMax = 1_000

/** How long a repair waits for the check before it; one that takes longer is told to be in progress. */
const checkWithin = Duration.seconds(6)
const lookAgain = "50 millis"

/** Whether what is declared is there: checks, what they have found, and its repair (F69–F77). */
export class Integrity extends Context.Service<
  Integrity,
  {
    /** Asks for a check, and does not wait for it: one that waits already is enough for all who ask. */
    readonly check: (
      request: CheckRequest,
      caller?: Caller
    ) => Effect.Effect<
      { readonly integrity: IntegrityView; readonly position: Position },
      InvalidInput | CommandReused | Unavailable
    >
    /** What is known, by asset and partition. It looks into no store and asks for no check (F73, T30). */
    readonly findings: Effect.Effect<{
      readonly integrity: IntegrityView
      readonly findings: ReadonlyArray<FindingView>
    }>
    /** Looks first, then asks for the recovery of everything that was found and can be recovered (F75). */
    readonly recover: (caller?: Caller) => Effect.Effect<Recovered, CommandReused | Unavailable>
  }
>()("kintsugi/actors/Integrity") {
  static readonly layer = Layer.effect(
    Integrity,
    Effect.gen(function* () {
      const log = yield* EventStore
      const stores = yield* Stores
      const settings = yield* IntegritySettings
      const actor = yield* Actors.integrity.client
      const { isRepeat, positionOf, timely } = commandRules(log)
      const streamName = `integrity-${actorId}`
      const read = Effect.map(actor.execute(actorId, { _tag: "Read" }), ({ state }) => state)
      const viewOf = (state: State) =>
        Effect.map(Clock.currentTimeMillis, (now) => integrityView(state, now, freshMsOf(settings)))

      const check: Integrity["Service"]["check"] = Effect.fn("Integrity.check")(function* (request, caller) {
        const { deep = false, scope = {} } = request
        const problems = problemsOf(scope, stores.names)
        if (problems.length > 0) return yield* new InvalidInput({ problems })
        return yield* unavailable(
          timely(
            Effect.gen(function* () {
              const wanted = { _tag: "RequestCheck" as const, reason: "requested" as const, scope, deep }
              const command = (yield* isRepeat(caller)) ? { _tag: "Read" as const } : wanted
              const answer = yield* actor.execute(actorId, command, metadataOf(caller))
              return { integrity: yield* viewOf(answer.state), position: yield* positionOf(streamName, answer) }
            })
          )
        )
      })

      /** A check of everything that began after now has ended, or time is up. */
      const checked = Effect.gen(function* () {
        const before = yield* read
        if (before.repair !== null) return
        const wanted = { _tag: "RequestCheck" as const, reason: "requested" as const, scope: {}, deep: false }
        const { state } = yield* actor.execute(actorId, wanted)
        const number = state.checks + 1
        yield* Effect.repeat(read, { until: ({ last }) => (last?.check ?? 0) >= number, schedule: spaced })
      }).pipe(Effect.timeoutOption(checkWithin))

      const findingsOf = ({ findings }: State) =>
        [...findings.values()]
          .sort((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1))
          .slice(0, repeatedMax)
          .map(findingView)

      const repaired = Effect.fnUntraced(function* (caller: Caller | undefined): Effect.fn.Return<Recovered> {
        const before = yield* read
        const isChecking = before.running !== null || before.queued !== null
        const isWanted = before.repair === null && (isChecking || repairable(before).length > 0)
        const command = isWanted ? { _tag: "Repair" as const } : { _tag: "Read" as const }
        const answer = yield* actor.execute(actorId, command, metadataOf(caller))
        // Of two calls at once the actor takes one; the other finds what that one has begun.
        const begun = before.repair === null && answer.position !== null ? answer.state.repair : null
        const names = begun ?? namesOf([])
        const isBusy = (answer.state.last?.inProgress ?? 0) > 0 || answer.state.isRepairAwaited
        const inProgress = isBusy || (answer.state.repair !== null && begun === null)
        const findings = findingsOf(answer.state)
        const isClean = findings.length === 0 && !inProgress && answer.state.repair === null
        return {
          recheckNames: names.recheckNames,
          reprocessNames: names.reprocessNames,
          inProgress,
          findings,
          position: isClean ? null : yield* positionOf(streamName, answer)
        }
      })

      /** The answer of the same command as it was given. */
      const again = Effect.fnUntraced(function* (caller: Caller): Effect.fn.Return<Recovered> {
        const recorded = caller.commandId === undefined ? null : yield* Effect.orDie(log.findCommand(caller.commandId))
        const event = recorded === null ? null : decode(recorded)
        if (recorded === null || event?._tag !== "IntegrityRepairRequested") return yield* repaired(undefined)
        const { recheckNames, reprocessNames } = event
        const findings = findingsOf(yield* read)
        return { recheckNames, reprocessNames, inProgress: false, findings, position: recorded.position }
      })

      return Integrity.of({
        check,
        findings: Effect.gen(function* () {
          const state = yield* read
          const findings = [...state.findings.values()].sort((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1))
          return { integrity: yield* viewOf(state), findings: findings.map(findingView) }
        }),
        recover: Effect.fn("Integrity.recover")(function* (caller) {
          return yield* unavailable(
            timely(
              Effect.gen(function* () {
                if (caller !== undefined && (yield* isRepeat(caller))) return yield* again(caller)
                yield* checked
                return yield* repaired(caller)
              })
            )
          )
        })
      })
    })
  )
}

const spaced = Schedule.spaced(lookAgain)

const problemsOf = ({ assetIds, store }: Scope, stores: ReadonlyArray<string>): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  if (assetIds !== undefined && (assetIds.length === 0 || assetIds.length > scopeAssetsMax)) {
    problems.push({ path: "scope.assetIds", message: `must list 1 to ${scopeAssetsMax} assets` })
  }
  if (store !== undefined && !stores.includes(store)) {
    const known = stores.join(", ") || "none"
    problems.push({ path: "scope.store", message: `no store is named ${JSON.stringify(store)}; there are: ${known}` })
  }
  return problems
}
