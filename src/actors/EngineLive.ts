import { Clock, Effect, Fiber, Layer, Result, Schedule } from "effect"
import { Stores } from "../capabilities/Stores.ts"
import { fold } from "../domain/Decider.ts"
import { contentHash, type Definition } from "../domain/Definition.ts"
import * as DefinitionCheck from "../domain/DefinitionCheck.ts"
import { checkAgainst } from "../domain/JsonSchemaCheck.ts"
import { partitionedAssets } from "../domain/Partitioning.ts"
import { runPartitionProblems } from "../domain/RunPartition.ts"
import * as RecoveryDecide from "../domain/recovery/RecoveryDecide.ts"
import * as RecoveryView from "../domain/recovery/RecoveryView.ts"
import type { NotOptional } from "../domain/run/RunCommands.ts"
import * as RunDecide from "../domain/run/RunDecide.ts"
import * as RunState from "../domain/run/RunState.ts"
import { type RunView, view as runView } from "../domain/run/RunView.ts"
import { EventStore, type Position, type RecordedEvent } from "../eventstore/EventStore.ts"
import { ActorSystem } from "./ActorSystem.ts"
import * as Actors from "./Actors.ts"
import { commandRules, metadataOf, unavailable } from "./CommandRules.ts"
import { Definitions } from "./Definitions.ts"
import { type Caller, DefinedByApp, Engine, InvalidInput, NotFound, type Problem, type StartRun } from "./Engine.ts"
import { JobRunner } from "./JobRunner.ts"
import { LoopWatch } from "./LoopWatch.ts"
import * as RecoveryActor from "./RecoveryActor.ts"
import * as RecoveryCommanding from "./RecoveryCommanding.ts"
import { PartitionKeys } from "./PartitionKeys.ts"
import { planView } from "./PlanView.ts"
import { RecoveryPlanner } from "./RecoveryPlanner.ts"
import * as RunKeyClaim from "./RunKeyClaim.ts"
import * as RunActor from "./RunActor.ts"
import * as RunCommanding from "./RunCommanding.ts"
import { RunEnds } from "./RunEnds.ts"
import { newRunId } from "./RunId.ts"
import { Slots } from "./Slots.ts"
import { StoreHealth } from "./StoreHealth.ts"
import { UpdateLoops } from "./UpdateLoops.ts"
import { WorkflowPauses } from "./WorkflowPauses.ts"
import { workflowView } from "./WorkflowView.ts"

const iso = (epochMs: number) => new Date(epochMs).toISOString()

/** The events up to a position, or up to a time. */
const upTo = (events: ReadonlyArray<RecordedEvent>, at: Position | number | undefined) =>
  at === undefined
    ? events
    : events.filter((event) => (typeof at === "number" ? event.recordedAt <= at : event.position <= at))

