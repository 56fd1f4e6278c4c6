import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import * as fc from "fast-check"
import * as Asset from "../../src/domain/Asset.ts"
import * as Decider from "../../src/domain/Decider.ts"
import * as Id from "../../src/domain/Id.ts"
import { given } from "../support/given.ts"

const asset = given(Asset.decider)
const ref = { assetId: "orders.raw", partitionKey: "2024-01" }
const part = (sha256: string) => ({ store: "warehouse", key: "a.json", bytes: 2, etag: "e", sha256, written: true })
const provenance = {
  ...ref,
  workflow: "orders",
  version: 1,
  stepId: "load",
  runId: "run-1",
  attempt: 1,
  parameters: { day: 1 },
  inputs: [],
  reads: [],
  parts: [part("aa")]
}
const at =
  (now: number) =>
  (command: Asset.Unstamped): Asset.Command => ({ ...command, now })
const now = at(100)
const produce = (more: Partial<Asset.Produce> = {}): Asset.Unstamped => ({ _tag: "Produce", ...provenance, ...more })
type ProducedEvent = Extract<Asset.Event, { readonly _tag: "AssetProduced" }>
const produced = (generation: number, more: Partial<ProducedEvent> = {}): Asset.Event => ({
  _tag: "AssetProduced",
  ...provenance,
  generation,
  runId: `run-${generation}`,
  producedAt: 100,
  restored: false,
  contentChanged: true,
  at: 100,
  ...more
})
const report = (generation: number, reason: "missing" | "corrupt" = "missing"): Asset.Unstamped => ({
  _tag: "ReportMissing",
  ...ref,
  generation,
  reason,
  reportedBy: "run-9/load"
})
const detected = (generation: number, reason: "missing" | "corrupt" = "missing"): Asset.Event => ({
  _tag: "AssetMissingDetected",
  ...ref,
  generation,
  reason,
  reportedBy: "run-9/load",
  at: 100
})
const present = (generation: number): Asset.Unstamped => ({ _tag: "ReportPresent", ...ref, generation })
const verified = (generation: number): Asset.Event => ({ _tag: "AssetVerified", ...ref, generation, at: 100 })
const fold = (...events: ReadonlyArray<Asset.Event>) => Decider.fold(Asset.decider, Asset.initial, events)
/** The Recovery of that generation. */
const healerOf = (generation: number) => Id.recovery(ref.assetId, ref.partitionKey, generation)

describe("Asset: productions", () => {
  it("each is the next generation, with its provenance (F9)", () => {
    asset().when(now(produce())).then(produced(1))
    asset(produced(1))
      .when(now(produce({ runId: "run-2", parts: [part("bb")], payload: { rows: 3 }, runPartitionKey: "2024-01" })))
      .then(produced(2, { parts: [part("bb")], payload: { rows: 3 }, runPartitionKey: "2024-01" }))
  })

  it("of one attempt is recorded once, however often it is told; another attempt's is another one (F38)", () => {
    asset(produced(1)).when(now(produce())).then()
    asset(produced(1))
      .when(now(produce({ attempt: 2 })))
      .then(produced(2, { runId: "run-1", attempt: 2, contentChanged: false }))
    assert.strictEqual(Asset.generationOf(fold(produced(1)), { runId: "run-1", stepId: "load", attempt: 1 }), 1)
    assert.strictEqual(Asset.generationOf(fold(produced(1)), { runId: "run-1", stepId: "load", attempt: 2 }), null)
  })

  it("with a key of its own is recorded once by that key", () => {
    const copied = { productionKey: "copy/r1/1", recoveryId: healerOf(1) }
    const copy = produced(2, { ...copied, runId: "run-1", restored: true, contentChanged: false })
    asset(produced(1), detected(1))
      .when(now(produce(copied)))
      .then(copy)
    asset(produced(1), detected(1), copy)
      .when(now(produce(copied)))
      .then()
    assert.strictEqual(Asset.generationOf(fold(produced(1), copy), { ...provenance, ...copied }), 2)
  })

  it("the latest is chosen by its time, not by arrival; the history keeps both (F10, T8)", () => {
    const state = fold(produced(1, { producedAt: 90 }), produced(2, { producedAt: 50 }))
    assert.strictEqual(Asset.currentGeneration(state), 1)
    assert.strictEqual(state.generations, 2)
    const same = fold(produced(1, { producedAt: 90 }), produced(2, { producedAt: 90 }))
    assert.strictEqual(Asset.currentGeneration(same), 2)
  })

  it("a time in the future is the time of the record (F10, T29)", () => {
    asset()
      .when(now(produce({ producedAt: 5_000 })))
      .then(produced(1, { producedAt: 100 }))
    asset()
      .when(now(produce({ producedAt: 7 })))
      .then(produced(1, { producedAt: 7 }))
  })

  it("equal bytes are unchanged content; an asset without parts is its payload", () => {
    asset(produced(1))
      .when(now(produce({ runId: "run-2" })))
      .then(produced(2, { contentChanged: false }))
    const payload = { parts: [], payload: { rows: 3 } }
    asset(produced(1, payload))
      .when(now(produce({ runId: "run-2", ...payload })))
      .then(produced(2, { ...payload, contentChanged: false }))
    asset(produced(1, payload))
      .when(now(produce({ runId: "run-2", parts: [], payload: { rows: 4 } })))
      .then(produced(2, { parts: [], payload: { rows: 4 } }))
  })
})

