import { rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Engine } from "../../src/actors/Engine.ts"
import { metadataText } from "../../src/eventstore/EventCodec.ts"
import { EventStore, Position, type RecordedEvent } from "../../src/eventstore/EventStore.ts"
import * as HashChain from "../../src/eventstore/HashChain.ts"
import { makeChain } from "../support/chainApp.ts"
import { ended, layerMemory, start, temporaryFolder } from "../support/engine.ts"
import { check, type History } from "./invariants.ts"

/** A real history: a chain of assets, one of them lost and healed, with everybody who waited resumed. */
class Recorded extends Context.Service<Recorded, History>()("kintsugi/test/Recorded") {
  static readonly layer = Layer.effect(
    Recorded,
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const chain = makeChain()
      const body = Effect.gen(function* () {
        const engine = yield* Engine
        for (const [slug, workflow] of Object.entries(chain.workflows)) yield* engine.define(slug, workflow, "app")
        const acknowledged: Array<string> = []
        for (const workflow of ["acquisition", "ingest", "publish"]) {
          if (workflow === "ingest") yield* Effect.sync(() => rmSync(join(folder, "inbox", "raw_p1.csv")))
          const run = yield* ended((yield* start(workflow, "p1")).id)
          assert.strictEqual(run.status, "succeeded")
          acknowledged.push(run.id)
        }
        // The last message to a waiter may still be on its way to the log.
        yield* Effect.sleep("300 millis")
        const log = yield* EventStore
        const { events } = yield* log.readAll({ after: null, limit: 10_000 })
        return { events, acknowledged, isOver: true }
      })
      return yield* Effect.provide(body, layerMemory({ jobs: chain.jobs, baseDir: folder }))
    }).pipe(Effect.scoped)
  )
}

/** The same events with new places and chains: what is wrong with them is then only what was meant to be. */
const relinked = (events: ReadonlyArray<RecordedEvent>): ReadonlyArray<RecordedEvent> => {
  const ends = new Map<string, HashChain.Link>()
  return events.map((event, index) => {
    const { hash, streamVersion } = ends.get(event.streamName) ?? HashChain.unread
    const placed = {
      ...event,
      streamVersion: streamVersion + 1,
      position: Position.make(`00000001-0000000000000001-${(index + 1).toString(16).padStart(16, "0")}`)
    }
    const linked = { ...placed, hash: HashChain.link(hash, { ...placed, metadata: metadataText(placed.metadata) }) }
    ends.set(event.streamName, { streamVersion: linked.streamVersion, hash: linked.hash })
    return linked
  })
}

const lengthsOf = (events: ReadonlyArray<RecordedEvent>): ReadonlyMap<string, number> =>
  new Map(events.map(({ streamName, streamVersion }) => [streamName, streamVersion]))

const indexOf = (events: ReadonlyArray<RecordedEvent>, type: string): number => {
  const index = events.findIndex((event) => event.type === type)
  assert(index >= 0, `the history has no ${type}`)
  return index
}

/** The history with an event inserted after the first of `type`: a copy of it, changed. */
const repeated = (events: ReadonlyArray<RecordedEvent>, type: string, change: Partial<RecordedEvent> = {}) => {
  const index = indexOf(events, type)
  return relinked(events.toSpliced(index + 1, 0, { ...events[index]!, ...change }))
}

const without = (events: ReadonlyArray<RecordedEvent>, type: string) =>
  relinked(events.toSpliced(indexOf(events, type), 1))

const finds = (history: History, fault: RegExp) => {
  const faults = check(history)
  assert(
    faults.some((found) => fault.test(found)),
    `${fault} is not among: ${faults.join(" | ") || "no fault"}`
  )
}

