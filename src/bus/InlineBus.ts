import { Clock, Context, Deferred, Duration, Effect, Latch, Layer, Semaphore } from "effect"
import * as CloudEvent from "./CloudEvent.ts"
import * as Delivery from "./Delivery.ts"
import { DeadLetters, type DeadLettersOf, type StoredLetter } from "./DeadLetters.ts"
import { BusUnavailable, EventBus, type Refused } from "./EventBus.ts"

export interface InlineBusSettings {
  /** Events that a group may have waiting; publishing more fails. Default 10,000. */
  readonly waitingMax?: number
  /** How long publishing waits for the groups, in ms; default 1,000. */
  readonly settleMs?: number
  /** Dead letters kept, the newest of all groups; default 1,000. */
  readonly deadLettersMax?: number
  /** Handlers of a group that run at once; default 16. */
  readonly concurrency?: number
}

interface Waiting extends Delivery.Entry {
  readonly settled: Deferred.Deferred<void>
}

interface Group {
  readonly name: string
  /** Not acknowledged yet, by event, in order. */
  readonly waiting: Map<string, Waiting>
  /** Acknowledged since the publisher gave up waiting: when it publishes these again they are not handled again. */
  readonly acknowledged: Set<string>
  /** What the active consumer has not taken yet. */
  untaken: Array<Waiting>
  readonly news: Latch.Latch
  readonly active: Semaphore.Semaphore
  consumers: number
}

/**
 * The bus of a single process, without a server (`REDIS_URL=inline`).
 *
 * It has no disk, so publishing succeeds only when every group has acknowledged the events: the publisher's checkpoint
 * in the log moves then and not before, and what a crash interrupts is published again. When the groups take longer
 * than `settleMs` publishing fails with `BusUnavailable` and the handling goes on; publishing the same events again
 * waits for what is left of it. A group exists from its first consumer until the process ends. Dead letters are kept in
 * memory, the newest `deadLettersMax`.
 */
export const layer = (settings: InlineBusSettings = {}): Layer.Layer<EventBus> => Layer.effectContext(make(settings))

