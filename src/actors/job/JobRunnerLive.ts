import { Cause, Clock, Duration, Effect, Exit, Layer, Random, Result } from "effect"
import { Stores } from "../../capabilities/Stores.ts"
import { Timestore } from "../../capabilities/Timestore.ts"
import type { StepDefinition } from "../../domain/Definition.ts"
import { assetName, type AssetRef, type Failure, storable } from "../../domain/Failure.ts"
import * as Id from "../../domain/Id.ts"
import * as Template from "../../domain/Template.ts"
import type { Outcome } from "../../domain/run/RunCommands.ts"
import { type State, step as stepState, stepDefinition } from "../../domain/run/RunState.ts"
import { templateContext } from "../../domain/run/RunTemplates.ts"
import type { Job } from "../../sdk/Job.ts"
import type { Json, JsonObject } from "../../sdk/JobContext.ts"
import * as Actors from "../Actors.ts"
import { AssetCheck } from "../AssetCheck.ts"
import { Inputs } from "../Inputs.ts"
import * as Trace from "../../eventstore/Trace.ts"
import { JobRunner } from "../JobRunner.ts"
import { LocationIndex } from "../LocationIndex.ts"
import { LoopWatch } from "../LoopWatch.ts"
import { PartitionKeys } from "../PartitionKeys.ts"
import { RecentWrites } from "../RecentWrites.ts"
import { healsStep, RecoveryEnabled } from "../RecoverySettings.ts"
import { StaleMarks } from "../StaleMarks.ts"
import { StoreHealth } from "../StoreHealth.ts"
import { App } from "./App.ts"
import * as Attempt from "./Attempt.ts"
import { makeContext } from "./Context.ts"
import * as HttpStep from "./HttpStep.ts"
import * as JobInputs from "./JobInputs.ts"
import * as Overwriting from "./Overwriting.ts"
import * as RecordedBytes from "./RecordedBytes.ts"
import { outcomeOf } from "./Results.ts"
import { failureOf } from "./Thrown.ts"

const timedOut = (step: StepDefinition): Failure => ({
  class: "transient",
  code: "timeout",
  message: `step ${step.id} took longer than its timeoutMs (${step.timeoutMs})`
})
const silent = (step: StepDefinition): Failure => ({
  class: "transient",
  code: "heartbeat_timeout",
  message: `step ${step.id} gave no heartbeat for its heartbeatTimeoutMs (${step.heartbeatTimeoutMs})`
})

/** Runs a job to its answer: a Promise, a plain value or an Effect. Interruption aborts the signal. */
const call = (
  job: Job,
  makeContextWith: (signal: AbortSignal) => Parameters<Job["run"]>[0],
  partitionKey: string | undefined
) =>
  Effect.callback<unknown, Failure>((resume, interrupted) => {
    const controller = new AbortController()
    interrupted.addEventListener("abort", () => controller.abort(interrupted.reason))
    const fail = (error: unknown) => resume(Effect.fail(failureOf(error, partitionKey)))
    try {
      const answer = job.run(makeContextWith(controller.signal))
      if (Effect.isEffect(answer)) {
        resume(
          Effect.catchCause(answer as Effect.Effect<unknown, unknown>, (cause) =>
            Cause.hasInterruptsOnly(cause)
              ? Effect.interrupt
              : Effect.fail(failureOf(Cause.squash(cause), partitionKey))
          )
        )
      } else if (answer instanceof Promise) answer.then((value) => resume(Effect.succeed(value)), fail)
      else resume(Effect.succeed(answer))
    } catch (error) {
      fail(error)
    }
  })

