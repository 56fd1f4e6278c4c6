import { Clock, Context, Effect, Layer, Random, Result } from "effect"
import * as BackfillDecide from "../domain/backfill/BackfillDecide.ts"
import * as BackfillPartitions from "../domain/backfill/BackfillPartitions.ts"
import { type BackfillView, view } from "../domain/backfill/BackfillView.ts"
import type { Definition } from "../domain/Definition.ts"
import { fold } from "../domain/Decider.ts"
import * as Id from "../domain/Id.ts"
import type { JsonObject } from "../domain/JsonBounds.ts"
import { checkAgainst } from "../domain/JsonSchemaCheck.ts"
import type { IllegalTransition } from "../domain/run/RunCommands.ts"
import { EventStore, type LogUnavailable, type Position } from "../eventstore/EventStore.ts"
import * as Actors from "./Actors.ts"
import { AssetCheck } from "./AssetCheck.ts"
import { decode } from "./BackfillActor.ts"
import { commandRules, metadataOf, unavailable } from "./CommandRules.ts"
import { Definitions } from "./Definitions.ts"
import { type Caller, type CommandReused, InvalidInput, NotFound, type Problem, type Unavailable } from "./Engine.ts"
import { LocationIndex } from "./LocationIndex.ts"

/** Partitions that were produced before and are looked at by a dry run, at most. */
const lookedAtMax = 1_000
const looksAtOnce = 32
/** Keys that a dry run lists. */
const listedMax = 1_000

export interface BackfillRequest {
  readonly workflow: string
  /** Whose partitions are meant; otherwise those of the workflow's partitioned assets. */
  readonly assetId?: string | undefined
  readonly partitions: BackfillPartitions.Selection
  /** Runs under way at once, 1 to 100; default 4. */
  readonly concurrency?: number | undefined
  /** So many run first and alone; if one fails, the rest does not begin. */
  readonly canary?: number | undefined
  readonly parameters?: JsonObject | undefined
  readonly onlyMissing?: boolean | undefined
  readonly reason?: string | undefined
}

/** What a backfill would do. */
export interface BackfillPlan {
  readonly workflow: string
  readonly assetId: string | null
  readonly total: number
  /** Partitions that would run, as things are now. */
  readonly wouldRun: number
  /** Partitions that would be skipped, because their asset is there. */
  readonly wouldSkip: number
  /** Partitions beyond the first 1,000 produced ones: each is looked at when its turn comes. */
  readonly unknown: number
  /** The first 1,000 keys that would run or are not known. */
  readonly partitions: ReadonlyArray<string>
}

type Done = { readonly backfill: BackfillView; readonly position: Position }
type Steered = Effect.Effect<Done, NotFound | IllegalTransition | CommandReused | Unavailable>

/** Backfills: asked for, read and steered by HTTP, the command line and in-process callers. */
export class Backfills extends Context.Service<
  Backfills,
  {
    readonly request: (
      request: BackfillRequest,
      caller?: Caller
    ) => Effect.Effect<Done, InvalidInput | NotFound | CommandReused | Unavailable>
    /** A dry run: looks, and starts nothing. */
    readonly plan: (request: BackfillRequest) => Effect.Effect<BackfillPlan, InvalidInput | NotFound | Unavailable>
    /** From its own stream: always current. `at` (a position or epoch ms) answers the state as it was. */
    readonly read: (id: string, at?: Position | number) => Effect.Effect<BackfillView, NotFound | LogUnavailable>
    readonly pause: (id: string, reason: string, caller?: Caller) => Steered
    readonly resume: (id: string, caller?: Caller) => Steered
    readonly cancel: (id: string, reason: string, caller?: Caller) => Steered
  }
