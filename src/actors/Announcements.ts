import { Clock, Context, Effect, Layer, Random } from "effect"
import type { Stores } from "../capabilities/Stores.ts"
import * as Announced from "../domain/Announced.ts"
import * as Asset from "../domain/Asset.ts"
import type { Freshness } from "../domain/Freshness.ts"
import * as Id from "../domain/Id.ts"
import { checkAgainst } from "../domain/JsonSchemaCheck.ts"
import { partitionKeyFault } from "../domain/Partitioning.ts"
import { partitionFault } from "../domain/RunPartition.ts"
import { EventStore, LogUnavailable, Position, type RecordedEvent } from "../eventstore/EventStore.ts"
import * as Actors from "./Actors.ts"
import { PartitionKeys } from "./PartitionKeys.ts"
import { type AnnouncedLocation, partsOf } from "./AnnouncedParts.ts"
import { decode } from "./AssetActor.ts"
import { Definitions, type ProducerOf } from "./Definitions.ts"
import { type Caller, CommandReused, InvalidInput, type Problem, Unavailable } from "./Engine.ts"
import * as AnnouncedHeal from "./AnnouncedHeal.ts"
import type { StoreHealth } from "./StoreHealth.ts"

/** A production that another system made and tells us of. */
export interface Announcement {
  /** Who announces. */
  readonly source: string
  /** The announcer's own id of it: a second one with the same id, of the same asset partition, is the first. */
  readonly eventId?: string | undefined
  readonly assetId: string
  /** "" for an asset without partitions. */
  readonly partitionKey: string
  /** Epoch ms; default and latest: now. */
  readonly producedAt?: number | undefined
  readonly payload?: unknown
  readonly locations: ReadonlyArray<AnnouncedLocation>
  /** Instead of what the asset's producer declares, if it has one. */
  readonly freshness?: Freshness | undefined
  readonly caller?: Caller | undefined
}

export interface AnnouncedProduction {
  readonly assetId: string
  readonly partitionKey: string
  readonly generation: number
  /** Of the production's event, or of the asset's newest one when it was recorded before. */
  readonly position: Position
}

/** Largest payload of an asset, in bytes of JSON. */
const payloadBytesMax = 64 * 1024

/**
 * Records productions that other systems announce: an update to whoever consumes the asset, like any other (F53). Its
 * objects must be there, its partition must be one that the asset's producer declares, if it has one.
 */
export class Announcements extends Context.Service<
  Announcements,
  {
    readonly announce: (
      announcement: Announcement
    ) => Effect.Effect<AnnouncedProduction, InvalidInput | CommandReused | Unavailable>
  }
>()("kintsugi/actors/Announcements") {
  static readonly layer = Layer.effect(
    Announcements,
    Effect.gen(function* () {
      const log = yield* EventStore
      const definitions = yield* Definitions
      const assets = yield* Actors.asset.client
      const keys = yield* PartitionKeys
      const context = yield* Effect.context<Stores | StoreHealth>()
      const healing = yield* AnnouncedHeal.make

      const away = <A, E>(effect: Effect.Effect<A, E | LogUnavailable>) =>
        Effect.mapError(effect, (error) =>
          error instanceof LogUnavailable
            ? new Unavailable({ message: error.message })
            : (error as Exclude<E, LogUnavailable>)
        )

      /** The first production of this command; null when it is new. */
      const before = Effect.fnUntraced(function* (caller: Caller | undefined, eventCommand: string | undefined) {
        const { commandId, requestHash } = caller ?? {}
        const known = commandId === undefined ? null : yield* log.findCommand(commandId)
        if (known !== null && known.metadata.requestHash !== requestHash) {
          return yield* new CommandReused({ commandId: commandId! })
        }
        return known ?? (eventCommand === undefined ? null : yield* log.findCommand(eventCommand))
      })

      const announce: Announcements["Service"]["announce"] = Effect.fn("Announcements.announce")(
        function* (announcement) {
          const { assetId, caller, eventId, freshness, locations, partitionKey, payload, producedAt, source } =
            announcement
          if (!(yield* log.available)) return yield* new Unavailable({ message: "the database is away; try again" })
          const eventCommand =
            eventId === undefined
              ? undefined
              : Id.ofParts("announced", source, eventId, Id.assetKey(assetId), Id.partitionKey(partitionKey))
          const known = yield* away(before(caller, eventCommand))
          if (known !== null) return answerOf(known)

          const producers = definitions.producersOf(assetId)
          const problems = problemsOf(announcement, producers, yield* Clock.currentTimeMillis)
          if (problems.length > 0) return yield* new InvalidInput({ problems })
          const parts = yield* Effect.provideContext(partsOf(locations), context)
          const refused = yield* keys.admit(
            producers.map(({ produces }) => produces),
            partitionKey
          )
          if (refused !== undefined) {
            return yield* new InvalidInput({ problems: [{ path: "partitionKey", message: refused }] })
          }

          const commandId = caller?.commandId ?? eventCommand
          const by = {
            ...Announced.provenance,
            productionKey: Announced.productionKey(source, eventId ?? commandId ?? (yield* randomId))
          }
          const id = Id.asset(assetId, partitionKey)
          const { position, state, streamVersion } = yield* assets.execute(
            id,
            {
              _tag: "Produce",
              ...by,
              assetId,
              partitionKey,
              source,
              ...(yield* healing.of({ assetId, partitionKey })),
              parts,
              payload,
              producedAt,
              freshness: freshness ?? producers[0]?.produces.freshness
            },
            { ...caller, ...(commandId === undefined ? {} : { commandId }) }
          )
          const [newest] = position === null ? yield* away(log.read(`asset-${id}`, streamVersion - 1, 1)) : []
          return {
            assetId: state.assetId,
            partitionKey: state.partitionKey,
            generation: Asset.generationOf(state, by) ?? Asset.currentGeneration(state),
            position: position ?? Position.make(newest?.position ?? "")
          }
        }
      )
      return Announcements.of({ announce })
    })
  )
}

const randomId = Effect.map(Effect.all([Random.nextInt, Random.nextInt, Random.nextInt]), (words) =>
  Id.ofParts("announced", ...words)
)

const answerOf = (recorded: RecordedEvent): AnnouncedProduction => {
  const { assetId, generation, partitionKey } = decode(recorded)
  return { assetId, partitionKey, generation, position: recorded.position }
}

/** Every fault that shows without asking a store. */
const problemsOf = (
  { assetId, partitionKey, payload }: Announcement,
  producers: ReadonlyArray<ProducerOf>,
  now: number
): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  const fault = partitionKey === "" ? undefined : partitionKeyFault(partitionKey)
  if (fault !== undefined) problems.push({ path: "partitionKey", message: fault })
  for (const { defined, produces } of fault === undefined ? producers : []) {
    const declares = `workflow ${defined.slug} declares the partitions of ${assetId}`
    if (produces.partitioning === undefined) continue
    const outside = partitionKey === "" ? "is required" : partitionFault(produces.partitioning, partitionKey, now)
    if (outside !== undefined) problems.push({ path: "partitionKey", message: `${outside}: ${declares}` })
  }
  if (Buffer.byteLength(JSON.stringify(payload ?? null)) > payloadBytesMax) {
    problems.push({ path: "payload", message: `must be at most ${payloadBytesMax} bytes of JSON` })
    return problems
  }
  for (const { produces } of producers) {
    if (produces.schema !== undefined) problems.push(...checkAgainst(produces.schema, payload ?? null, "payload"))
  }
  return problems
}
