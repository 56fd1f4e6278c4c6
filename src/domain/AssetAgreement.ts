import { Result } from "effect"
import type { Definition, Partitioning } from "./Definition.ts"
import * as Id from "./Id.ts"
import { canonicalJson, pathText, type Problem } from "./JsonBounds.ts"
import { membershipFault } from "./Partitioning.ts"
import { naming } from "./PartitionNaming.ts"
import * as TimeWindow from "./TimeWindow.ts"

type Workflow = Pick<Definition, "slug" | "steps">

/**
 * Where a definition contradicts the others about the assets that they share (ids compared without case): it declares
 * other partitions of one, or consumes a partition by its key that the asset cannot have. What `before`, the version
 * that it replaces, said already is no fault: a rule that is stricter now must not make it impossible to put it again.
 * `others` may hold a definition of the same slug, which is passed over.
 */
export const disagreements = (
  definition: Workflow,
  before: Workflow | undefined,
  others: ReadonlyArray<Workflow>
): ReadonlyArray<Problem> => {
  const known = declarationsOf(others.filter(({ slug }) => slug !== definition.slug))
  return [...contradictions(definition, before, known), ...unknownKeys(definition, before, known)]
}

interface Declaration {
  readonly slug: string
  readonly partitioning: Partitioning | undefined
}

type Declarations = ReadonlyMap<string, Declaration>

/** The first declaration of each asset: further ones say the same. */
const declarationsOf = (workflows: ReadonlyArray<Workflow>): Declarations => {
  const found = new Map<string, Declaration>()
  for (const { slug, steps } of workflows) {
    for (const { assetId, partitioning } of steps.flatMap(({ produces }) => produces)) {
      const key = Id.assetKey(assetId)
      if (!found.has(key)) found.set(key, { slug, partitioning })
    }
  }
  return found
}

/** What a step executes stands within `step` where it is a fan-out. */
const pathOf = ({ steps }: Workflow, step: number, list: "produces" | "consumes", position: number, field: string) =>
  pathText(["steps", step, ...(steps[step]?.type === "fanOut" ? ["step"] : []), list, position, field])

const contradictions = (
  definition: Workflow,
  before: Workflow | undefined,
  known: Declarations
): ReadonlyArray<Problem> => {
  const former = before === undefined ? undefined : declarationsOf([before])
  return definition.steps.flatMap(({ produces }, step) =>
    produces.flatMap(({ assetId, partitioning }, position) => {
      const key = Id.assetKey(assetId)
      const other = known.get(key)
      if (other === undefined || isSame(other.partitioning, partitioning)) return []
      const own = former?.get(key)
      if (own !== undefined && isSame(own.partitioning, partitioning)) return []
      const both = `workflow ${other.slug} declares it with ${textOf(other.partitioning)}, ${definition.slug} with ${textOf(partitioning)}`
      const way = `declare the same, or first put a version of ${other.slug} that no longer produces it`
      return [
        {
          path: pathOf(definition, step, "produces", position, "partitioning"),
          message: `of asset ${assetId} contradicts that of another workflow: ${both}; ${way}`
        }
      ]
    })
  )
}

const unknownKeys = (
  definition: Workflow,
  before: Workflow | undefined,
  known: Declarations
): ReadonlyArray<Problem> => {
  const own = declarationsOf([definition])
  const named = ({ assetId, partitionKey }: { readonly assetId: string; readonly partitionKey: string }) =>
    JSON.stringify([Id.assetKey(assetId), partitionKey])
  const former = new Set(before?.steps.flatMap(({ consumes }) => consumes.map(named)))
  return definition.steps.flatMap(({ consumes }, step) =>
    consumes.flatMap((consumed, position) => {
      const { assetId, partitionKey, partitions } = consumed
      const name = naming(partitionKey)
      const key = Id.assetKey(assetId)
      const declared = own.get(key) ?? known.get(key)
      if (name._tag !== "Constant" || partitions !== "same" || declared?.partitioning === undefined) return []
      if (former.has(named(consumed))) return []
      const fault = keyFault(declared.partitioning, name.key)
      if (fault === undefined) return []
      return [
        {
          path: pathOf(definition, step, "consumes", position, "partitionKey"),
          message: `${fault}: asset ${assetId}, as workflow ${declared.slug} declares it, has no such partition`
        }
      ]
    })
  )
}

/** Why an asset can never have the partition, whatever the time. */
const keyFault = (partitioning: Partitioning, key: string): string | undefined =>
  membershipFault(partitioning, key) ??
  (partitioning.type === "timeWindow"
    ? Result.match(TimeWindow.windowOf(partitioning, key), { onFailure: (why) => why, onSuccess: () => undefined })
    : undefined)

/** Keys are compared without case, in their order: `{ "last": n }` goes by it. */
const plain = (partitioning: Partitioning | undefined) =>
  canonicalJson(
    partitioning?.type === "static"
      ? { ...partitioning, keys: partitioning.keys.map(Id.partitionKey) }
      : { ...partitioning }
  )

const isSame = (one: Partitioning | undefined, other: Partitioning | undefined): boolean => plain(one) === plain(other)

/** Longest text of a partitioning in a message. */
const shownMax = 200

const textOf = (partitioning: Partitioning | undefined): string => {
  if (partitioning === undefined) return "no partitions"
  const text = JSON.stringify(partitioning)
  return text.length <= shownMax ? text : `${text.slice(0, shownMax)}…`
}