describe("Asset: losses", () => {
  it("the current generation is noted as missing once (F25)", () => {
    asset(produced(1))
      .when(now(report(1)))
      .then(detected(1))
    asset(produced(1), detected(1))
      .when(now(report(1)))
      .then()
    asset(produced(1))
      .when(now(report(1, "corrupt")))
      .then(detected(1, "corrupt"))
    assert.deepStrictEqual(fold(produced(1), detected(1, "corrupt")).missing, {
      generation: 1,
      since: 100,
      reason: "corrupt"
    })
  })

  it("of an older generation, or of one that never was, says nothing about the current one", () => {
    asset(produced(1), produced(2))
      .when(now(report(1)))
      .then()
    asset(produced(1))
      .when(now(report(2)))
      .then()
    asset()
      .when(now(report(1)))
      .then()
  })

  it("a probe that finds it again takes the note back, for that generation only", () => {
    asset(produced(1), detected(1))
      .when(now(present(1)))
      .then(verified(1))
    asset(produced(1))
      .when(now(present(1)))
      .then()
    asset(produced(1), produced(2), detected(2))
      .when(now(present(1)))
      .then()
    asset(produced(1), detected(1), verified(1))
      .when(now(present(1)))
      .then()
    asset(produced(1), detected(1), verified(1))
      .when(now(report(1)))
      .then(detected(1))
  })

  it("is over with a newer production, and not with one that is older than what was lost (T8)", () => {
    assert.strictEqual(fold(produced(1), detected(1), produced(2)).missing, null)
    assert.strictEqual(fold(produced(1), detected(1), produced(2, { producedAt: 50 })).missing?.generation, 1)
  })

  it("a look changes nothing", () => {
    asset(produced(1), detected(1))
      .when(now({ _tag: "Read" }))
      .then()
  })
})

describe("Asset: heals", () => {
  const heal = { runId: "run-2", recoveryId: healerOf(1) }
  const healed = produced(2, { recoveryId: healerOf(1), restored: true, contentChanged: false })

  it("are new generations, so that a later loss is another one (T34)", () => {
    asset(produced(1), detected(1))
      .when(now(produce(heal)))
      .then(healed)
    asset(produced(1), detected(1), healed)
      .when(now(report(2)))
      .then(detected(2))
    assert.notStrictEqual(healerOf(1), healerOf(2))
  })

  it("also when a probe saw the new bytes before the production was recorded", () => {
    asset(produced(1), detected(1), verified(1))
      .when(now(produce(heal)))
      .then(healed)
  })

  it("take the place of what was lost, whatever time the job or a slow clock gives them", () => {
    asset(produced(1), detected(1))
      .when(now(produce({ ...heal, producedAt: 20 })))
      .then({ ...healed, producedAt: 20 } as Asset.Event)
    const state = fold(produced(1), detected(1), { ...healed, producedAt: 20 } as Asset.Event)
    assert.strictEqual(Asset.currentGeneration(state), 2)
    assert.strictEqual(state.missing, null)
  })

  it("of another asset, or of an older generation, take it only by their time (T7)", () => {
    const late = produced(3, { recoveryId: healerOf(1), restored: true, producedAt: 20 })
    assert.strictEqual(Asset.currentGeneration(fold(produced(1), produced(2), late)), 2)
    const other = produced(2, { recoveryId: Id.recovery("other", "", 1), restored: true, producedAt: 20 })
    assert.strictEqual(fold(produced(1), detected(1), other).missing?.generation, 1)
  })

  it("make no new generation of the step's other outputs when their bytes are equal", () => {
    const beside = { runId: "run-2", recoveryId: Id.recovery("other", "", 1) }
    asset(produced(1))
      .when(now(produce(beside)))
      .then()
    asset(produced(1))
      .when(now(produce({ ...beside, parts: [part("bb")] })))
      .then(produced(2, { recoveryId: beside.recoveryId, restored: true, parts: [part("bb")] }))
    // It is lost itself: what comes along is what heals it.
    asset(produced(1), detected(1))
      .when(now(produce(beside)))
      .then(produced(2, { recoveryId: beside.recoveryId, restored: true, contentChanged: false }))
    asset()
      .when(now(produce({ ...beside, runId: "run-1" })))
      .then(produced(1, { recoveryId: beside.recoveryId, restored: true }))
  })
})

