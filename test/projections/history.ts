import { Result } from "effect"
import * as Attention from "../../src/domain/Attention.ts"
import * as Asset from "../../src/domain/Asset.ts"
import { type Definition, parseDefinition } from "../../src/domain/Definition.ts"
import type { Failure } from "../../src/domain/Failure.ts"
import * as Materialization from "../../src/domain/materialization/MaterializationDecide.ts"
import * as MaterializationState from "../../src/domain/materialization/MaterializationState.ts"
import type { Outcome, Unstamped, Verdict } from "../../src/domain/run/RunCommands.ts"
import * as Run from "../../src/domain/run/RunDecide.ts"
import { allSteps, initial, evolve, type State, step as stepOf } from "../../src/domain/run/RunState.ts"
import type { Written } from "./support.ts"

/** Draws from a list of numbers that a property test made up; begins again at its end. */
export class Tape {
  private next = 0
  private readonly numbers: ReadonlyArray<number>
  constructor(numbers: ReadonlyArray<number>) {
    this.numbers = numbers.length === 0 ? [0] : numbers
  }
  below(bound: number): number {
    const drawn = this.numbers[this.next++ % this.numbers.length]! + this.next * 7
    return drawn % bound
  }
  pick<A>(values: readonly [A, ...ReadonlyArray<A>]): A {
    return values[this.below(values.length)]!
  }
}

const retryPolicy = { maxAttempts: 3, initialDelayMs: 10 }
const step = (id: string, dependsOn: ReadonlyArray<string>) => ({ id, jobSlug: "job", dependsOn, retryPolicy })

/** A diamond: one step, two beside each other, one that joins them. */
export const diamond: Definition = Result.getOrThrow(
  parseDefinition({ slug: "orders", steps: [step("a", []), step("b", ["a"]), step("c", ["a"]), step("d", ["b", "c"])] })
)

/** The diamond, and a fan-out of two beside it. */
export const fanned: Definition = Result.getOrThrow(
  parseDefinition({
    slug: "orders",
    steps: [
      ...[step("a", []), step("b", ["a"]), step("c", ["a"]), step("d", ["b", "c"])],
      {
        ...{ id: "f", type: "fanOut", dependsOn: ["a"], over: "{{ parameters.items }}" },
        step: { jobSlug: "job", retryPolicy }
      }
    ]
  })
)

export const defined = (slug = "orders"): Written => ({
  stream: `workflow-${slug}`,
  type: "WorkflowDefined",
  data: { slug, version: 1, definition: diamond.source, origin: "app" },
  at: 1_000
})

const failures: readonly [Failure, ...ReadonlyArray<Failure>] = [
  { class: "transient", code: "timeout", message: "took too long" },
  { class: "permanent", code: "bad_input", message: "no such column" },
  { class: "asset_missing", code: "ENOENT", message: "gone", store: "s", key: "k" },
  { class: "store_unavailable", code: "ECONNREFUSED", message: "no answer", store: "s" },
  { class: "permanent", code: "no_producer", message: "nobody makes it" }
]

const verdict = (tape: Tape): Verdict => {
  const recoveryId = `rec${tape.below(3)}`
  return tape.pick<Verdict>([
    { type: "retry", random: 0.5 },
    { type: "wait", waitingFor: { type: "recovery", recoveryId, assetId: "x", partitionKey: "" } },
    { type: "wait", waitingFor: { type: "input", recoveryId, assetId: "x", partitionKey: "" } },
    { type: "fail", failure: tape.pick(failures) }
  ])
}

const outcome = (tape: Tape): Outcome => {
  const part = { store: "s", key: "f", bytes: 1, etag: "e", sha256: "aa", written: true }
  const output = { assetId: "x", partitionKey: "", parts: [part] }
  return tape.pick<Outcome>([
    { ok: true, produced: [], reads: [], unowned: [] },
    { ok: true, produced: [output], reads: [], unowned: [] },
    { ok: true, produced: [], reads: [], unowned: [] },
    { ok: false, failure: tape.pick(failures), heal: true, random: 0.3 }
  ])
}

const command = (tape: Tape, state: State): Unstamped => {
  const stepId = tape.pick(["a", ...Array.from(allSteps(state), ([id]) => id)])
  const attempt = stepOf(state, stepId).attempt
  return tape.pick<Unstamped>([
    { _tag: "BeginStep", stepId, inputs: [] },
    { _tag: "BeginStep", stepId, inputs: [] },
    { _tag: "EndStep", stepId, attempt, outcome: outcome(tape) },
    { _tag: "EndStep", stepId, attempt, outcome: outcome(tape) },
    { _tag: "RecordOutputs", stepId, attempt, generations: [] },
    { _tag: "Locate", stepId, attempt, verdict: verdict(tape) },
    { _tag: "BlockStep", stepId, verdict: verdict(tape) },
    { _tag: "SettleRecovery", recoveryId: `rec${tape.below(3)}`, stepId },
    { _tag: "ReleaseStore", store: "s" },
    { _tag: "Tick" },
    { _tag: "Interrupt", reason: tape.pick(["crash", "drain"]), processId: `p${tape.below(2)}`, crashLimit: 3 },
    { _tag: "Recover" },
    { _tag: "RetryStep", stepId },
    { _tag: "Pause", reason: "operator" },
    { _tag: "Resume" },
    { _tag: "Resume" },
    { _tag: "SkipStep", stepId, reason: "operator", force: tape.below(3) > 0 },
    { _tag: "Restore", checkpoint: Math.max(1, state.checkpoint - tape.below(3)) },
    { _tag: "Cancel", reason: "enough" },
    { _tag: "ConfirmDelivery", to: "runKey" }
  ])
}

