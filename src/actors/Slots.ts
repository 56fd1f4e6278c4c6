import { Context, Effect, Layer } from "effect"

interface Waiting {
  readonly priority: number
  readonly order: number
  readonly grant: () => void
}

/**
 * The execution slots of this process: how many steps execute at once (`KINTSUGI_CONCURRENCY`).
 *
 * A run that ends a step hands its slot to its own next step in the same decision (`handOver`, `promise`), so that a
 * chain of steps needs no extra commit a step; whoever waits with a better priority goes first.
 */
export class Slots extends Context.Service<
  Slots,
  {
    /** Waits for a slot, lower `priority` first, then by arrival; takes the run's own offered slot at once. */
    readonly acquire: (runId: string, priority: number) => Effect.Effect<void>
    readonly release: () => void
    /** The slot that a step of the run holds is offered to the run's next step, unless somebody waits. */
    readonly handOver: (runId: string, priority: number) => void
    /** A slot just acquired is kept for the step that the coming decision begins. */
    readonly keep: (runId: string) => void
    /** The decision that `keep` or `handOver` announced is done. */
    readonly unpin: (runId: string) => void
    /** No step begins any more, whoever waits for a slot: the process is stopping. */
    readonly close: () => void
    /** Whether one step of the run may begin in this decision: at most one a decision. */
    readonly promise: (runId: string) => boolean
    /** A decision is done: offers that no step has taken go back, unless another decision is still to come. */
    readonly settle: (runId: string) => void
    readonly stats: () => { readonly executing: number; readonly waiting: number; readonly capacity: number }
  }
>()("kintsugi/actors/Slots") {
  static readonly layer = (capacity: number) => Layer.sync(Slots, () => make(capacity))
}

const make = (capacity: number) => {
  let free = capacity
  let order = 0
  let closed = false
  const waiting: Array<Waiting> = []
  const offers = new Map<string, number>()
  const promised = new Set<string>()
  /** Announced decisions that are still to come, by run. */
  const pinned = new Map<string, number>()

  const comesBefore = (left: Waiting, right: Waiting) =>
    left.priority < right.priority || (left.priority === right.priority && left.order < right.order)
  const enqueue = (entry: Waiting) => {
    let low = 0
    let high = waiting.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (comesBefore(entry, waiting[middle]!)) high = middle
      else low = middle + 1
    }
    waiting.splice(low, 0, entry)
  }

  const release = () => {
    const next = closed ? undefined : waiting.shift()
    if (next === undefined) free++
    else next.grant()
  }
  const takeOffer = (runId: string): boolean => {
    const offered = offers.get(runId) ?? 0
    if (offered === 0) return false
    if (offered === 1) offers.delete(runId)
    else offers.set(runId, offered - 1)
    return true
  }
  const offer = (runId: string) => offers.set(runId, (offers.get(runId) ?? 0) + 1)

  const pin = (runId: string) => pinned.set(runId, (pinned.get(runId) ?? 0) + 1)
  const reclaim = (runId: string) => {
    while (takeOffer(runId)) release()
  }

  const acquire = (runId: string, priority: number) =>
    Effect.callback<void>((resume) => {
      if (takeOffer(runId)) return resume(Effect.void)
      // The process is stopping: whoever asks now begins in the next one.
      if (closed) return
      if (free > 0 && waiting.length === 0) {
        free--
        return resume(Effect.void)
      }
      let granted = false
      const entry: Waiting = {
        priority,
        order: order++,
        grant: () => {
          granted = true
          resume(Effect.void)
        }
      }
      enqueue(entry)
      return Effect.sync(() => {
        if (granted) return release()
        const index = waiting.indexOf(entry)
        if (index >= 0) waiting.splice(index, 1)
      })
    })

  return Slots.of({
    acquire,
    release,
    handOver: (runId, priority) => {
      pin(runId)
      // Equal priorities: the run that is under way goes on. Somebody more urgent takes the slot.
      const first = waiting[0]
      if (closed || (first !== undefined && first.priority < priority)) release()
      else offer(runId)
    },
    keep: (runId) => {
      pin(runId)
      offer(runId)
    },
    unpin: (runId) => {
      const left = (pinned.get(runId) ?? 1) - 1
      if (left > 0) pinned.set(runId, left)
      else {
        pinned.delete(runId)
        reclaim(runId)
      }
    },
    close: () => {
      closed = true
    },
    promise: (runId) => {
      if (closed || promised.has(runId)) return false
      if (!offers.has(runId)) {
        if (free === 0 || waiting.length > 0) return false
        free--
        offer(runId)
      }
      promised.add(runId)
      return true
    },
    settle: (runId) => {
      promised.delete(runId)
      if (!pinned.has(runId)) reclaim(runId)
    },
    stats: () => ({ executing: capacity - free, waiting: waiting.length, capacity })
  })
}
