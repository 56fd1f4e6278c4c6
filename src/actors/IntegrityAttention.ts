import { Effect, Layer } from "effect"
import type * as Attention from "../domain/Attention.ts"
import type { AssetRef } from "../domain/Failure.ts"
import { assetName } from "../domain/Failure.ts"
import * as Id from "../domain/Id.ts"
import { keyOf } from "../domain/integrity/Finding.ts"
import { actorId } from "../domain/integrity/IntegrityDemand.ts"
import type { Event } from "../domain/integrity/IntegrityEvents.ts"
import { LogFollower } from "../eventstore/LogFollower.ts"
import * as Actors from "./Actors.ts"
import { AttentionDesk } from "./AttentionDesk.ts"
import { decode } from "./IntegrityActor.ts"

/** What an asset partition's finding is called on the attention list: it has at most one. */
export const itemOf = ({ assetId, partitionKey }: AssetRef): string =>
  `finding:${assetName({ assetId: Id.assetKey(assetId), partitionKey: Id.partitionKey(partitionKey) })}`

/** Puts findings that somebody should look at on the attention list, and takes them off when they are gone (F76). */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const follower = yield* LogFollower
    const desk = yield* AttentionDesk
    const integrity = yield* Actors.integrity.client

    const tell = Effect.fnUntraced(function* (event: Event) {
      if (event._tag !== "IntegrityEscalated" && event._tag !== "IntegrityFindingSettled") return
      // What the log says of the past is told as it is now: it may be long gone, or back again.
      const { state } = yield* integrity.execute(actorId, { _tag: "Read" })
      const isOpen = state.findings.get(keyOf(event))?.escalated === true
      if (event._tag === "IntegrityEscalated" && isOpen) yield* desk.raise(raiseOf(event))
      if (event._tag === "IntegrityFindingSettled" && !isOpen) yield* desk.settle(itemOf(event))
    })
    const following = follower.follow({
      name: "integrity_attention_v1",
      types: ["IntegrityEscalated", "IntegrityFindingSettled"],
      begin: "start",
      handle: (events) => Effect.forEach(events, (recorded) => tell(decode(recorded)), { discard: true })
    })
    yield* following.pipe(
      Effect.catchCause((cause) => Effect.logError("findings no longer reach the attention list", cause)),
      Effect.forkScoped
    )
  })
)

const raiseOf = (event: Extract<Event, { readonly _tag: "IntegrityEscalated" }>): Attention.Raise => {
  const { assetId, count, partitionKey, reason, reasonCode, repair } = event
  const hasNoWayBack = repair === "none"
  return {
    ...{ id: itemOf(event), kind: "finding", severity: "error", assetId, partitionKey },
    message: `${assetName(event)} is ${event.kind.replace("_", " ")}: ${reason}`,
    reasonCode: hasNoWayBack ? (reasonCode ?? "no_repair") : "comes_back",
    ...(hasNoWayBack ? {} : { count })
  }
}