const written = (stream: string, { _tag, at, ...data }: { readonly _tag: string; readonly at: number }): Written => {
  const { definition: _, ...stored } = data as { readonly definition?: unknown }
  return { stream, type: _tag, data: stored, at }
}

/** A run's history as its decider really writes it, by commands that the tape draws. */
export class RunHistory {
  state: State = initial
  private clock: number
  private readonly tape: Tape
  private readonly id: string
  private readonly definition: Definition
  constructor(id: string, tape: Tape, createdAt: number, definition = diamond) {
    this.definition = definition
    this.id = id
    this.tape = tape
    this.clock = createdAt
  }

  /** The events of the next command: often none. */
  next(): ReadonlyArray<Written> {
    const { tape } = this
    this.clock += 1 + tape.below(50)
    const start: Unstamped = {
      ...{ _tag: "Start", runId: this.id, workflow: "orders", version: 1, definition: this.definition },
      parameters: { items: ["x", "y"] },
      trigger: { type: "manual" },
      ...(tape.below(2) === 0 ? {} : { partitionKey: "p" })
    }
    // Cancel seldom: it ends everything.
    let chosen = this.state.definition === null ? start : command(tape, this.state)
    if (chosen._tag === "Cancel" && tape.below(4) > 0) chosen = { _tag: "Tick" }
    const decision = Run.decide({ ...chosen, now: this.clock, slot: tape.below(2) === 0 }, this.state)
    const events = Result.isSuccess(decision) ? decision.success : []
    for (const event of events) this.state = evolve(this.state, event)
    return events.map((event) => written(`run-${this.id}`, event))
  }
}

/** An asset's history as its decider writes it. */
export class AssetHistory {
  state: Asset.State = Asset.initial
  private clock = 5_000
  private attempt = 0
  private readonly assetId: string
  private readonly tape: Tape
  constructor(assetId: string, tape: Tape) {
    this.assetId = assetId
    this.tape = tape
  }

  next(): ReadonlyArray<Written> {
    const { assetId, tape } = this
    this.clock += 1 + tape.below(50)
    const generation = Asset.currentGeneration(this.state)
    const part = (key: string) => ({
      ...{ store: "s", key, bytes: 1, etag: `e${this.clock}`, sha256: tape.pick(["aa", "bb"]) },
      written: tape.below(3) > 0
    })
    const partitionKey = ""
    const command: Asset.Unstamped = tape.pick<Asset.Unstamped>([
      {
        ...{ _tag: "Produce", assetId, partitionKey, workflow: "orders", version: 1, stepId: "a", runId: "r" },
        ...{ attempt: ++this.attempt, parameters: {}, inputs: [], reads: [] },
        parts: [part(`k${tape.below(4)}`), part(`m${tape.below(2)}`)],
        producedAt: this.clock - tape.below(200),
        ...(tape.below(2) === 0 ? {} : { freshness: { ttlMs: 40 } })
      },
      { _tag: "Expire" },
      { _tag: "MarkStale", assetId: assetId.toLowerCase(), partitionKey, note: tape.pick(["wrong", "late"]) },
      { _tag: "ClearStale" },
      { _tag: "ReportMissing", assetId, partitionKey, generation, reason: "missing" },
      { _tag: "ReportPresent", assetId, partitionKey, generation }
    ])
    const events = Result.getOrThrow(Asset.decide({ ...command, now: this.clock }, this.state))
    for (const event of events) this.state = Asset.evolve(this.state, event)
    return events.map((event) => written(`asset-${assetId}`, event))
  }
}

/** The automatic runs of one workflow and partition, as their decider writes them. */
export class MaterializationHistory {
  state: MaterializationState.State = MaterializationState.initial
  private clock = 7_000
  private position = 0
  private readonly id: string
  private readonly tape: Tape
  constructor(id: string, tape: Tape) {
    this.id = id
    this.tape = tape
  }