>()("kintsugi/actors/Backfills") {
  static readonly layer = Layer.effect(
    Backfills,
    Effect.gen(function* () {
      const log = yield* EventStore
      const definitions = yield* Definitions
      const index = yield* LocationIndex
      const check = yield* AssetCheck
      const backfills = yield* Actors.backfill.client
      const { isRepeat, positionOf, timely } = commandRules(log)

      const definitionOf = (workflow: string) => {
        const defined = definitions.latest(workflow)
        return defined === undefined
          ? Effect.fail(new NotFound({ kind: "workflow", id: workflow }))
          : Effect.succeed(defined.definition)
      }

      /** The keys of a request, or everything that is wrong with it. */
      const resolved = Effect.fnUntraced(function* (request: BackfillRequest) {
        const { assetId, parameters, partitions, workflow } = request
        const definition = yield* definitionOf(workflow)
        const problems: Array<Problem> = [...boundsProblems(request)]
        problems.push(...parameterProblems(definition, parameters ?? {}))
        const subjects = BackfillPartitions.subjectsOf(definition, assetId)
        const [subject] = Result.getOrElse(subjects, () => [])
        const isDynamic = partitions === "all" && subject?.partitioning?.type === "dynamic"
        const known = isDynamic ? yield* index.partitions(subject.assetId) : []
        const now = yield* Clock.currentTimeMillis
        const keys = BackfillPartitions.resolve(definition, assetId, partitions, known, now)
        if (Result.isFailure(keys)) problems.push(...keys.failure)
        if (problems.length > 0 || Result.isFailure(keys)) return yield* new InvalidInput({ problems })
        return { keys: keys.success, subjects: Result.getOrElse(subjects, () => []) }
      })

      const answered = Effect.fnUntraced(function* (
        id: string,
        answer: Effect.Success<ReturnType<typeof backfills.execute>>
      ) {
        if (answer.state.status === null) return yield* new NotFound({ kind: "backfill", id })
        const position = yield* positionOf(`backfill-${id}`, answer)
        return { backfill: view(answer.state, answer.streamVersion), position }
      })

      const steer = (id: string, command: BackfillDecide.Unstamped, caller: Caller | undefined): Steered =>
        unavailable(
          timely(
            Effect.gen(function* () {
              const told = (yield* isRepeat(caller)) ? { _tag: "Read" as const } : command
              const answer = yield* backfills
                .execute(id, told, metadataOf(caller))
                .pipe(Effect.catchTag("UnknownBackfill", () => Effect.fail(new NotFound({ kind: "backfill", id }))))
              return yield* answered(id, answer)
            })
          )
        )

      const idOf = Effect.fnUntraced(function* (caller: Caller | undefined) {
        if (caller?.commandId !== undefined) return Id.ofParts("backfill", caller.commandId)
        // Time first, so that ids sort by age.
        const now = yield* Clock.currentTimeMillis
        const random = yield* Effect.all([Random.nextInt, Random.nextInt, Random.nextInt])
        return now.toString(32).padStart(10, "0") + Id.ofParts(now, ...random).slice(0, 16)
      })

      const request: Backfills["Service"]["request"] = Effect.fn("Backfills.request")(function* (asked, caller) {
        const id = yield* idOf(caller)
        return yield* unavailable(
          timely(
            Effect.gen(function* () {
              if (yield* isRepeat(caller)) {
                const answer = yield* Effect.orDie(backfills.execute(id, { _tag: "Read" }))
                if (answer.state.status !== null) return yield* Effect.orDie(answered(id, answer))
              }
              const { keys } = yield* resolved(asked)
              const { assetId, workflow } = asked
              const command: BackfillDecide.Unstamped = {
                ...{ _tag: "Request", backfillId: id, workflow, assetId, keys },
                concurrency: asked.concurrency ?? BackfillDecide.concurrencyDefault,
                canary: asked.canary ?? 0,
                parameters: asked.parameters ?? {},
                onlyMissing: asked.onlyMissing ?? false,
                reason: asked.reason ?? ""
              }
              const answer = yield* Effect.orDie(backfills.execute(id, command, metadataOf(caller)))
              return yield* Effect.orDie(answered(id, answer))
            })
          )
        )
      })

      const plan: Backfills["Service"]["plan"] = Effect.fn("Backfills.plan")(function* (asked) {
        const { keys, subjects } = yield* resolved(asked)
        const { assetId = null, workflow } = asked
        const base = { workflow, assetId, total: keys.length }
        if (asked.onlyMissing !== true || subjects.length === 0) {
          const partitions = keys.slice(0, listedMax)
          return { ...base, wouldRun: keys.length, wouldSkip: 0, unknown: 0, partitions }
        }
        const produced = yield* Effect.forEach(subjects, (subject) =>
          Effect.map(index.partitions(subject.assetId), (known) => new Set(known.map(Id.partitionKey)))
        )
        const isProduced = (key: string) => produced.every((known) => known.has(Id.partitionKey(key)))
        const candidates = keys.filter(isProduced)
        const isThere = (partitionKey: string) =>
          Effect.map(
            Effect.forEach(subjects, (subject) =>
              check.check({ assetId: subject.assetId, partitionKey }, { reportedBy: "backfill" })
            ),
            (found) => found.every(({ status }) => status === "present")
          )
        const looked = yield* Effect.filter(candidates.slice(0, lookedAtMax), isThere, { concurrency: looksAtOnce })
        const skipped = new Set(looked)
        const unknown = Math.max(0, candidates.length - lookedAtMax)
        return {
          ...base,
          ...{ wouldRun: keys.length - skipped.size - unknown, wouldSkip: skipped.size, unknown },
          partitions: keys.filter((key) => !skipped.has(key)).slice(0, listedMax)
        }
      })

      return Backfills.of({
        request,
        plan: (asked) => timely(plan(asked)),
        read: Effect.fn("Backfills.read")(function* (id, at) {
          const all = yield* log.read(`backfill-${id}`, 0)
          const isPast = (time: number, position: Position) =>
            at === undefined || (typeof at === "number" ? time <= at : position <= at)
          const events = all.filter(({ position, recordedAt }) => isPast(recordedAt, position))
          if (events.length === 0) return yield* new NotFound({ kind: "backfill", id })
          const { decider } = BackfillDecide
          return view(fold(decider, decider.initial, events.map(decode)), events.length)
        }),
        pause: (id, reason, caller) => steer(id, { _tag: "Pause", reason }, caller),
        resume: (id, caller) => steer(id, { _tag: "Resume" }, caller),
        cancel: (id, reason, caller) => steer(id, { _tag: "Cancel", reason }, caller)
      })
    })
  )
}

