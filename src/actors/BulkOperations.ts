import { Clock, Context, Effect, Layer, Random } from "effect"
import * as BulkDecide from "../domain/bulk/BulkDecide.ts"
import { type Action, recoveryActions, type Target } from "../domain/bulk/BulkEvents.ts"
import { type BulkView, view } from "../domain/bulk/BulkView.ts"
import { fold } from "../domain/Decider.ts"
import * as Id from "../domain/Id.ts"
import type { JsonObject } from "../domain/JsonBounds.ts"
import type { IllegalTransition } from "../domain/run/RunCommands.ts"
import { EventStore, type LogUnavailable, type Position } from "../eventstore/EventStore.ts"
import * as Actors from "./Actors.ts"
import { decode } from "./BulkActor.ts"
import * as BulkPlan from "./BulkPlan.ts"
import { commandRules, metadataOf, unavailable } from "./CommandRules.ts"
import { type Caller, type CommandReused, InvalidInput, NotFound, type Problem, type Unavailable } from "./Engine.ts"

/** What a filter has matched: at most as many as the limit lets in. */
export interface Matched {
  readonly ids: ReadonlyArray<string>
  readonly more: boolean
}

export interface BulkRequest {
  /** Default: runs. */
  readonly target?: Target | undefined
  readonly action: Action
  /** As the lists take it; empty only with `all`. */
  readonly filter?: JsonObject | undefined
  /** Whatever there is, up to the limit. */
  readonly all?: boolean | undefined
  /** 1 to 1,000; default 100. */
  readonly limit?: number | undefined
  /** So many are done first, and the rest only when they have ended well; 0 to 100. */
  readonly canary?: number | undefined
  /** 1 to 100; default 20. */
  readonly ratePerSecond?: number | undefined
  readonly reason: string
}

type Done = { readonly bulk: BulkView; readonly position: Position }

/** One command for many runs or recoveries: asked for, read and canceled by HTTP and in-process callers. */
export class BulkOperations extends Context.Service<
  BulkOperations,
  {
    /** `select` finds what the request matches; a repeated request does not select again. */
    readonly request: <E>(
      request: BulkRequest,
      select: Effect.Effect<Matched, E>,
      caller?: Caller
    ) => Effect.Effect<Done, E | InvalidInput | CommandReused | Unavailable>
    /** A dry run: what would be done, as things are now. Nothing is. */
    readonly plan: <E>(
      request: BulkRequest,
      select: Effect.Effect<Matched, E>
    ) => Effect.Effect<BulkPlan.BulkPlan, E | InvalidInput | Unavailable>
    /** From its own stream: always current. `at` (a position or epoch ms) answers the state as it was. */
    readonly read: (id: string, at?: Position | number) => Effect.Effect<BulkView, NotFound | LogUnavailable>
    /** Nothing further is begun; what is under way (at most 20 items) is finished and counted. */
    readonly cancel: (
      id: string,
      reason: string,
      caller?: Caller
    ) => Effect.Effect<Done, NotFound | IllegalTransition | CommandReused | Unavailable>
  }