const make = Effect.fnUntraced(function* (settings: InlineBusSettings): Effect.fn.Return<Context.Context<EventBus>> {
  const { concurrency = 16, deadLettersMax = 1_000, settleMs = 1_000, waitingMax = 10_000 } = settings
  const groups = new Map<string, Group>()
  const letters: Array<StoredLetter> = []
  /** Letters so far. A letter's id is this process's beginning and its number: the log knows those of others too. */
  let lettered = 0
  const begun = yield* Clock.currentTimeMillis
  const numberOf = (id: string) => Number(id.slice(id.indexOf("-") + 1))
  // Two batches at once would mix the order of an asset.
  const publishing = yield* Semaphore.make(1)

  /** Hands the events to a group, in order, and answers those that it has not acknowledged. */
  const offer = (group: Group, events: ReadonlyArray<{ readonly key: string; readonly text: string }>) =>
    Effect.gen(function* () {
      const fresh = events.filter(({ key }) => !group.waiting.has(key) && !group.acknowledged.has(key))
      if (group.waiting.size > 0 && group.waiting.size + fresh.length > waitingMax) {
        return yield* away(group, `${group.waiting.size} events wait there already, at most ${waitingMax} may`)
      }
      for (const { key, text } of fresh) {
        if (group.waiting.has(key)) continue
        const entry = { id: key, text, settled: yield* Deferred.make<void>() }
        group.waiting.set(key, entry)
        group.untaken.push(entry)
      }
      yield* group.news.open
      return events.flatMap(({ key }) => group.waiting.get(key) ?? [])
    })

  const publish = Effect.fn("InlineBus.publish")(
    function* (events: ReadonlyArray<CloudEvent.CloudEvent>) {
      const keyed = events.map((event) => ({ key: `${event.source} ${event.id}`, text: CloudEvent.encode(event) }))
      const offered = new Map<Group, ReadonlyArray<Waiting>>()
      for (const group of groups.values()) offered.set(group, yield* offer(group, keyed))
      const settled = Effect.forEach([...offered.values()].flat(), (entry) => Deferred.await(entry.settled), {
        discard: true
      })
      yield* Effect.timeoutOrElse(settled, {
        duration: Duration.millis(settleMs),
        orElse: () => {
          const slow = [...offered.keys()].filter((group) => keyed.some(({ key }) => group.waiting.has(key)))
          const [first] = slow
          if (first === undefined) return Effect.void
          const what = first.consumers === 0 ? "it has no consumer" : `not handled within ${settleMs} ms`
          return away(first, `${first.waiting.size} events wait there: ${what}`)
        }
      })
      for (const group of offered.keys()) for (const { key } of keyed) group.acknowledged.delete(key)
    },
    (effect) => publishing.withPermits(1)(effect)
  )

  const settle = (group: Group) =>
    Effect.fnUntraced(function* (entry: Delivery.Entry, refusal: Refused | null) {
      if (refusal !== null) {
        const { path, reason } = refusal
        letters.push({
          id: `${begun}-${++lettered}`,
          group: group.name,
          event: entry.text,
          reason,
          path,
          at: yield* Clock.currentTimeMillis
        })
        if (letters.length > deadLettersMax) letters.shift()
      }
      const waiting = group.waiting.get(entry.id)
      if (waiting === undefined) return
      group.waiting.delete(entry.id)
      group.acknowledged.add(entry.id)
      // Only a publisher that never comes back for its batch leaves these behind.
      const [oldest] = group.acknowledged
      if (group.acknowledged.size > waitingMax && oldest !== undefined) group.acknowledged.delete(oldest)
      yield* Deferred.succeed(waiting.settled, undefined)
    })

  const sourceOf = (group: Group): Delivery.Source => ({
    take: Effect.fnUntraced(function* (max: number) {
      while (group.untaken.length === 0) {
        yield* group.news.close
        yield* group.news.await
      }
      return group.untaken.splice(0, max)
    }),
    settle: settle(group),
    stillActive: Effect.void
  })

  const groupOf = Effect.fnUntraced(function* (name: string) {
    const known = groups.get(name)
    if (known !== undefined) return known
    const group: Group = {
      name,
      waiting: new Map(),
      acknowledged: new Set(),
      untaken: [],
      news: yield* Latch.make(),
      active: yield* Semaphore.make(1),
      consumers: 0
    }
    groups.set(name, group)
    return group
  })

  const subscribe: EventBus["Service"]["subscribe"] = Effect.fnUntraced(function* (name, handle) {
    const group = yield* groupOf(name)
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        group.consumers += 1
      }),
      () =>
        Effect.sync(() => {
          group.consumers -= 1
        })
    )
    const consuming = Effect.suspend(() => {
      // What the consumer before had in hand and did not acknowledge comes first.
      group.untaken = [...group.waiting.values()]
      const decode = (text: string) => Delivery.refusing(CloudEvent.decode(text))
      const { orderKey } = CloudEvent
      return Delivery.run(sourceOf(group), { group: name, decode, orderKey, handle, concurrency })
    })
    yield* Effect.forkScoped(group.active.withPermits(1)(Effect.orDie(consuming)))
  })

  const forget = (id: string): StoredLetter | undefined => {
    const place = letters.findIndex((letter) => letter.id === id)
    return place === -1 ? undefined : letters.splice(place, 1)[0]
  }

  const retry: DeadLettersOf["retry"] = Effect.fnUntraced(function* (id) {
    const letter = letters.find((kept) => kept.id === id)
    const group = letter === undefined ? undefined : groups.get(letter.group)
    if (letter === undefined || group === undefined) return false
    if (group.waiting.size >= waitingMax) return yield* away(group, `${waitingMax} events wait there already`)
    const entry = { id: `letter ${id}`, text: letter.event, settled: yield* Deferred.make<void>() }
    if (forget(id) === undefined) return false
    group.waiting.set(entry.id, entry)
    group.untaken.push(entry)
    yield* group.news.open
    return true
  })

  const bus = EventBus.of({
    publish,
    subscribe,
    deadLetters: (limit) =>
      Effect.sync(() =>
        letters
          .slice(Math.max(0, letters.length - limit))
          .reverse()
          .map(({ id: _, ...letter }) => letter)
      )
  })
  return Context.make(EventBus, bus).pipe(
    Context.add(DeadLetters, {
      list: (limit, before) =>
        Effect.sync(() =>
          letters
            .filter(({ id }) => before === undefined || numberOf(id) < numberOf(before))
            .slice(-Math.max(1, limit))
            .reverse()
        ),
      isId: (text) => /^\d{1,16}-\d{1,15}$/.test(text),
      has: (id) => Effect.sync(() => letters.some((letter) => letter.id === id)),
      retry,
      discard: (id) => Effect.sync(() => forget(id) !== undefined)
    })
  )
})

const away = (group: Group, what: string) =>
  Effect.fail(new BusUnavailable({ message: `the in-process bus: group ${group.name}: ${what}`, cause: null }))