describe("Asset, whatever is sent to it in whatever order", () => {
  const generation = fc.nat(4)
  const command: fc.Arbitrary<Asset.Unstamped> = fc.oneof(
    fc
      .record({
        run: fc.nat(5),
        attempt: fc.integer({ min: 1, max: 2 }),
        digest: fc.constantFrom("aa", "bb"),
        producedAt: fc.option(fc.nat(2_000), { nil: undefined }),
        heals: fc.option(generation, { nil: undefined })
      })
      .map(({ attempt, digest, heals, producedAt, run }) =>
        produce({
          runId: `run-${run}`,
          attempt,
          parts: [part(digest)],
          producedAt,
          recoveryId: heals === undefined ? undefined : healerOf(heals)
        })
      ),
    generation.map((lost) => report(lost)),
    generation.map(present)
  )
  const commands = fc.array(command, { minLength: 1, maxLength: 60, size: "max" })
  const always = (
    see: (taken: {
      readonly command: Asset.Command
      readonly before: Asset.State
      readonly after: Asset.State
      readonly history: ReadonlyArray<Asset.Event>
    }) => void
  ) =>
    fc.assert(
      fc.property(commands, (list) => {
        const history: Array<Asset.Event> = []
        let state = Asset.initial
        for (const [index, unstamped] of list.entries()) {
          const stamped = at(index * 20)(unstamped)
          const events = Result.getOrThrow(Asset.decide(stamped, state))
          const before = state
          state = events.reduce(Asset.evolve, state)
          history.push(...events)
          see({ command: stamped, before, after: state, history })
        }
      }),
      { numRuns: 300 }
    )

  it("every command is idempotent: sent again after its events it changes nothing (F38)", () => {
    always(({ after, command }) => assert.deepStrictEqual(Asset.decide(command, after), Result.succeed([])))
  })

  it("generations count up by one, each production once", () => {
    always(({ after, history }) => {
      const productions = history.flatMap((event) => (event._tag === "AssetProduced" ? [event] : []))
      assert.deepStrictEqual(
        productions.map((event) => event.generation),
        productions.map((_, index) => index + 1)
      )
      const keys = productions.map(({ attempt, runId }) => `${runId}/${attempt}`)
      assert.strictEqual(new Set(keys).size, keys.length)
      assert.strictEqual(after.generations, productions.length)
    })
  })

  it("the current generation never goes back to an older one, and a heal of it always takes its place (F31)", () => {
    always(({ after, before, command }) => {
      assert.isAtLeast(Asset.currentGeneration(after), Asset.currentGeneration(before))
      if (command._tag !== "Produce" || after === before) return
      if (command.recoveryId !== healerOf(Asset.currentGeneration(before))) return
      assert.strictEqual(Asset.currentGeneration(after), after.generations)
      assert.strictEqual(after.missing, null)
    })
  })

  it("only the current generation is ever missing, and each is noted at most once until it is seen again (F25)", () => {
    always(({ after, history }) => {
      if (after.missing !== null) assert.strictEqual(after.missing.generation, Asset.currentGeneration(after))
      const open = new Set<number>()
      for (const event of history) {
        if (event._tag === "AssetVerified") open.delete(event.generation)
        if (event._tag !== "AssetMissingDetected") continue
        assert.isFalse(open.has(event.generation))
        open.add(event.generation)
      }
    })
  })

  it("no production is later than its record (F10, T29)", () => {
    always(({ history }) => {
      for (const event of history) if (event._tag === "AssetProduced") assert.isAtMost(event.producedAt, event.at)
    })
  })

  it("is the same asset read back from the log as JSON", () => {
    const back = ({ at: recordedAt, ...stored }: Asset.Event): Asset.Event => ({
      ...Schema.decodeUnknownSync(Asset.Event)(JSON.parse(JSON.stringify(stored))),
      at: recordedAt
    })
    always(({ after, history }) => assert.deepStrictEqual(fold(...history.map(back)), after))
  })
})

describe("Asset: what it remembers", () => {
  it("the newest 256 productions are known again; that is more than can be in flight at once", () => {
    const many = Array.from({ length: 257 }, (_, index) => produced(index + 1))
    const state = fold(...many)
    assert.strictEqual(state.recorded.size, 256)
    assert.strictEqual(Asset.generationOf(state, { runId: "run-1", stepId: "load", attempt: 1 }), null)
    assert.strictEqual(Asset.generationOf(state, { runId: "run-257", stepId: "load", attempt: 1 }), 257)
  })
})