>()("kintsugi/actors/BulkOperations") {
  static readonly layer = Layer.effect(
    BulkOperations,
    Effect.gen(function* () {
      const log = yield* EventStore
      const bulks = yield* Actors.bulk.client
      const planOf = yield* BulkPlan.make(log)
      const { isRepeat, positionOf, timely } = commandRules(log)

      const answered = Effect.fnUntraced(function* (
        id: string,
        answer: Effect.Success<ReturnType<typeof bulks.execute>>
      ) {
        if (answer.state.status === null) return yield* new NotFound({ kind: "bulk", id })
        return { bulk: view(answer.state, answer.streamVersion), position: yield* positionOf(`bulk-${id}`, answer) }
      })

      const idOf = Effect.fnUntraced(function* (caller: Caller | undefined) {
        if (caller?.commandId !== undefined) return Id.ofParts("bulk", caller.commandId)
        // Time first, so that ids sort by age.
        const now = yield* Clock.currentTimeMillis
        const random = yield* Effect.all([Random.nextInt, Random.nextInt, Random.nextInt])
        return now.toString(32).padStart(10, "0") + Id.ofParts(now, ...random).slice(0, 16)
      })

      const asked = <E>(
        request: BulkRequest,
        select: Effect.Effect<Matched, E>
      ): Effect.Effect<Matched, E | InvalidInput> => {
        const problems = problemsOf(request)
        return problems.length > 0 ? Effect.fail(new InvalidInput({ problems })) : select
      }

      return BulkOperations.of({
        request: (request, select, caller) =>
          unavailable(
            timely(
              Effect.gen(function* () {
                const id = yield* idOf(caller)
                if (yield* isRepeat(caller)) {
                  const answer = yield* Effect.orDie(bulks.execute(id, { _tag: "Read" }))
                  if (answer.state.status !== null) return yield* Effect.orDie(answered(id, answer))
                }
                const { ids, more } = yield* asked(request, select)
                const { action, canary = 0, filter = {}, ratePerSecond = BulkDecide.rateDefault, reason } = request
                const command: BulkDecide.Unstamped = {
                  ...{ _tag: "Request", bulkId: id, target: request.target ?? "runs", action, filter, ids, more },
                  ...{ canary, ratePerSecond, reason, principal: caller?.principal }
                }
                const answer = yield* Effect.orDie(bulks.execute(id, command, metadataOf(caller)))
                return yield* Effect.orDie(answered(id, answer))
              })
            )
          ),

        plan: (request, select) =>
          Effect.flatMap(asked(request, select), (matched) =>
            timely(planOf(request.target ?? "runs", request.action, matched))
          ),

        read: Effect.fn("BulkOperations.read")(function* (id, at) {
          const all = yield* log.read(`bulk-${id}`, 0)
          const recorded = all.filter(
            ({ position, recordedAt }) =>
              at === undefined || (typeof at === "number" ? recordedAt <= at : position <= at)
          )
          if (recorded.length === 0) return yield* new NotFound({ kind: "bulk", id })
          return view(fold(BulkDecide.decider, BulkDecide.decider.initial, recorded.map(decode)), recorded.length)
        }),

        cancel: (id, reason, caller) =>
          unavailable(
            timely(
              Effect.gen(function* () {
                const command: BulkDecide.Unstamped = (yield* isRepeat(caller))
                  ? { _tag: "Read" }
                  : { _tag: "Cancel", reason }
                const answer = yield* bulks
                  .execute(id, command, metadataOf(caller))
                  .pipe(Effect.catchTag("UnknownBulk", () => Effect.fail(new NotFound({ kind: "bulk", id }))))
                return yield* answered(id, answer)
              })
            )
          )
      })
    })
  )
}

const problemsOf = (request: BulkRequest): ReadonlyArray<Problem> => {
  const { action, all = false, canary, filter = {}, limit, ratePerSecond, reason, target = "runs" } = request
  const problems: Array<Problem> = []
  const whole = (path: string, value: number | undefined, minimum: number, maximum: number) => {
    if (value === undefined || (Number.isInteger(value) && value >= minimum && value <= maximum)) return
    problems.push({ path, message: `must be a whole number from ${minimum} to ${maximum}` })
  }
  if (target === "recoveries" && !recoveryActions.some((known) => known === action)) {
    problems.push({ path: "action", message: `must be one of ${recoveryActions.join(", ")}: recoveries know no other` })
  }
  const isEmpty = Object.keys(filter).length === 0
  if (isEmpty && !all) {
    problems.push({
      path: "filter",
      message: `must say which ${target} are meant; for whatever there is say "all": true`
    })
  }
  if (all && !isEmpty) problems.push({ path: "all", message: "must not be true with a filter: leave one of them out" })
  if (reason.trim() === "") problems.push({ path: "reason", message: "must say why, in words" })
  whole("limit", limit, 1, BulkDecide.limitMax)
  whole("canary", canary, 0, BulkDecide.canaryMax)
  whole("ratePerSecond", ratePerSecond, 1, BulkDecide.rateMax)
  return problems
}
