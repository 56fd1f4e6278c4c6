import { Cause, Effect, Exit } from "effect"
import { StoreError } from "../../capabilities/ObjectStore.ts"
import type { Stores } from "../../capabilities/Stores.ts"
import type { Timestore } from "../../capabilities/Timestore.ts"
import type { StepDefinition } from "../../domain/Definition.ts"
import type { State } from "../../domain/run/RunState.ts"
import type { JobContext, JobInput, Json, JsonObject, Row } from "../../sdk/JobContext.ts"
import type { LocationIndex } from "../LocationIndex.ts"
import type { StaleMarks } from "../StaleMarks.ts"
import type { StoreHealth } from "../StoreHealth.ts"
import type { Attempt } from "./Attempt.ts"
import * as JobAssets from "./JobAssets.ts"
import * as JobFiles from "./JobFiles.ts"
import * as JobTimestore from "./JobTimestore.ts"
import type { Overwriting } from "./Overwriting.ts"
import type { RecordedBytes } from "./RecordedBytes.ts"
import { thrown } from "./Thrown.ts"

export interface Options {
  readonly run: State
  readonly step: StepDefinition
  readonly number: number
  readonly idempotencyKey: string
  readonly traceparent: string | undefined
  readonly parameters: JsonObject
  readonly results: Readonly<Record<string, { readonly result: unknown }>>
  readonly inputs: Readonly<Record<string, JobInput>>
  readonly signal: AbortSignal
  readonly beat: (progress?: Json) => void
  readonly attempt: Attempt
  readonly capabilities: {
    readonly stores: Stores["Service"]
    readonly timestore: Timestore["Service"]
    readonly health: StoreHealth["Service"]
    readonly index: LocationIndex["Service"]
    readonly store: string | undefined
    readonly recorded: RecordedBytes
    readonly overwriting: Overwriting
    readonly marks: StaleMarks["Service"]
  }
  readonly runLog: (effect: Effect.Effect<void>) => unknown
}

/** The `ctx` of one attempt: Promise-returning capabilities that reject with the SDK's typed errors. */
export const makeContext = (options: Options): JobContext => {
  const { attempt, capabilities, number, results, run, runLog, signal, step } = options
  const files = JobFiles.make({ ...capabilities, attempt })
  const timestore = JobTimestore.make({ ...capabilities, attempt })

  const promise = async <A>(effect: Effect.Effect<A, StoreError>): Promise<A> => {
    const exit = await Effect.runPromiseExit(effect, { signal })
    if (Exit.isSuccess(exit)) return exit.value
    const error = Cause.squash(exit.cause)
    throw error instanceof StoreError ? thrown(error) : error
  }
  const annotations = { runId: run.runId, stepId: step.id, attempt: number }
  const line =
    (log: (...message: ReadonlyArray<unknown>) => Effect.Effect<void>) => (message: string, fields?: JsonObject) => {
      runLog(Effect.annotateLogs(fields === undefined ? log(message) : log(message, fields), annotations))
    }
  const shownFile =
    (store: string) => (info: { readonly key: string; readonly bytes: number; readonly etag: string }) => ({
      ...info,
      store
    })

  return {
    runId: run.runId,
    workflowSlug: run.workflow,
    stepId: step.id,
    attempt: number,
    idempotencyKey: options.idempotencyKey,
    traceparent: options.traceparent,
    partitionKey: run.partitionKey,
    parameters: options.parameters,
    steps: Object.fromEntries(Object.entries(results).map(([id, { result }]) => [id, result as Json])),
    inputs: options.inputs,
    trigger: run.trigger,
    signal,
    heartbeat: options.beat,
    log: {
      debug: line(Effect.logDebug),
      info: line(Effect.logInfo),
      warn: line(Effect.logWarning),
      error: line(Effect.logError)
    },
    assets: JobAssets.make({ attempt, marks: capabilities.marks, signal }),
    files: {
      readText: async (store, key) => new TextDecoder().decode(await promise(files.readBytes(store, key))),
      readBytes: (store, key) => promise(files.readBytes(store, key)),
      writeText: (store, key, text) => promise(files.writeBytes(store, key, new TextEncoder().encode(text))),
      writeBytes: (store, key, bytes) => promise(files.writeBytes(store, key, bytes)),
      stat: (store, key) => promise(Effect.map(files.stat(store, key), shownFile(store))),
      list: (store, prefix = "") =>
        promise(Effect.map(files.list(store, prefix), (found) => found.map(shownFile(store)))),
      delete: (store, key) => promise(files.delete(store, key))
    },
    timestore: {
      writePartition: (dataset, partitionKey, rows) => promise(timestore.writePartition(dataset, partitionKey, rows)),
      query: (dataset, sql, params = [], chosen) =>
        promise(timestore.query(dataset, sql, params, chosen)) as Promise<ReadonlyArray<Row>>,
      listPartitions: (dataset) => promise(timestore.listPartitions(dataset))
    }
  }
}
