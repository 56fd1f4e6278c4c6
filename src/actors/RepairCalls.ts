import { Duration, Effect, Option, Random, Schedule } from "effect"
import * as Id from "../domain/Id.ts"
import { keyOf, namesOf } from "../domain/integrity/Finding.ts"
import { actorId } from "../domain/integrity/IntegrityDemand.ts"
import type { State } from "../domain/integrity/IntegrityState.ts"
import { type FindingView, findingView } from "../domain/integrity/IntegrityView.ts"
import { EventStore, type LogUnavailable, type Position, type RecordedEvent } from "../eventstore/EventStore.ts"
import * as Actors from "./Actors.ts"
import { commandRules, metadataOf } from "./CommandRules.ts"
import type { Caller } from "./Engine.ts"
import { decode } from "./IntegrityActor.ts"

/** What a call of `recover` has queued: nothing while another repair is under way. */
export interface Recovered {
  readonly recheckNames: ReadonlyArray<string>
  readonly reprocessNames: ReadonlyArray<string>
  /** Work was under way already. */
  readonly inProgress: boolean
  /** The first 1,000. */
  readonly findings: ReadonlyArray<FindingView>
  /** Null: everything is in order, and nothing was asked of anybody. */
  readonly position: Position | null
}

/** Findings that one answer of `recover` repeats. */
const repeatedMax = 1_000

/** How long a call waits for the check before its repair; one that takes longer is told to be in progress. */
const checkWithin = Duration.seconds(6)
const spaced = Schedule.spaced("50 millis")
const pageEvents = 100

const streamName = `integrity-${actorId}`

/** One call's claim of the repair: the check that it begins with, and where the log has the claim. */
interface Claim {
  readonly check: number
  readonly streamVersion: number
  readonly position: Position
}

/**
 * Calls that ask for a repair. The actor gives a repair to one of them; which one, its claim in the log says: calls that
 * come together are decided and stored together, so that a position alone is nobody's.
 */
export const make = Effect.gen(function* () {
  const log = yield* EventStore
  const actor = yield* Actors.integrity.client
  const { positionOf } = commandRules(log)
  const read = Effect.map(actor.execute(actorId, { _tag: "Read" }), ({ state }) => state)

  const findingsOf = ({ findings }: State) =>
    [...findings.values()]
      .sort((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1))
      .slice(0, repeatedMax)
      .map(findingView)

  const busy = (state: State, position: Position): Recovered => ({
    ...{ ...namesOf([]), inProgress: true, findings: findingsOf(state), position }
  })

  /** What the end of the check has asked for: the repair is in the log right behind it, or there was nothing to ask. */
  const begunBy = Effect.fnUntraced(function* ({ check, streamVersion }: Claim) {
    let after = streamVersion
    while (true) {
      const page = yield* log.read(streamName, after, pageEvents)
      if (page.length === 0) return null
      for (const recorded of page) {
        after = recorded.streamVersion
        const event = decode(recorded)
        if (event._tag !== "IntegrityCheckEnded" || event.check < check) continue
        const [next] = yield* log.read(streamName, after, 1)
        const repair = next === undefined ? null : decode(next)
        return next !== undefined && repair?._tag === "IntegrityRepairRequested"
          ? { ...repair, position: next.position }
          : null
      }
    }
  })

  /** Waits for the check, for a while, and answers what the repair after it is about. */
  const outcomeOf = Effect.fnUntraced(function* (claim: Claim): Effect.fn.Return<Recovered, LogUnavailable> {
    const ended = yield* Effect.repeat(read, {
      until: ({ last }) => (last?.check ?? 0) >= claim.check,
      schedule: spaced
    }).pipe(Effect.timeoutOption(checkWithin))
    if (Option.isNone(ended)) return busy(yield* read, claim.position)
    const state = ended.value
    const findings = findingsOf(state)
    const inProgress = (state.last?.inProgress ?? 0) > 0
    const begun = yield* begunBy(claim)
    if (begun !== null) {
      const { position, recheckNames, reprocessNames } = begun
      return { recheckNames, reprocessNames, inProgress, findings, position }
    }
    const isClean = findings.length === 0 && !inProgress && state.repair === null
    return { ...namesOf([]), inProgress, findings, position: isClean ? null : claim.position }
  })

  const recover = Effect.fnUntraced(function* (
    caller: Caller | undefined
  ): Effect.fn.Return<Recovered, LogUnavailable> {
    // Of one command sent twice at once both have the answer.
    const claim = caller?.commandId ?? (yield* randomClaim)
    const answer = yield* actor.execute(actorId, { _tag: "RequestRepair", claim }, metadataOf(caller))
    const { state, streamVersion } = answer
    const position = yield* positionOf(streamName, answer)
    if (state.repairAwaited?.claim !== claim) return busy(state, position)
    return yield* outcomeOf({ check: state.repairAwaited.check, streamVersion, position })
  })

  /** The answer of the command that this event was stored for. */
  const again = Effect.fnUntraced(function* (recorded: RecordedEvent) {
    const event = decode(recorded)
    const { position, streamVersion } = recorded
    if (event._tag === "IntegrityRepairAwaited") {
      return yield* outcomeOf({ check: event.check, streamVersion, position })
    }
    const findings = findingsOf(yield* read)
    if (event._tag !== "IntegrityRepairRequested") return yield* recover(undefined)
    const { recheckNames, reprocessNames } = event
    return { recheckNames, reprocessNames, inProgress: false, findings, position } satisfies Recovered
  })

  return { recover, again }
})

const randomClaim = Effect.map(Effect.all([Random.nextInt, Random.nextInt, Random.nextInt]), (words) =>
  Id.ofParts("repair", ...words)
)