export const layer = Layer.effect(
  Engine,
  Effect.gen(function* () {
    const log = yield* EventStore
    const definitions = yield* Definitions
    const jobs = yield* JobRunner
    const planner = yield* RecoveryPlanner
    const stores = yield* Stores
    const health = yield* StoreHealth
    const slots = yield* Slots
    const ends = yield* RunEnds
    const system = yield* ActorSystem
    const loop = yield* LoopWatch
    const loops = yield* UpdateLoops
    const keys = yield* PartitionKeys
    const pauses = yield* WorkflowPauses
    const workflows = yield* Actors.workflow.client
    const runs = yield* Actors.run.client
    const _recoveries = yield* Actors.recovery.client

    const { isRepeat, positionOf, timely } = commandRules(log)

    const define: Engine["Service"]["define"] = (slug, input, origin, caller) =>
      unavailable(
        timely(
          Effect.gen(function* () {
            const parsed = DefinitionCheck.parse(input, jobs.has, slug)
            if (Result.isFailure(parsed)) return yield* new InvalidInput({ problems: parsed.failure.problems })
            yield* isRepeat(caller)
            const before = definitions.latest(slug)
            const { source: definition } = parsed.success
            const now = yield* Clock.currentTimeMillis
            const command = { _tag: "Define" as const, slug, definition, hash: contentHash(definition), origin, now }
            const put = workflows
              .execute(slug, command, metadataOf(caller))
              .pipe(Effect.mapError(() => new DefinedByApp({ slug })))
            const answer = yield* loops.guard(parsed.success, put)
            const defined = definitions.latest(slug)
            if (defined === undefined) return yield* Effect.die(new Error(`workflow ${slug} is not in memory`))
            const outcome =
              before === undefined ? "created" : defined.version > before.version ? "updated" : "unchanged"
            return {
              workflow: workflowView(defined, pauses),
              outcome: outcome as "created" | "updated" | "unchanged",
              position: yield* positionOf(`workflow-${slug}`, answer)
            }
          })
        )
      )

    const latest = (slug: string) => {
      const defined = definitions.latest(slug)
      return defined === undefined ? Effect.fail(new NotFound({ kind: "workflow", id: slug })) : Effect.succeed(defined)
    }

    /** Every fault of a request for a run. */
    const startProblems = (definition: Definition, start: StartRun, now: number): ReadonlyArray<Problem> => {
      const { partitionKey, runKey } = start
      const parameters = { ...definition.defaultParameters, ...start.parameters }
      const schema = definition.parametersSchema
      return [
        ...runPartitionProblems(definition, partitionKey, now),
        ...(runKey !== undefined && (runKey.length === 0 || runKey.length > 120)
          ? [{ path: "runKey", message: "must be 1 to 120 characters" }]
          : []),
        ...(schema === undefined ? [] : checkAgainst(schema, parameters, "parameters"))
      ]
    }

    const startRun: Engine["Service"]["startRun"] = (start) =>
      Effect.flatMap(newRunId(start.caller), (id) => startRunAs(id, start))

    const begunAs = Effect.fnUntraced(function* (id: string, start: StartRun) {
      const { caller, partitionKey, runKey, triggeredBy, workflow } = start
      if (yield* isRepeat(caller)) {
        const answer = yield* Effect.orDie(runs.execute(id, { _tag: "Read" }))
        if (answer.state.definition !== null) {
          const position = yield* positionOf(`run-${id}`, answer)
          return { run: runView(answer.state, answer.streamVersion), position }
        }
      }
      const defined = yield* latest(workflow)
      const problems = startProblems(defined.definition, start, yield* Clock.currentTimeMillis)
      if (problems.length > 0) return yield* new InvalidInput({ problems })
      const message = yield* keys.admit(partitionedAssets(defined.definition), partitionKey ?? "")
      if (message !== undefined) return yield* new InvalidInput({ problems: [{ path: "partitionKey", message }] })
      const command = {
        _tag: "Start" as const,
        runId: id,
        workflow,
        version: defined.version,
        definition: defined.definition,
        parameters: { ...defined.definition.defaultParameters, ...start.parameters },
        partitionKey,
        runKey,
        trigger: { type: "manual" as const, ...(triggeredBy === undefined ? {} : { by: triggeredBy }) }
      }
      const active = runKey === undefined ? id : yield* claim(runKey, id, { ...command, metadata: metadataOf(caller) })
      const answer = yield* active === id ? Effect.orDie(runs.execute(id, command, metadataOf(caller))) : begun(active)
      // A run is the answer to its own request only, not to another that came to the same id.
      const position = yield* positionOf(`run-${active}`, answer)
      return { run: runView(answer.state, answer.streamVersion), position }
    })
    const startRunAs = (id: string, start: StartRun) => unavailable(timely(begunAs(id, start)))

    const claim = yield* RunKeyClaim.make

    /** Whoever has the key may have died before its run was in the log: the key's actor starts it then. */
    const begun = (id: string) =>
      Effect.orDie(runs.execute(id, { _tag: "Read" })).pipe(
        Effect.repeat({ until: ({ state }) => state.definition !== null, schedule: Schedule.spaced("50 millis") })
      )

    const readRun = Effect.fnUntraced(function* (id: string, at?: Position | number) {
      const events = upTo(yield* log.read(`run-${id}`, 0), at)
      if (events.length === 0) return yield* new NotFound({ kind: "run", id })
      const state = fold(
        RunDecide.decider,
        RunState.initial,
        events.map((event) => RunActor.decode(definitions, event))
      )
      return runView(state, events.length)
    })

    const isOver = ({ status }: RunView) => status === "succeeded" || status === "failed" || status === "canceled"
    const awaitRun = (id: string) =>
      Effect.scoped(
        Effect.gen(function* () {
          // Asked for before the run is read: an end in between is not missed.
          const end = yield* Effect.forkScoped(ends.next(id), { startImmediately: true })
          const now = yield* readRun(id)
          if (isOver(now)) return now
          yield* Fiber.join(end)
          return yield* readRun(id)
        })
      )

    const runToEnd: Engine["Service"]["runToEnd"] = Effect.fnUntraced(function* (start) {
      const id = yield* newRunId(start.caller)
      const end = yield* Effect.forkChild(ends.next(id), { startImmediately: true })
      const { run } = yield* startRunAs(id, start)
      // Another run has the key, or this one is over: it is read instead of waited for.
      if (run.id !== id || isOver(run)) yield* Fiber.interrupt(end)
      else return yield* Fiber.join(end)
      return (yield* awaitRun(run.id)).status as "succeeded" | "failed" | "canceled"
    })

    const commanding = yield* RunCommanding.make(log)
    /** Only steps are refused for being needed. */
    const told = <A, E>(effect: Effect.Effect<A, E | NotOptional>) =>
      unavailable(timely(Effect.catchTag(effect, "NotOptional", Effect.die)))

    /** What the log says that this recover kept and ran again; without a command id it is the newest one of the run. */
    const recoveredAs = Effect.fnUntraced(function* (id: string, caller: Caller | undefined) {
      const command = caller?.commandId === undefined ? null : yield* log.findCommand(caller.commandId)
      const recorded =
        command ?? (yield* log.read(`run-${id}`, 0)).findLast(({ type }) => type === "RunRecovered") ?? null
      const event = recorded === null ? null : RunActor.decode(definitions, recorded)
      if (event?._tag !== "RunRecovered") return yield* Effect.die(new Error(`run ${id} was not recovered`))
      return { kept: event.kept, rerun: event.rerun }
    })

    const readRecovery = Effect.fnUntraced(function* (id: string, at?: Position | number) {
      const events = upTo(yield* log.read(`recovery-${id}`, 0), at)
      if (events.length === 0) return yield* new NotFound({ kind: "recovery", id })
      const state = fold(RecoveryDecide.decider, RecoveryDecide.decider.initial, events.map(RecoveryActor.decode))
      return RecoveryView.view(state, events.length)
    })

    const commandRecovery = yield* RecoveryCommanding.make(log)

    const storeView = Effect.fnUntraced(function* ({
      error,
      name,
      since,
      status
    }: Effect.Success<typeof health.list>[number]) {
      const { type } = yield* Effect.orDie(stores.config(name))
      // Known without the log but for this: it is not waited for when that hangs.
      const waiting = yield* log.waitingOn(`store:${name}`, "", 1_000).pipe(
        Effect.timeout("2 seconds"),
        Effect.orElseSucceed(() => [])
      )
      return { name, type, status, since: iso(since), error, waiting: waiting.length }
    })

    return Engine.of({
      define,
      workflows: Effect.sync(() => definitions.all().map((defined) => workflowView(defined, pauses))),
      workflow: (slug) => Effect.map(latest(slug), (defined) => workflowView(defined, pauses)),
      definition: (slug, version) => {
        const defined = definitions.get(slug, version)
        return defined === undefined
          ? Effect.fail(new NotFound({ kind: "workflow", id: `${slug}@${version}` }))
          : Effect.succeed(defined.definition)
      },
      startRun,
      run: readRun,
      runToEnd,
      awaitRun,
      cancelRun: (id, reason, caller) => told(commanding.command(id, { _tag: "Cancel", reason }, caller)),
      recoverRun: (id, caller) =>
        told(
          Effect.gen(function* () {
            const { position, run } = yield* commanding.reopening(id, { _tag: "Recover" }, caller)
            return { run, ...(yield* recoveredAs(id, caller)), position }
          })
        ),
      recovery: readRecovery,
      retryRecovery: (id, caller) => commandRecovery(id, { _tag: "Retry" }, caller),
      cancelRecovery: (id, reason, caller) => commandRecovery(id, { _tag: "Cancel", reason }, caller),
      planRecovery: (assetId, partitionKey) => timely(planView(planner, assetId, partitionKey)),
      stores: Effect.flatMap(health.list, (all) => Effect.forEach(all, storeView, { concurrency: "unbounded" })),
      gauges: Effect.sync(() => {
        const { capacity, executing, waiting } = slots.stats()
        let residentActors = 0
        for (const bucket of system.local.values()) residentActors += bucket.size()
        return {
          executing,
          waitingForSlot: waiting,
          concurrency: capacity,
          residentActors,
          loopBlockedMs: loop.blockedMs()
        }
      })
    })
  })
)
