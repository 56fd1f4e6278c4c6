import { DateTime } from "effect"
import type { Failure } from "../domain/Failure.ts"
import { declaredId } from "../domain/FanOut.ts"
import * as Id from "../domain/Id.ts"
import type { UsedInput } from "../domain/Production.ts"
import type * as RunEvents from "../domain/run/RunEvents.ts"
import * as RunUuid from "./RunUuid.ts"

/** The version of OpenLineage that is spoken. */
export const spec = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
const facets = "https://openlineage.io/spec/facets"

/** Names of this Kintsugi at the receiver. `producer`: a URI of the program; `namespace`: of its jobs and assets. */
export interface Names {
  readonly producer: string
  readonly namespace: string
}

type Facet = { readonly _producer: string; readonly _schemaURL: string } & { readonly [field: string]: unknown }

/** An asset, with the generation of its one partition that is meant as its version. */
export interface Dataset {
  readonly namespace: string
  readonly name: string
  readonly facets?: { readonly version: Facet }
}

/** A RunEvent of OpenLineage 2-0-2, with the fields that are sent. */
export interface RunEvent {
  readonly eventType: "START" | "COMPLETE" | "FAIL" | "ABORT"
  readonly eventTime: string
  readonly producer: string
  readonly schemaURL: string
  readonly run: { readonly runId: string; readonly facets?: { readonly [name: string]: Facet } }
  readonly job: { readonly namespace: string; readonly name: string }
  readonly inputs: ReadonlyArray<Dataset>
  readonly outputs: ReadonlyArray<Dataset>
}

/** Types of the log's events that become run events. */
export const types = [
  ...["RunRequested", "RunRecovered", "RunRestored", "RunSucceeded", "RunFailed", "RunCanceled", "RunInterrupted"],
  ...["StepStarted", "StepExpanded", "StepSucceeded", "StepOutputsRecorded", "StepFailed", "StepSkipped"]
] as const

export interface Attempt {
  readonly stepId: string
  readonly attempt: number
}

/** The run that an event is of. `open`: attempts that had begun and not ended before it. */
export interface Run {
  readonly runId: string
  readonly workflow: string
  readonly open: ReadonlyArray<Attempt>
}

/**
 * What an event of a run is for OpenLineage: the run is a run of the job `<workflow>`, each attempt of a step a run of its
 * own of the job `<workflow>.<step>`, whose parent it is. An attempt that produces is complete when its outputs have
 * their generations. `at`: epoch ms.
 */
export const of = (event: RunEvents.Stored, at: number, run: Run, names: Names): ReadonlyArray<RunEvent> => {
  const { namespace, producer } = names
  const base = {
    eventTime: DateTime.formatIso(DateTime.makeUnsafe(at)),
    producer,
    schemaURL: `${spec}#/$defs/RunEvent`
  }
  const none = { inputs: [], outputs: [] }
  const runUuid = RunUuid.of("run", run.runId)
  const facet = (name: string, fields: object): Facet => ({
    _producer: producer,
    _schemaURL: `${facets}/1-0-1/${name}.json#/$defs/${name}`,
    ...fields
  })
  const error = ({ code, message }: Failure) => ({
    errorMessage: facet("ErrorMessageRunFacet", { message: `${code}: ${message}`, programmingLanguage: "TypeScript" })
  })
  const parent = facet("ParentRunFacet", { run: { runId: runUuid }, job: { namespace, name: run.workflow } })
  const whole = (eventType: RunEvent["eventType"], failure?: Failure): RunEvent => ({
    eventType,
    ...base,
    run: { runId: runUuid, ...(failure === undefined ? {} : { facets: error(failure) }) },
    job: { namespace, name: run.workflow },
    ...none
  })
  const attempt = (
    eventType: RunEvent["eventType"],
    { attempt, stepId }: Attempt,
    more: {
      readonly failure?: Failure
      readonly inputs?: ReadonlyArray<Dataset>
      readonly outputs?: ReadonlyArray<Dataset>
    } = {}
  ): RunEvent => {
    const { failure, inputs = [], outputs = [] } = more
    const runId = RunUuid.of("attempt", run.runId, stepId, attempt)
    return {
      eventType,
      ...base,
      run: { runId, facets: { parent, ...(failure === undefined ? {} : error(failure)) } },
      job: { namespace, name: `${run.workflow}.${stepId}` },
      inputs,
      outputs
    }
  }
  const datasets = (used: ReadonlyArray<UsedInput>) => datasetsOf(used, names)

  switch (event._tag) {
    case "RunRequested":
    case "RunRecovered":
      return [whole("START")]
    case "RunRestored":
      return [...run.open.map((open) => attempt("ABORT", open)), whole("START")]
    case "RunSucceeded":
      return [whole("COMPLETE")]
    case "RunFailed":
      return [whole("FAIL", event.failure)]
    case "RunCanceled":
      return [...run.open.map((open) => attempt("ABORT", open)), whole("ABORT")]
    case "RunInterrupted":
      return event.steps.map((cut) => attempt("ABORT", cut))
    case "StepSkipped": {
      const isSkipped = ({ stepId }: Attempt) =>
        stepId === event.stepId || (event.children === true && declaredId(stepId) === event.stepId)
      return run.open.filter(isSkipped).map((open) => attempt("ABORT", open))
    }
    case "StepStarted":
      return [attempt("START", event, { inputs: datasets(event.inputs ?? []) })]
    case "StepExpanded":
      return [attempt("START", event)]
    case "StepSucceeded":
      return (event.produced ?? []).length > 0 ? [] : [attempt("COMPLETE", event)]
    case "StepOutputsRecorded":
      return [attempt("COMPLETE", event, { outputs: datasets(event.generations) })]
    case "StepFailed":
      // A fan-out that cannot be expanded fails without having begun: no attempt has the number 0.
      return [
        ...(event.attempt === 0 ? [attempt("START", event)] : []),
        attempt("FAIL", event, { failure: event.failure })
      ]
    default:
      return []
  }
}

/** An asset is one dataset, however many of its partitions are used; a single one's generation is its version. */
export const datasetsOf = (used: ReadonlyArray<UsedInput>, { namespace, producer }: Names): ReadonlyArray<Dataset> => {
  const byAsset = new Map<string, Array<UsedInput>>()
  for (const input of used) {
    const key = Id.assetKey(input.assetId)
    byAsset.set(key, [...(byAsset.get(key) ?? []), input])
  }
  return [...byAsset.values()].map(([first, ...others]): Dataset => {
    const { assetId, generation, partitionKey } = first!
    if (others.length > 0) return { namespace, name: assetId }
    const name = "DatasetVersionDatasetFacet"
    const version = {
      _producer: producer,
      _schemaURL: `${facets}/1-0-1/${name}.json#/$defs/${name}`,
      datasetVersion: partitionKey === "" ? String(generation) : `${partitionKey}/${generation}`
    }
    return { namespace, name: assetId, facets: { version } }
  })
}
