import { HashMap, Option } from "effect"

/** One who waits. Lower `priority` goes first, then lower `arrival`. */
export interface Entry {
  readonly holder: string
  readonly priority: number
  readonly arrival: number
  readonly leaseMs: number
}

/** A leftist heap (Crane 1972): persistent, and its right spine, which `merge` walks, is at most log2(n) long. */
type Heap = { readonly entry: Entry; readonly rank: number; readonly left: Heap; readonly right: Heap } | null

/**
 * A persistent priority queue with removal by holder. Adding, removing and taking the first cost O(log n), so that
 * folding a long history stays cheap. `heap` may hold entries that were removed; `byHolder` has only live ones.
 */
export interface WaitQueue {
  readonly byHolder: HashMap.HashMap<string, Entry>
  readonly heap: Heap
  /** Entries in `heap`, dead ones included. */
  readonly heapSize: number
}

export const empty: WaitQueue = { byHolder: HashMap.empty(), heap: null, heapSize: 0 }

export const size = (queue: WaitQueue): number => HashMap.size(queue.byHolder)

export const has = (queue: WaitQueue, holder: string): boolean => HashMap.has(queue.byHolder, holder)

/** Adds one who does not wait yet. */
export const add = (queue: WaitQueue, entry: Entry): WaitQueue =>
  compact({
    byHolder: HashMap.set(queue.byHolder, entry.holder, entry),
    heap: merge(queue.heap, single(entry)),
    heapSize: queue.heapSize + 1
  })

/** Removes the holder, if it waits. */
export const remove = (queue: WaitQueue, holder: string): WaitQueue =>
  has(queue, holder) ? withoutDead({ ...queue, byHolder: HashMap.remove(queue.byHolder, holder) }) : queue

/** Who goes next, or undefined. */
export const first = (queue: WaitQueue): Entry | undefined => queue.heap?.entry

/** Everyone who waits, in order. */
export const entries = (queue: WaitQueue): ReadonlyArray<Entry> =>
  [...HashMap.values(queue.byHolder)].sort((left, right) => (comesBefore(left, right) ? -1 : 1))

const single = (entry: Entry): Heap => ({ entry, rank: 1, left: null, right: null })

const comesBefore = (left: Entry, right: Entry): boolean =>
  left.priority < right.priority || (left.priority === right.priority && left.arrival < right.arrival)

const merge = (one: Heap, other: Heap): Heap => {
  if (one === null) return other
  if (other === null) return one
  const [top, rest] = comesBefore(one.entry, other.entry) ? [one, other] : [other, one]
  const right = merge(top.right, rest)
  const [longer, shorter] = (top.left?.rank ?? 0) >= (right?.rank ?? 0) ? [top.left, right] : [right, top.left]
  return { entry: top.entry, rank: (shorter?.rank ?? 0) + 1, left: longer, right: shorter }
}

/** The top of the heap is always live, so that `first` is a lookup. */
const withoutDead = (queue: WaitQueue): WaitQueue => {
  let { heap, heapSize } = queue
  while (heap !== null && !isLive(queue, heap.entry)) {
    heap = merge(heap.left, heap.right)
    heapSize--
  }
  return { ...queue, heap, heapSize }
}

const isLive = (queue: WaitQueue, entry: Entry): boolean =>
  Option.match(HashMap.get(queue.byHolder, entry.holder), {
    onNone: () => false,
    onSome: ({ arrival }) => arrival === entry.arrival
  })

/** Rebuilds the heap when more than half of it is dead, so that waiters who come and give up do not fill it. */
const compact = (queue: WaitQueue): WaitQueue => {
  if (queue.heapSize <= 2 * size(queue) + 64) return queue
  let heap: Heap = null
  for (const entry of HashMap.values(queue.byHolder)) heap = merge(heap, single(entry))
  return { ...queue, heap, heapSize: size(queue) }
}
