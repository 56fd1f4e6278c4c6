import { Context, Effect, Layer, Result } from "effect"
import type { StepDefinition } from "../domain/Definition.ts"
import { assetName, type AssetRef, type Failure } from "../domain/Failure.ts"
import { childOf, declaredId, itemContext } from "../domain/FanOut.ts"
import * as Id from "../domain/Id.ts"
import type {
  PlanStep,
  Producer,
  ReasonCode,
  Recheck,
  RecoveryClass,
  RootCause
} from "../domain/recovery/RecoveryEvents.ts"
import type * as Asset from "../domain/Asset.ts"
import * as Actors from "./Actors.ts"
import { AssetCheck, type Reality } from "./AssetCheck.ts"
import { Definitions, type DefinedVersion } from "./Definitions.ts"
import { InputPartitions } from "./InputPartitions.ts"
import { JobRunner } from "./JobRunner.ts"
import { LocationIndex } from "./LocationIndex.ts"
import { SourcePlan } from "./SourcePlan.ts"
import { UpdateLoops } from "./UpdateLoops.ts"

/** Assets looked at in one plan. */
const planMax = 10_000

/** One absent asset of a plan, with the absent inputs that have to come back first. */
export interface Planned {
  readonly ref: AssetRef
  readonly generation: number
  readonly class: RecoveryClass
  readonly why: string
  readonly producer: Producer
  /** Its source is asked, by this way; absent: the producer makes it. */
  readonly recheck?: Recheck
  readonly webhook?: string
  readonly settings: { readonly maxAttempts: number; readonly attemptTimeoutMs: number }
  readonly missing: ReadonlyArray<Planned>
}

export type Plan =
  | { readonly type: "present"; readonly state: Asset.State }
  | { readonly type: "unavailable"; readonly store: string; readonly failure: Failure }
  | {
      readonly type: "unrecoverable"
      readonly generation: number
      readonly reasonCode: ReasonCode
      readonly message: string
      readonly rootCause: RootCause
    }
  | { readonly type: "planned"; readonly planned: Planned }

type Node = Exclude<Plan, { readonly type: "present" }> | { readonly type: "present" }

/**
 * Walks up the provenance while inputs are really absent, by probing each, and says what would run (DESIGN, section
 * 3). Nothing is changed but what a probe tells the Assets.
 */
export class RecoveryPlanner extends Context.Service<
  RecoveryPlanner,
  {
    /** `refresh`: the asset itself is to be made again although it is there: it is too old, or `wrong` has another reason. */
    readonly plan: (
      ref: AssetRef,
      options?: { readonly refresh: boolean; readonly wrong?: boolean | undefined }
    ) => Effect.Effect<Plan>
  }