export const layer = Layer.effect(
  JobRunner,
  Effect.gen(function* () {
    const app = yield* App
    const stores = yield* Stores
    const timestore = yield* Timestore
    const health = yield* StoreHealth
    const index = yield* LocationIndex
    const assets = yield* AssetCheck
    const inputs = yield* Inputs
    const keys = yield* PartitionKeys
    const marks = yield* StaleMarks
    const loop = yield* LoopWatch
    const recentWrites = yield* RecentWrites
    const enabled = yield* RecoveryEnabled
    const runs = yield* Actors.run.client
    const clock = yield* Clock.Clock
    /** No probe would ever say that a store is back which the app does not name: its outage is not waited for. */
    const waitable = (failure: Failure): Failure => {
      if (failure.class !== "store_unavailable" || failure.store === undefined) return failure
      if (stores.names.includes(failure.store)) return failure
      const { store: _, ...rest } = failure
      return rest
    }

    /**
     * What a driver says of its store has been classified; what a job says of one is looked at first, because the
     * breaker closes the store for everybody: a store that answers is a reason to try again, not to wait.
     */
    const believed = (failure: Failure): Effect.Effect<Failure> => {
      const { capability, code, store } = failure
      const isClaim = failure.class === "store_unavailable" && code === "store_unavailable" && capability === undefined
      if (!isClaim || store === undefined) return Effect.succeed(failure)
      return Effect.map(health.confirmRoot(store), (root) =>
        root === "ready" ? { ...failure, class: "transient", code: "store_answers" } : failure
      )
    }

    /** Fails once no heartbeat has come for the step's time. */
    const watch = (step: StepDefinition, lastBeat: () => number): Effect.Effect<never, Failure> => {
      const limitMs = step.heartbeatTimeoutMs
      if (limitMs === undefined) return Effect.never
      return Effect.gen(function* () {
        while (true) {
          const leftMs = lastBeat() + limitMs - clock.currentTimeMillisUnsafe()
          if (leftMs <= 0) return yield* Effect.fail(silent(step))
          yield* Effect.sleep(Duration.millis(leftMs))
        }
      })
    }

    const attemptOf = Effect.fnUntraced(function* (run: State, step: StepDefinition, number: number) {
      const work = step.request ?? app.jobs.get(step.jobSlug ?? "")
      if (work === undefined) {
        const message = `step ${step.id} names job ${step.jobSlug}, which the app does not define`
        return yield* Effect.fail<Failure>({ class: "permanent", code: "unknown_job", message })
      }
      // With the attempt's span and annotations, whoever logs: a job's promise has no fiber of its own.
      const runLog = Effect.runForkWith(yield* Effect.context<never>())
      const traceparent = yield* Trace.current
      const context = templateContext(run, step.id)
      const rendered = Template.renderDeep(step.parameters as JsonObject, context, `steps.${step.id}.parameters`)
      if (Result.isFailure(rendered)) {
        const { message } = rendered.failure
        return yield* Effect.fail<Failure>({ class: "permanent", code: "template_unresolved", message })
      }
      const parameters = { ...run.parameters, ...(rendered.success as JsonObject) } as JsonObject
      const resolved = step.consumes.length === 0 ? [] : yield* inputs.resolve(run, step.id)
      const consumed = yield* JobInputs.read(assets, resolved)
      const writer = { runId: run.runId, stepId: step.id }
      const attempt = Attempt.make(writer, number, JobInputs.parts(consumed), recentWrites.note)
      const heals = healsStep(enabled, run.definition, step.id)
      const recorded = RecordedBytes.make({ attempt, own: makes(run, step), heals, assets, index, recentWrites })
      const noted = run.overwriting[step.id] ?? []
      const overwriting = Overwriting.make({ attempt, noted, heals, index, runs })
      let beatAt = clock.currentTimeMillisUnsafe()
      const beat = (progress?: Json) => {
        beatAt = clock.currentTimeMillisUnsafe()
        if (progress !== undefined) {
          runLog(Effect.logDebug("heartbeat", { runId: run.runId, stepId: step.id, attempt: number, progress }))
        }
      }
      // What a restore has superseded is to be done again: it must not be taken for a repetition of what was done.
      const { superseded } = stepState(run, step.id)
      const idempotencyKey = Id.ofParts("step", run.runId, step.id, ...(superseded === undefined ? [] : [superseded]))
      const withSignal = (signal: AbortSignal) =>
        makeContext({
          run,
          step,
          number,
          idempotencyKey,
          traceparent,
          parameters,
          results: context.steps,
          inputs: JobInputs.shown(consumed, step),
          signal,
          beat,
          attempt,
          capabilities: { stores, timestore, health, index, store: app.timestoreStore, recorded, overwriting, marks },
          runLog
        })
      const executed: Effect.Effect<unknown, Failure | HttpStep.HttpFailed> =
        "run" in work
          ? call(work, withSignal, run.partitionKey)
          : HttpStep.perform({ step, request: work, context, idempotencyKey, traceparent, settings: app.http })
      const limited = Effect.timeoutOrElse(executed, {
        duration: Duration.millis(step.timeoutMs),
        orElse: () => Effect.fail(timedOut(step))
      })
      const answer = yield* Effect.raceFirst(
        limited,
        watch(step, () => beatAt)
      ).pipe(Effect.onExit(() => Effect.sync(attempt.close)))
      const outcome = yield* outcomeOf({ run, step, answer, attempt, stores, health, keys })
      if (heals && outcome.ok) yield* refuseOverwriting(step, attempt, outcome.unowned)
      return outcome
    })

    /** A part of another asset that was overwritten and is not listed would be healed behind the step's back. */
    const refuseOverwriting = Effect.fnUntraced(function* (
      step: StepDefinition,
      attempt: Attempt.Attempt,
      unowned: ReadonlyArray<string>
    ) {
      for (const name of unowned) {
        const { key, sha256, store } = attempt.writes.get(name)!
        const recorded = yield* index.recorded(store, key)
        const owner = recorded === null || recorded.sha256 === sha256 ? null : yield* index.owner(store, key)
        if (owner === null) continue
        const message =
          `step ${step.id} wrote over ${name}, a part of ${assetName(owner)}, without listing it: ` +
          "list it under an asset that the step produces, or write to another key"
        return yield* Effect.fail<Failure>({
          class: "permanent",
          code: "overwrote_asset",
          message,
          asset: owner,
          store,
          key
        })
      }
    })

    const execute: JobRunner["Service"]["execute"] = Effect.fnUntraced(function* (run, stepId, attempt) {
      const step = stepDefinition(run, stepId)
      if (step === undefined) return yield* Effect.die(new Error(`run ${run.runId} has no step ${stepId}`))
      const name = `${run.workflow}/${stepId} (run ${run.runId})`
      const left = [loop.enter(name), recentWrites.begin({ runId: run.runId, stepId }, makes(run, step))]
      const ended = yield* Effect.ensuring(
        Effect.exit(attemptOf(run, step, attempt)),
        Effect.sync(() => {
          for (const leave of left) leave()
        })
      )
      if (Exit.isSuccess(ended)) {
        for (const name of ended.value.ok ? ended.value.unowned : []) {
          yield* Effect.logWarning(`step ${stepId} of run ${run.runId} wrote ${name}, which belongs to no asset`)
        }
        return ended.value
      }
      if (Cause.hasInterruptsOnly(ended.cause)) return yield* Effect.interrupt
      const thrown = Cause.squash(ended.cause)
      const { failure: error, retryAfterMs } = isHttpFailed(thrown)
        ? thrown
        : { failure: thrown, retryAfterMs: undefined }
      const told = waitable(isFailure(error) ? storable(error) : failureOf(error, run.partitionKey))
      const failure = yield* believed(told)
      yield* health.observe(failure)
      const delay = retryAfterMs === undefined ? {} : { retryAfterMs }
      const outcome: Outcome = { ok: false, failure, heal: true, random: yield* Random.next, ...delay }
      return outcome
    })

    return JobRunner.of({ execute, has: (jobSlug) => app.jobs.has(jobSlug) })
  })
)

/** The asset partitions that the step makes in this run, unless its job says another key. */
const makes = (run: State, step: StepDefinition): ReadonlyArray<AssetRef> =>
  step.produces.map(({ assetId }) => ({ assetId, partitionKey: run.partitionKey ?? "" }))

const isHttpFailed = (value: unknown): value is HttpStep.HttpFailed =>
  typeof value === "object" && value !== null && "failure" in value && "retryAfterMs" in value

const isFailure = (value: unknown): value is Failure =>
  typeof value === "object" && value !== null && "class" in value && "code" in value && !(value instanceof Error)
