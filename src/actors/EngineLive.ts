import { Clock, Duration, Effect, Fiber, Layer, Random, Result } from "effect"
import { Stores } from "../capabilities/Stores.ts"
import { fold } from "../domain/Decider.ts"
import { contentHash, type Definition } from "../domain/Definition.ts"
import * as DefinitionCheck from "../domain/DefinitionCheck.ts"
import * as Id from "../domain/Id.ts"
import { checkAgainst } from "../domain/JsonSchemaCheck.ts"
import { partitionedAssets } from "../domain/Partitioning.ts"
import { runPartitionProblems } from "../domain/RunPartition.ts"
import * as RecoveryDecide from "../domain/recovery/RecoveryDecide.ts"
import * as RecoveryView from "../domain/recovery/RecoveryView.ts"
import { IllegalTransition } from "../domain/run/RunCommands.ts"
import * as RunDecide from "../domain/run/RunDecide.ts"
import * as RunState from "../domain/run/RunState.ts"
import { type RunView, view as runView } from "../domain/run/RunView.ts"
import { EventStore, LogUnavailable, type Metadata, Position, type RecordedEvent } from "../eventstore/EventStore.ts"
import { ActorSystem } from "./ActorSystem.ts"
import * as Actors from "./Actors.ts"
import type { Answer } from "./Behaviour.ts"
import { type DefinedVersion, Definitions } from "./Definitions.ts"
import {
  type Caller,
  CommandReused,
  DefinedByApp,
  Engine,
  InvalidInput,
  NotFound,
  type Problem,
  type StartRun,
  Unavailable,
  type WorkflowView
} from "./Engine.ts"
import { JobRunner } from "./JobRunner.ts"
import { LoopWatch } from "./LoopWatch.ts"
import * as RecoveryActor from "./RecoveryActor.ts"
import { PartitionKeys } from "./PartitionKeys.ts"
import { planView } from "./PlanView.ts"
import { RecoveryPlanner } from "./RecoveryPlanner.ts"
import * as RunActor from "./RunActor.ts"
import { RunEnds } from "./RunEnds.ts"
import { Slots } from "./Slots.ts"
import { StoreHealth } from "./StoreHealth.ts"
import { UpdateLoops } from "./UpdateLoops.ts"

/** How long a command waits for the log before it answers that it is unavailable; it may still happen. */
const commandTimeoutMs = 10_000

const iso = (epochMs: number) => new Date(epochMs).toISOString()

const workflowView = ({ definedAt, json, origin, slug, version }: DefinedVersion): WorkflowView => ({
  slug,
  version,
  origin,
  definition: json,
  definedAt: iso(definedAt)
})

/** The events up to a position, or up to a time. */
const upTo = (events: ReadonlyArray<RecordedEvent>, at: Position | number | undefined) =>
  at === undefined
    ? events
    : events.filter((event) => (typeof at === "number" ? event.recordedAt <= at : event.position <= at))