>()("kintsugi/actors/RecoveryPlanner") {
  static readonly layer = Layer.effect(
    RecoveryPlanner,
    Effect.gen(function* () {
      const assets = yield* AssetCheck
      const definitions = yield* Definitions
      const jobs = yield* JobRunner
      const index = yield* LocationIndex
      const loops = yield* UpdateLoops
      const partitions = yield* InputPartitions
      const sources = yield* SourcePlan
      const runs = yield* Actors.run.client

      const unrecoverable = (ref: AssetRef, generation: number, reasonCode: ReasonCode, why: string): Node => ({
        type: "unrecoverable",
        generation,
        reasonCode,
        message: `${assetName(ref)} cannot be recovered: ${why}`,
        rootCause: { assetId: ref.assetId, partitionKey: ref.partitionKey, why }
      })

      /** The newest version that still declares the asset, else the one that produced it (null: no run of ours did). */
      const producing = (ref: AssetRef, latest: Asset.Generation | null) => {
        const producers = definitions.producersOf(ref.assetId)
        const same = producers.find(({ defined }) => defined.slug === latest?.workflow)
        const newest = same ?? (latest === null ? producers[0] : undefined)
        if (newest !== undefined) return newest
        if (latest === null) return null
        const defined = definitions.get(latest.workflow, latest.version)
        const declared = declaredId(latest.stepId)
        const step = defined?.definition.steps.find(({ id }) => id === declared)
        const produces = step?.produces.find(({ assetId }) => Id.assetKey(assetId) === Id.assetKey(ref.assetId))
        return defined === undefined || step === undefined || produces === undefined
          ? null
          : { defined, step, produces }
      }

      /** Every step that the producing one depends on, directly or not. */
      const stepsBefore = (defined: DefinedVersion, step: StepDefinition): ReadonlyArray<string> => {
        const before = new Set<string>()
        const open = [...step.dependsOn]
        while (open.length > 0) {
          const id = open.pop()!
          if (before.has(id)) continue
          before.add(id)
          open.push(...(defined.definition.steps.find((candidate) => candidate.id === id)?.dependsOn ?? []))
        }
        return defined.definition.steps.map(({ id }) => id).filter((id) => before.has(id))
      }

      /**
       * What the run that made the lost generation has recorded: results of its other steps, and where a child of a
       * fan-out made it, that child with its item.
       */
      const recorded = Effect.fnUntraced(function* (latest: Asset.Generation | null, step: StepDefinition) {
        const results: Record<string, unknown> = {}
        const whole = { stepId: step.id, results }
        if (latest === null) return whole
        const made = yield* Effect.result(runs.execute(latest.runId, { _tag: "Read" }))
        if (Result.isFailure(made)) return whole
        const { steps } = made.success.state
        const child = childOf(latest.stepId)
        const items = child?.parent === step.id && step.type === "fanOut" ? steps[step.id]?.items : undefined
        for (const [stepId, { result }] of Object.entries(steps)) {
          if (result !== undefined) results[stepId] = result
        }
        return child === null || items === undefined
          ? whole
          : { stepId: latest.stepId, item: items[child.index] ?? null, results }
      })

      /** An input of a round of updates that was never produced: nothing waits for it (T31). */
      const isFirstRound = (workflow: string, ref: AssetRef) =>
        loops.isCyclic(workflow, ref.assetId)
          ? Effect.map(assets.read(ref), ({ latest }) => latest === null)
          : Effect.succeed(false)

      /** Required inputs of the producing step: declared now, recorded then, or read then without being declared. */
      const inputsOf = Effect.fnUntraced(function* (
        ref: AssetRef,
        step: StepDefinition,
        producer: Producer,
        latest: Asset.Generation | null
      ) {
        const found = new Map<string, AssetRef>()
        const add = (input: AssetRef) => found.set(Id.asset(input.assetId, input.partitionKey), input)
        const optional = new Set<string>()
        const steps = Object.fromEntries(Object.entries(producer.results).map(([id, result]) => [id, { result }]))
        const context = {
          run: {
            parameters: producer.parameters,
            ...(producer.partitionKey === undefined ? {} : { partitionKey: producer.partitionKey })
          },
          parameters: producer.parameters,
          steps,
          trigger: { type: "recovery" },
          ...(producer.item === undefined ? {} : itemContext(step, producer.item, childOf(producer.stepId)?.index ?? 0))
        }
        const { definition = null } = definitions.get(producer.workflow, producer.version) ?? {}
        const consumer = { definition, partitionKey: producer.partitionKey, context }
        for (const consumed of step.consumes) {
          if (consumed.optional) optional.add(Id.assetKey(consumed.assetId))
          else {
            const needed = yield* Effect.orElseSucceed(partitions.needed(consumed, consumer), () => [])
            for (const input of needed) if (!(yield* isFirstRound(producer.workflow, input))) add(input)
          }
        }
        const consumes = new Set(step.consumes.map(({ assetId }) => Id.assetKey(assetId)))
        for (const input of latest?.inputs ?? []) {
          // What the newest version no longer consumes is not needed any more.
          if (input.optional !== true && consumes.has(Id.assetKey(input.assetId))) add(input)
        }
        for (const { key, store } of latest?.reads ?? []) {
          const owner = yield* index.owner(store, key)
          if (owner !== null && !optional.has(Id.assetKey(owner.assetId))) add(owner)
        }
        // A part that another asset's step wrote is healed by healing that asset.
        for (const part of latest?.parts ?? []) {
          const owner = part.written ? null : yield* index.owner(part.store, part.key)
          if (owner !== null) add(owner)
        }
        found.delete(Id.asset(ref.assetId, ref.partitionKey))
        const selfInput = latest?.inputs.some(
          (input) => Id.asset(input.assetId, input.partitionKey) === Id.asset(ref.assetId, ref.partitionKey)
        )
        return { inputs: [...found.values()], selfInput: selfInput === true }
      })

      const walk = (root: AssetRef, refresh: boolean, wrong: boolean) => {
        const done = new Map<string, Node>()

        const visit = (ref: AssetRef, path: ReadonlyArray<string>): Effect.Effect<Node> =>
          Effect.gen(function* () {
            const id = Id.asset(ref.assetId, ref.partitionKey)
            const known = done.get(id)
            if (known !== undefined) return known
            const node = yield* look(ref, yield* assets.check(ref, { reportedBy: "recovery-plan" }), [...path, id])
            done.set(id, node)
            return node
          })

        const look = (ref: AssetRef, reality: Reality, path: ReadonlyArray<string>): Effect.Effect<Node> =>
          Effect.gen(function* () {
            const isRefreshed = refresh && path.length === 1
            if (reality.status === "present" && !isRefreshed) return { type: "present" }
            if (reality.status === "unavailable") {
              return { type: "unavailable", store: reality.store, failure: reality.failure }
            }
            const { latest } = reality.state
            const generation = latest?.generation ?? 0
            const no = (code: ReasonCode, why: string) => unrecoverable(ref, generation, code, why)
            if (done.size > planMax) return no("ceiling_reached", `its provenance reaches more than ${planMax} assets`)
            // What was announced from outside says nothing of how a workflow would make it.
            const made = latest?.source === undefined ? latest : null
            const found = producing(ref, made)
            const state = !isRefreshed ? "is gone" : wrong ? "can be made again" : "is too old"
            const subject = generation === 0 ? "was never produced" : `generation ${generation} ${state}`
            const asked = found === null ? yield* sources.plan(ref, latest, subject) : undefined
            if (asked !== undefined) {
              return "refused" in asked
                ? no(asked.refused, asked.why)
                : { type: "planned", planned: { ref, generation, ...asked, missing: [] } }
            }
            if (found === null && latest?.source !== undefined) {
              return no(
                "source_asset",
                `${latest.source} announced it, and no workflow produces it or asks for it again`
              )
            }
            if (found === null) {
              return latest === null
                ? no("no_producer", "no workflow declares it and no run ever recorded it")
                : no("producer_gone", `workflow ${latest.workflow} version ${latest.version}, which made it, is gone`)
            }
            const { defined, produces, step } = found
            const { slug, version } = defined
            if (step.jobSlug !== undefined && !jobs.has(step.jobSlug)) {
              return no("producer_gone", `job ${step.jobSlug} of step ${step.id} of workflow ${slug} no longer exists`)
            }
            if (!defined.definition.recovery.enabled || !produces.recovery.enabled) {
              return no("disabled", `its recovery is switched off in workflow ${slug}`)
            }
            if (latest !== null && !produces.recovery.idempotent) {
              return no("not_idempotent", `step ${step.id} of workflow ${slug} declares it as not idempotent`)
            }
            const provenance = yield* recorded(made, step)
            const partitionKey = made === null ? ref.partitionKey || undefined : made.runPartitionKey
            const producer: Producer = {
              workflow: slug,
              version,
              ...provenance,
              parameters: made === null ? defined.definition.defaultParameters : made.parameters,
              ...(partitionKey === undefined ? {} : { partitionKey }),
              before: stepsBefore(defined, step)
            }
            const { inputs, selfInput } = yield* inputsOf(ref, step, producer, latest)
            if (selfInput) return no("cycle", "it was made from itself")
            const missing: Array<Planned> = []
            for (const input of inputs) {
              const inputId = Id.asset(input.assetId, input.partitionKey)
              if (path.includes(inputId))
                return no("cycle", `it is made from ${assetName(input)}, which is made from it`)
              const node = yield* visit(input, path)
              if (node.type === "unavailable") return node
              if (node.type === "unrecoverable") {
                const message = `${assetName(ref)} cannot be recovered, because its input cannot: ${node.message}`
                return { ...node, generation, message }
              }
              if (node.type === "planned") missing.push(node.planned)
            }
            const recoveryClass: RecoveryClass = inputs.length === 0 || missing.length > 0 ? "recheck" : "reprocess"
            const why =
              inputs.length === 0
                ? `${subject}; its step has no inputs and acquires it again`
                : missing.length === 0
                  ? `${subject}; all ${inputs.length} inputs are there`
                  : `${subject}; made again after ${missing.map((input) => assetName(input.ref)).join(", ")}`
            const { attemptTimeoutMs, maxAttempts } = produces.recovery
            return {
              type: "planned",
              planned: {
                ref,
                generation,
                class: recoveryClass,
                why,
                producer,
                settings: { attemptTimeoutMs, maxAttempts },
                missing
              }
            }
          })

        return visit(root, [])
      }

      return RecoveryPlanner.of({
        plan: (ref, { refresh, wrong = false } = { refresh: false }) =>
          Effect.gen(function* () {
            const node = yield* walk(ref, refresh, wrong)
            return node.type === "present" ? { type: "present", state: yield* assets.read(ref) } : node
          })
      })
    })
  )
}

/** The steps of a plan in the order in which they run: inputs before what is made from them, each once. */
export const planSteps = (planned: Planned): ReadonlyArray<PlanStep> => {
  const steps = new Map<string, PlanStep>()
  const add = (node: Planned) => {
    const id = Id.asset(node.ref.assetId, node.ref.partitionKey)
    if (steps.has(id)) return
    for (const input of node.missing) add(input)
    steps.set(id, {
      assetId: node.ref.assetId,
      partitionKey: node.ref.partitionKey,
      class: node.class,
      workflow: node.producer.workflow,
      step: node.producer.stepId,
      why: node.why,
      ...(node.webhook === undefined ? {} : { webhook: node.webhook })
    })
  }
  add(planned)
  return [...steps.values()]
}

/** The first asset of the plan: the furthest ancestor that is gone while everything that it needs is there. */
export const rootCause = (planned: Planned): RootCause => {
  let cause = planned
  while (cause.missing.length > 0) cause = cause.missing[0]!
  return { assetId: cause.ref.assetId, partitionKey: cause.ref.partitionKey, why: cause.why }
}