describe("the checker of histories", () => {
  // The history is made by the real engine in real time.
  layer(Recorded.layer, { excludeTestServices: true })((it) => {
    it.effect("finds nothing wrong with a history as it was written, nor with the same in new places", () =>
      Effect.gen(function* () {
        const history = yield* Recorded
        assert.deepStrictEqual(check({ ...history, lengths: lengthsOf(history.events) }), [])
        assert.deepStrictEqual(check({ ...history, events: relinked(history.events) }), [])
      })
    )

    it.effect("takes an empty history, and one that nobody was promised anything of, for a fault", () =>
      Effect.gen(function* () {
        const history = yield* Recorded
        assert.deepStrictEqual(check({ ...history, events: [] }), ["the history is empty"])
        assert.strictEqual(check({ ...history, acknowledged: [] }).length, 1)
      })
    )

    it.effect("finds every cut: the log's end by what is not over, and any stream's end by its length", () =>
      Effect.gen(function* () {
        const history = yield* Recorded
        const { events } = history
        const lengths = lengthsOf(events)
        for (let kept = 1; kept < events.length; kept++) {
          assert.isAbove(check({ ...history, events: events.slice(0, kept), lengths }).length, 0, `cut to ${kept}`)
        }
        finds({ ...history, events: events.slice(0, Math.floor(events.length / 2)) }, /not in the log|has not ended/)
        finds({ ...history, events: events.slice(1), lengths }, /^store-\S+: none of its events is in the log$/)
      })
    )

    it.effect("finds any edited payload, and any event that was taken out", () =>
      Effect.gen(function* () {
        const history = yield* Recorded
        const { events } = history
        const lengths = lengthsOf(events)
        for (const [index, event] of events.entries()) {
          const edited = { ...event, payload: event.payload.replace(/\}$/, ',"edited":true}').replace("{,", "{") }
          finds({ ...history, events: events.with(index, edited) }, /the hash chain is broken/)
          assert.isAbove(
            check({ ...history, events: events.toSpliced(index, 1), lengths }).length,
            0,
            `without ${index}`
          )
        }
      })
    )

    it.effect("finds a step that succeeds twice, runs after it succeeded, or begins before what it depends on", () =>
      Effect.gen(function* () {
        const history = yield* Recorded
        const { events } = history
        finds({ ...history, events: repeated(events, "StepSucceeded") }, /step \w+ succeeds twice/)
        const succeeded = events[indexOf(events, "StepSucceeded")]!
        const { attempt, stepId } = JSON.parse(succeeded.payload) as {
          readonly stepId: string
          readonly attempt: number
        }
        const payload = JSON.stringify({ stepId, attempt: attempt + 1 })
        finds(
          { ...history, events: repeated(events, "StepSucceeded", { type: "StepStarted", payload }) },
          /runs again after it succeeded/
        )
        const ingest = events.findIndex(
          ({ payload }) => payload.includes('"workflow":"ingest"') && payload.includes("runId")
        )
        const early = {
          ...events[ingest]!,
          type: "StepStarted",
          payload: JSON.stringify({ stepId: "load", attempt: 1 })
        }
        finds(
          { ...history, events: relinked(events.toSpliced(ingest + 1, 0, early)) },
          /step load begins before clean has finished/
        )
      })
    )

    it.effect("finds a run that never ends, says what it waits for, and one that goes on after its end", () =>
      Effect.gen(function* () {
        const history = yield* Recorded
        const { events } = history
        finds({ ...history, events: without(events, "RunSucceeded") }, /^run-\S+: has not ended \(no step waits\)$/)
        const suspended = events[indexOf(events, "StepSuspended")]!
        const last = events.findLastIndex(
          ({ streamName, type }) => streamName === suspended.streamName && type === "StepSuspended"
        )
        const cut = events.filter(({ streamName }, index) => streamName !== suspended.streamName || index <= last)
        finds({ ...history, events: relinked(cut) }, /has not ended \(clean waits for \{"type":"recovery"/)
        assert.deepStrictEqual(
          check({ ...history, events: relinked(cut), isOver: false }).filter((fault) => /has not ended/.test(fault)),
          []
        )
        finds({ ...history, events: repeated(events, "RunSucceeded") }, /after RunSucceeded$/)
      })
    )

    it.effect("finds a waiter that was never released", () =>
      Effect.gen(function* () {
        const history = yield* Recorded
        finds({ ...history, events: without(history.events, "RecoveryWaitersReleased") }, /released 0 of 1 waiters$/)
      })
    )

    it.effect("finds two recoveries of one lost generation, and one that is effective twice", () =>
      Effect.gen(function* () {
        const history = yield* Recorded
        const { events } = history
        const twin = events
          .filter(({ streamName }) => streamName.startsWith("recovery-"))
          .map((event) => ({ ...event, streamName: "recovery-twin", metadata: {} }))
        finds(
          { ...history, events: relinked([...events, ...twin]) },
          /heals raw\[p1\] generation 1, which recovery-\S+ heals/
        )

        const first = events[indexOf(events, "RecoveryRequested")]!
        const again = { ...first, payload: first.payload.replace('"round":1', '"round":2') }
        const success = events[indexOf(events, "RecoverySucceeded")]!
        finds({ ...history, events: relinked([...events, again, success]) }, /one lost generation is healed 2 times/)
      })
    )

    it.effect("finds a run that no recovery has asked for, and a production that no step has made", () =>
      Effect.gen(function* () {
        const history = yield* Recorded
        const { events } = history
        finds({ ...history, events: without(events, "RecoveryScheduled") }, /has not scheduled this run$/)
        finds({ ...history, events: repeated(events, "AssetProduced") }, /is recorded twice$/)
        finds({ ...history, events: without(events, "StepSucceeded") }, /never succeeded$/)
      })
    )

    it.effect("finds a command that happened twice, and a run that was promised and is not there", () =>
      Effect.gen(function* () {
        const history = yield* Recorded
        const { events } = history
        const known = events.map((event, index) => (index < 2 ? { ...event, metadata: { commandId: "once" } } : event))
        finds({ ...history, events: relinked(known) }, /its command happened before/)
        finds({ ...history, acknowledged: [...history.acknowledged, "ghost"] }, /^run-ghost: was acknowledged/)
      })
    )
  })

  it("finds a slot beyond the capacity, and a run key that two runs have", () => {
    const written = (streamName: string, type: string, data: object): RecordedEvent => ({
      ...{ streamName, type, payload: JSON.stringify(data), schemaVersion: 1, streamVersion: 1, metadata: {} },
      ...{ recordedAt: 0, hash: "", position: Position.make("00000001-0000000000000001-0000000000000001") }
    })
    const history = (...events: ReadonlyArray<RecordedEvent>): History => ({
      ...{ events: relinked(events), acknowledged: ["a"], isOver: false }
    })
    finds(
      history(
        written("limit-w", "LimitCapacityChanged", { capacity: 1 }),
        written("limit-w", "SlotGranted", { holder: "a/s", leaseUntil: 1 }),
        written("limit-w", "SlotGranted", { holder: "b/s", leaseUntil: 1 })
      ),
      /2 hold one of 1 slots$/
    )
    finds(
      history(
        written("runkey-k", "RunKeyClaimed", { runId: "a", start: {} }),
        written("runkey-k", "RunKeyClaimed", { runId: "b", start: {} })
      ),
      /b claims what a has$/
    )
  })
})