const boundsProblems = ({ canary, concurrency }: BackfillRequest): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  const isWhole = (value: number | undefined, minimum: number, maximum: number) =>
    value === undefined || (Number.isInteger(value) && value >= minimum && value <= maximum)
  const { concurrencyMax, partitionsMax } = BackfillDecide
  if (!isWhole(concurrency, 1, concurrencyMax)) {
    problems.push({ path: "concurrency", message: `must be a whole number from 1 to ${concurrencyMax}` })
  }
  if (!isWhole(canary, 0, partitionsMax)) {
    problems.push({ path: "canary", message: `must be a whole number from 0 to ${partitionsMax}` })
  }
  return problems
}

/**
 * What the given parameters break of the workflow's schema. What is missing may still come from the partition or the
 * window: whether each run's parameters are whole is judged when it starts.
 */
const parameterProblems = (
  { defaultParameters, parametersSchema }: Definition,
  given: JsonObject
): ReadonlyArray<Problem> => {
  if (parametersSchema === undefined) return []
  const faults = (parameters: JsonObject) => checkAgainst(parametersSchema, parameters, "parameters")
  const before = new Set(faults(defaultParameters).map(({ message, path }) => `${path} ${message}`))
  return faults({ ...defaultParameters, ...given }).filter(({ message, path }) => !before.has(`${path} ${message}`))
}
