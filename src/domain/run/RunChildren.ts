import { childId, childOf } from "../FanOut.ts"
import type { StepState, StepStatus } from "./RunStep.ts"

type Counts = { readonly [status in StepStatus]?: number }

interface Block {
  readonly steps: ReadonlyArray<StepState>
  readonly counts: Counts
}

/**
 * The children of a fan-out, in order. Ten thousand of them change one by one, and after each change it is asked which
 * are where: they are kept in blocks that are counted, so that a change copies one block, and a question skips most.
 */
export interface Children {
  readonly ids: ReadonlyArray<string>
  /** The place of each child's item, where not all items are there; null: 0 and on. */
  readonly places: ReadonlyArray<number> | null
  readonly blocks: ReadonlyArray<Block>
  /** How many are where, over all blocks. */
  readonly counts: Counts
}

const blockLength = 100

const moved = (counts: Counts, from: StepStatus, to: StepStatus): Counts =>
  from === to ? counts : { ...counts, [from]: (counts[from] ?? 0) - 1, [to]: (counts[to] ?? 0) + 1 }

/** Children of this fan-out with these places; each is as `stepOf` says. */
export const make = (
  parent: string,
  length: number,
  only: ReadonlyArray<number> | undefined,
  stepOf: (stepId: string) => StepState
): Children => {
  const ids = Array.from({ length }, (_, position) => childId(parent, only?.[position] ?? position))
  const blocks: Array<Block> = []
  const total: { [status in StepStatus]?: number } = {}
  for (let from = 0; from < length; from += blockLength) {
    const steps = ids.slice(from, from + blockLength).map(stepOf)
    const counts: { [status in StepStatus]?: number } = {}
    for (const { status } of steps) {
      counts[status] = (counts[status] ?? 0) + 1
      total[status] = (total[status] ?? 0) + 1
    }
    blocks.push({ steps, counts })
  }
  return { ids, places: only ?? null, blocks, counts: total }
}

/** How many children have one of these statuses. */
export const count = ({ counts }: Children, ...statuses: ReadonlyArray<StepStatus>): number =>
  statuses.reduce((sum, status) => sum + (counts[status] ?? 0), 0)

/** The ids of the first children, at most `limit`, that have one of these statuses. */
export const withStatus = (
  children: Children,
  statuses: ReadonlyArray<StepStatus>,
  limit = Number.POSITIVE_INFINITY
): ReadonlyArray<string> => {
  const found: Array<string> = []
  if (count(children, ...statuses) === 0) return found
  for (const [block, { counts, steps }] of children.blocks.entries()) {
    if (!statuses.some((status) => (counts[status] ?? 0) > 0)) continue
    for (const [position, { status }] of steps.entries()) {
      if (found.length >= limit) return found
      if (statuses.includes(status)) found.push(children.ids[block * blockLength + position]!)
    }
  }
  return found
}

const positionOf = ({ ids, places }: Children, index: number): number => {
  const position = places === null ? index : places.indexOf(index)
  return position < ids.length ? position : -1
}

/** The child of this place, or undefined. */
export const get = (children: Children, index: number): StepState | undefined => {
  const position = positionOf(children, index)
  return position < 0 ? undefined : children.blocks[Math.floor(position / blockLength)]?.steps[position % blockLength]
}

/** With another child in this place; unchanged where there is none. */
export const set = (children: Children, index: number, next: StepState): Children => {
  const position = positionOf(children, index)
  if (position < 0) return children
  const at = Math.floor(position / blockLength)
  const { counts, steps } = children.blocks[at]!
  const before = steps[position % blockLength]!.status
  const block = { steps: steps.with(position % blockLength, next), counts: moved(counts, before, next.status) }
  return {
    ...children,
    blocks: children.blocks.with(at, block),
    counts: moved(children.counts, before, next.status)
  }
}

/** Each child with its id, in order. */
export function* entries({ blocks, ids }: Children): Generator<readonly [stepId: string, step: StepState]> {
  let position = 0
  for (const { steps } of blocks) for (const step of steps) yield [ids[position++]!, step]
}

/** A step by its id among declared steps and their children, or undefined. */
export const find = (steps: Readonly<Record<string, StepState>>, stepId: string): StepState | undefined => {
  const child = childOf(stepId)
  if (child === null) return Object.hasOwn(steps, stepId) ? steps[stepId] : undefined
  const { children } = steps[child.parent] ?? {}
  return children === undefined ? undefined : get(children, child.index)
}

/** The steps with another one of this id. */
export const replace = (
  steps: Readonly<Record<string, StepState>>,
  stepId: string,
  next: StepState
): Readonly<Record<string, StepState>> => {
  const child = childOf(stepId)
  if (child === null) return { ...steps, [stepId]: next }
  const parent = steps[child.parent]
  if (parent?.children === undefined) return steps
  return { ...steps, [child.parent]: { ...parent, children: set(parent.children, child.index, next) } }
}