  next(): ReadonlyArray<Written> {
    const { tape } = this
    this.clock += 1 + tape.below(90)
    const subject = { workflow: "orders", partitionKey: this.id }
    const reason = tape.pick(["upstream-update", "expiry", "stale"] as const)
    const cause = { reason, assetId: "x", partitionKey: "", generation: 1, position: String(++this.position) }
    const runId = this.state.active?.runId ?? "none"
    const command = tape.pick<Materialization.Unstamped>([
      { _tag: "Request", ...subject, updates: [{ cause, priority: 100, cyclic: false }] },
      { _tag: "Skip", ...subject, cause, why: "no run of it needs this partition" },
      { _tag: "Launched", runId },
      { _tag: "EndRun", runId, outcome: tape.pick(["succeeded", "failed"] as const) },
      { _tag: "Tick" }
    ])
    const stamped = { ...command, now: this.clock, quietUntil: null, backoff: { baseMs: 100, maxMs: 400 } }
    const events = Result.getOrThrow(Materialization.decide(stamped, this.state))
    for (const event of events) this.state = MaterializationState.evolve(this.state, event)
    return events.map((event) => written(`materialization-${this.id}`, event))
  }
}

/** One thing that others raise, settle and mute, as its decider writes it. */
export class AttentionHistory {
  state: Attention.State = Attention.initial
  private clock = 8_000
  private readonly id: string
  private readonly tape: Tape
  constructor(id: string, tape: Tape) {
    this.id = id
    this.tape = tape
  }

  next(): ReadonlyArray<Written> {
    const { id, tape } = this
    this.clock += 1 + tape.below(90)
    const raise = { id, kind: "finding", reasonCode: "missing", severity: "error", assetId: "x" } as const
    const command = tape.pick<Attention.Unstamped>([
      { _tag: "Raise", raise: { ...raise, message: tape.pick(["gone", "gone again"]) } },
      { _tag: "Settle", id },
      { _tag: "Mute", id, reason: tape.pick(["known", "later"]), until: this.clock + tape.below(500) },
      { _tag: "Unmute", id }
    ])
    const events = Result.getOrThrow(Attention.decide({ ...command, now: this.clock }, this.state))
    for (const event of events) this.state = Attention.evolve(this.state, event)
    return events.map((event) => written(`attention-${id}`, event))
  }
}

/** Events that a recovery's projection has to take, in an order that a recovery can write. */
export const recoveryEvents = (id: string, tape: Tape): ReadonlyArray<Written> => {
  const stream = `recovery-${id}`
  let at = 6_000 + tape.below(100)
  const event = (type: string, data: object): Written => {
    at += 1 + tape.below(900)
    return { stream, type, data, at }
  }
  const failure = { class: "asset_missing", code: "budget_exhausted", message: "three times" }
  const rootCause = { assetId: "x", partitionKey: "", why: "its file is gone" }
  const round = (number: number): ReadonlyArray<Written> => [
    event("RecoveryRequested", {
      ...{ recoveryId: id, assetId: "X", partitionKey: "", lostGeneration: 1, round: number, priority: 100 }
    }),
    ...Array.from({ length: tape.below(4) }, (_, n) =>
      event("RecoveryWaiterJoined", { waiter: { runId: `r${n}`, stepId: "a" } })
    ),
    event("RecoveryPlanned", {
      class: tape.pick(["recheck", "reprocess"]),
      rootCause,
      plan: [],
      parents: [],
      maxAttempts: 2
    }),
    event("RecoveryScheduled", { attempt: 1, producerRunId: `pr-${id}`, only: ["a"] }),
    event("RecoveryAttemptStarted", { attempt: 1 }),
    ...(tape.below(2) === 0
      ? [
          event("RecoveryAttemptFailed", { attempt: 1, failure }),
          event("RecoveryFailed", { reasonCode: "budget_exhausted", failure })
        ]
      : [event("RecoverySucceeded", { via: tape.pick(["producer", "copy"]), generation: 2, contentChanged: false })]),
    event("RecoveryWaitersReleased", { released: 1 })
  ]
  return tape.below(3) === 0 ? [...round(1), ...round(2)] : round(1)
}

/** A whole log: runs, assets and recoveries, interleaved as the tape says. */
export const history = (numbers: ReadonlyArray<number>): ReadonlyArray<Written> => {
  const tape = new Tape(numbers)
  const sources: Array<() => ReadonlyArray<Written> | null> = []
  for (let run = 0; run < 8; run++) {
    const source = new RunHistory(`r${run}`, tape, 2_000 + run * 10)
    let commands = 0
    sources.push(() => (commands++ < 60 ? source.next() : null))
  }
  for (const assetId of ["x", "Y"]) {
    const source = new AssetHistory(assetId, tape)
    let commands = 0
    sources.push(() => (commands++ < 12 ? source.next() : null))
  }
  for (const id of ["m0", "m1"]) {
    const source = new MaterializationHistory(id, tape)
    let commands = 0
    sources.push(() => (commands++ < 12 ? source.next() : null))
  }
  for (const id of ["finding:x", "finding:y"]) {
    const source = new AttentionHistory(id, tape)
    let commands = 0
    sources.push(() => (commands++ < 12 ? source.next() : null))
  }
  for (const id of ["rec0", "rec1"]) {
    const events = [...recoveryEvents(id, tape)]
    sources.push(() => (events.length === 0 ? null : [events.shift()!]))
  }
  const log: Array<Written> = [defined()]
  while (sources.length > 0) {
    const index = tape.below(sources.length)
    const events = sources[index]!()
    if (events === null) sources.splice(index, 1)
    else log.push(...events)
  }
  return log
}