const metadataOf = (caller: Caller | undefined): Metadata =>
  caller === undefined
    ? {}
    : (Object.fromEntries(Object.entries(caller).filter(([, value]) => value !== undefined)) as Metadata)

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
    const workflows = yield* Actors.workflow.client
    const runs = yield* Actors.run.client
    const runKeys = yield* Actors.runKey.client
    const recoveries = yield* Actors.recovery.client

    /** Commands wait for the log for a bounded time. The wait is given up, the command is not. */
    const timely = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | Unavailable> =>
      Effect.gen(function* () {
        if (!(yield* log.available)) {
          return yield* new Unavailable({ message: "the database is away; try again" })
        }
        return yield* Effect.timeoutOrElse(effect, {
          duration: Duration.millis(commandTimeoutMs),
          orElse: () =>
            Effect.fail(
              new Unavailable({ message: `no answer within ${commandTimeoutMs} ms; the command may still happen` })
            )
        })
      })

    /** The place of the stream's newest event: for a command that had nothing left to do. */
    const positionOf = <State>(streamName: string, { position, streamVersion }: Answer<State>) =>
      position !== null
        ? Effect.succeed(position)
        : Effect.map(Effect.orDie(log.read(streamName, Math.max(0, streamVersion - 1), 1)), (events) =>
            events.length === 0 ? Position.make("00000000-0000000000000000-0000000000000000") : events[0]!.position
          )

    /** Whether this very command was done before; with another body it is refused. */
    const isRepeat = Effect.fnUntraced(function* (caller: Caller | undefined) {
      if (caller?.commandId === undefined) return false
      const known = yield* log.findCommand(caller.commandId)
      if (known === null) return false
      if (known.metadata.requestHash !== caller.requestHash) {
        return yield* new CommandReused({ commandId: caller.commandId })
      }
      return true
    })
    const unavailable = <A, E>(
      effect: Effect.Effect<A, E>
    ): Effect.Effect<A, Exclude<E, LogUnavailable> | Unavailable> =>
      Effect.mapError(effect, (error) =>
        error instanceof LogUnavailable
          ? new Unavailable({ message: error.message })
          : (error as Exclude<E, LogUnavailable>)
      )

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
              workflow: workflowView(defined),
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

    const runId = (caller: Caller | undefined) =>
      caller?.commandId !== undefined
        ? Effect.succeed(Id.ofParts("run", caller.commandId))
        : Effect.gen(function* () {
            // Time first, so that ids sort by age and neighbours share index pages.
            const now = yield* Clock.currentTimeMillis
            const random = yield* Effect.all([Random.nextInt, Random.nextInt, Random.nextInt])
            return now.toString(32).padStart(10, "0") + Id.ofParts(now, ...random).slice(0, 16)
          })

    const startRun: Engine["Service"]["startRun"] = (start) =>
      Effect.flatMap(runId(start.caller), (id) => startRunAs(id, start))

    const startRunAs = (id: string, start: StartRun) =>
      unavailable(
        timely(
          Effect.gen(function* () {
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
            const active =
              runKey === undefined
                ? id
                : yield* claim(workflow, runKey, id, { ...command, metadata: metadataOf(caller) })
            const answer = yield* Effect.orDie(
              active === id ? runs.execute(id, command, metadataOf(caller)) : runs.execute(active, { _tag: "Read" })
            )
            // A run is the answer to its own request only, not to another that came to the same id.
            const position = yield* positionOf(`run-${active}`, answer)
            return { run: runView(answer.state, answer.streamVersion), position }
          })
        )
      )

    /** The active run of the key: this one, or the one that has it already. */
    const claim = Effect.fnUntraced(function* (workflow: string, runKey: string, id: string, command: object) {
      const { definition: _, ...start } = command as { readonly definition: unknown }
      const now = yield* Clock.currentTimeMillis
      const { state } = yield* runKeys.execute(Id.runKey(workflow, runKey), { _tag: "Claim", runId: id, start, now })
      return state.active?.runId ?? id
    })

    /** A failed run that goes on has its run key again; while another run has it, it cannot. */
    const reclaim = Effect.fnUntraced(function* ({ ended, runId, runKey, workflow }: RunState.State) {
      if (runKey === undefined || ended !== "failed") return
      const now = yield* Clock.currentTimeMillis
      const { state } = yield* runKeys.execute(Id.runKey(workflow, runKey), { _tag: "Reclaim", runId, now })
      if (state.active !== null && state.active.runId !== runId) {
        const status = `failed, and its run key belongs to run ${state.active.runId} now`
        return yield* new IllegalTransition({ command: "recover", status })
      }
    })

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
      const id = yield* runId(start.caller)
      const end = yield* Effect.forkChild(ends.next(id), { startImmediately: true })
      const { run } = yield* startRunAs(id, start)
      // Another run has the key, or this one is over: it is read instead of waited for.
      if (run.id !== id || isOver(run)) yield* Fiber.interrupt(end)
      else return yield* Fiber.join(end)
      return (yield* awaitRun(run.id)).status as "succeeded" | "failed" | "canceled"
    })

    const commandRun = (id: string, command: Parameters<typeof runs.execute>[1], caller: Caller | undefined) =>
      Effect.gen(function* () {
        const repeat = yield* isRepeat(caller)
        const answer = yield* runs
          .execute(id, repeat ? { _tag: "Read" } : command, metadataOf(caller))
          .pipe(Effect.catchTag("UnknownRun", () => Effect.fail(new NotFound({ kind: "run", id }))))
        if (answer.state.definition === null) return yield* new NotFound({ kind: "run", id })
        return {
          answer,
          run: runView(answer.state, answer.streamVersion),
          position: yield* positionOf(`run-${id}`, answer)
        }
      })

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

    const commandRecovery = (
      id: string,
      command: Parameters<typeof recoveries.execute>[1],
      caller: Caller | undefined
    ) =>
      unavailable(
        timely(
          Effect.gen(function* () {
            const repeat = yield* isRepeat(caller)
            const answer = yield* recoveries
              .execute(id, repeat ? { _tag: "Read" } : command, metadataOf(caller))
              .pipe(Effect.catchTag("UnknownRecovery", () => Effect.fail(new NotFound({ kind: "recovery", id }))))
            if (answer.state.round === 0) return yield* new NotFound({ kind: "recovery", id })
            return {
              recovery: RecoveryView.view(answer.state, answer.streamVersion),
              position: yield* positionOf(`recovery-${id}`, answer)
            }
          })
        )
      )

    return Engine.of({
      define,
      workflows: Effect.sync(() => definitions.all().map(workflowView)),
      workflow: (slug) => Effect.map(latest(slug), workflowView),
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
      cancelRun: (id, reason, caller) =>
        unavailable(
          timely(
            Effect.map(commandRun(id, { _tag: "Cancel", reason }, caller), ({ position, run }) => ({ run, position }))
          )
        ),
      recoverRun: (id, caller) =>
        unavailable(
          timely(
            Effect.gen(function* () {
              const before = yield* Effect.orDie(runs.execute(id, { _tag: "Read" }))
              // A repeated command changes nothing: least of all who has the run key now.
              if (!(yield* isRepeat(caller))) yield* reclaim(before.state)
              const { position, run } = yield* commandRun(id, { _tag: "Recover" }, caller)
              return { run, ...(yield* recoveredAs(id, caller)), position }
            })
          )
        ),
      recovery: readRecovery,
      retryRecovery: (id, caller) => commandRecovery(id, { _tag: "Retry" }, caller),
      cancelRecovery: (id, reason, caller) => commandRecovery(id, { _tag: "Cancel", reason }, caller),
      planRecovery: (assetId, partitionKey) => timely(planView(planner, assetId, partitionKey)),
      stores: Effect.gen(function* () {
        const found = []
        for (const { error, name, since, status } of yield* health.list) {
          const { type } = yield* Effect.orDie(stores.config(name))
          const waiting = yield* Effect.orElseSucceed(log.waitingOn(`store:${name}`, "", 1_000), () => [])
          found.push({ name, type, status, since: iso(since), error, waiting: waiting.length })
        }
        return found
      }),
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
