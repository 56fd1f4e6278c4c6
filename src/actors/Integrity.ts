import { Clock, Context, Effect, Layer } from "effect"
import { Stores } from "../capabilities/Stores.ts"
import { keyOf, type Scope, scopeAssetsMax } from "../domain/integrity/Finding.ts"
import { actorId } from "../domain/integrity/IntegrityDemand.ts"
import type { State } from "../domain/integrity/IntegrityState.ts"
import { type FindingView, findingView, integrityView, type IntegrityView } from "../domain/integrity/IntegrityView.ts"
import { EventStore, type Position } from "../eventstore/EventStore.ts"
import * as Actors from "./Actors.ts"
import { AssetInventory } from "./AssetInventory.ts"
import { commandRules, metadataOf, unavailable } from "./CommandRules.ts"
import { Definitions } from "./Definitions.ts"
import { type Caller, type CommandReused, InvalidInput, type Problem, type Unavailable } from "./Engine.ts"
import { freshMsOf, IntegritySettings } from "./IntegritySettings.ts"
import * as RepairCalls from "./RepairCalls.ts"

export interface CheckRequest {
  /** Left out: everything. */
  readonly scope?: Scope | undefined
  /** Compare the bytes' checksums, too. */
  readonly deep?: boolean | undefined
}

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
    readonly recover: (caller?: Caller) => Effect.Effect<RepairCalls.Recovered, CommandReused | Unavailable>
  }
>()("kintsugi/actors/Integrity") {
  static readonly layer = Layer.effect(
    Integrity,
    Effect.gen(function* () {
      const log = yield* EventStore
      const stores = yield* Stores
      const definitions = yield* Definitions
      const inventory = yield* AssetInventory
      const settings = yield* IntegritySettings
      const actor = yield* Actors.integrity.client
      const calls = yield* RepairCalls.make
      const { isRepeat, positionOf, timely } = commandRules(log)
      const streamName = `integrity-${actorId}`
      const read = Effect.map(actor.execute(actorId, { _tag: "Read" }), ({ state }) => state)
      const viewOf = (state: State) =>
        Effect.map(Clock.currentTimeMillis, (now) => integrityView(state, now, freshMsOf(settings)))

      const isUnknown = (assetId: string) =>
        definitions.producersOf(assetId).length > 0
          ? Effect.succeed(false)
          : Effect.map(inventory.recorded(assetId, null), ({ size }) => size === 0)

      /** Of an asset that nobody knows a check would say that all is well. */
      const unknownAssets = Effect.fnUntraced(function* ({ assetIds = [] }: Scope) {
        const unknown = yield* Effect.filter(assetIds, isUnknown)
        if (unknown.length === 0) return []
        // The inventory is a moment behind the log: what was announced just now comes with the wait.
        yield* inventory.ready
        return (yield* Effect.filter(unknown, isUnknown)).map((assetId): Problem => {
          const message = `no asset is named ${JSON.stringify(assetId)}: no workflow produces it, and none was recorded`
          return { path: `scope.assetIds[${assetIds.indexOf(assetId)}]`, message }
        })
      })

      const check: Integrity["Service"]["check"] = Effect.fn("Integrity.check")(function* (request, caller) {
        const { deep = false, scope = {} } = request
        const problems = problemsOf(scope, stores.names)
        if (problems.length > 0) return yield* new InvalidInput({ problems })
        const unknown = yield* unavailable(timely(unknownAssets(scope)))
        if (unknown.length > 0) return yield* new InvalidInput({ problems: unknown })
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
                if (caller?.commandId === undefined || !(yield* isRepeat(caller))) return yield* calls.recover(caller)
                const recorded = yield* log.findCommand(caller.commandId)
                return yield* recorded === null ? calls.recover(undefined) : calls.again(recorded)
              })
            )
          )
        })
      })
    })
  )
}

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
