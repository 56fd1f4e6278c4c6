import type { Schema } from "effect"
import { type Diff, diff } from "../JsonDiff.ts"
import type { RunView } from "./RunView.ts"

type StepView = RunView["steps"][number]
type ProducedView = StepView["producedAssets"][number]

const sides = <A>(before: A | undefined, after: A | undefined) => ({ before: before ?? null, after: after ?? null })

const byKey = <A>(items: ReadonlyArray<A>, keyOf: (item: A) => string): ReadonlyMap<string, A> =>
  new Map(items.map((item) => [keyOf(item), item]))

/** The pairs of two lists by key, in the order of the first, then of the second. */
const pairs = <A>(before: ReadonlyArray<A>, after: ReadonlyArray<A>, keyOf: (item: A) => string) => {
  const left = byKey(before, keyOf)
  const right = byKey(after, keyOf)
  return [...new Set([...left.keys(), ...right.keys()])].map((key) => ({
    key,
    before: left.get(key),
    after: right.get(key)
  }))
}

// Results and payloads were JSON when they were recorded.
const json = (value: unknown) => value as Schema.Json | undefined

const isSame = ({ differences }: Diff) => differences.length === 0

const stepDiff = (stepId: string, before: StepView | undefined, after: StepView | undefined) => {
  const result = diff(json(before?.result), json(after?.result))
  const status = sides(before?.status, after?.status)
  const attempt = sides(before?.attempt, after?.attempt)
  return { stepId, status, attempt, result, same: status.before === status.after && isSame(result) }
}

const productDiff = (before: ProducedOf | undefined, after: ProducedOf | undefined) => {
  const { assetId, stepId } = (before ?? after)!
  const payload = diff(json(before?.payload), json(after?.payload))
  const digests = (produced: ProducedOf | undefined) =>
    (produced?.locations ?? [])
      .map(({ sha256 }) => sha256)
      .sort()
      .join()
  const sameBytes = digests(before) === digests(after)
  return {
    assetId,
    stepId,
    partitionKey: sides(before?.partitionKey, after?.partitionKey),
    generation: sides(before?.generation, after?.generation),
    payload,
    sameBytes,
    same: isSame(payload) && sameBytes
  }
}

interface ProducedOf extends ProducedView {
  readonly stepId: string
}

/** What a run made, each asset of one step once for a partition of its own; the run's own partition has no name here. */
const productsOf = ({ partitionKey, steps }: RunView) =>
  steps.flatMap(({ id, producedAssets }) =>
    producedAssets.map((produced) => ({
      ...produced,
      stepId: id,
      key: `${id}\n${produced.assetId}\n${produced.partitionKey === partitionKey ? "" : produced.partitionKey}`
    }))
  )

/**
 * What differs between two runs (F52): parameters, what became of each step and its result, and what was produced. The
 * assets of a run's own partition are compared with those of the other's own.
 */
export const runDiff = (before: RunView, after: RunView) => {
  const summary = ({ id, partitionKey, status, version, workflow }: RunView) => ({
    ...{ id, workflow, version, status, partitionKey }
  })
  return {
    before: summary(before),
    after: summary(after),
    parameters: diff(json(before.parameters), json(after.parameters)),
    steps: pairs(before.steps, after.steps, ({ id }) => id).map((pair) => stepDiff(pair.key, pair.before, pair.after)),
    produced: pairs(productsOf(before), productsOf(after), ({ key }) => key).map((pair) =>
      productDiff(pair.before, pair.after)
    )
  }
}
