import { Clock, Context, Duration, Effect, Layer, Result, Schedule } from "effect"
import type * as Asset from "../domain/Asset.ts"
import * as Id from "../domain/Id.ts"
import type * as MaterializationDecide from "../domain/materialization/MaterializationDecide.ts"
import { idOf, type Update } from "../domain/materialization/MaterializationDecide.ts"
import type { Cause } from "../domain/materialization/MaterializationEvents.ts"
import * as PartitionMapping from "../domain/PartitionMapping.ts"
import { source as provenance } from "../domain/Provenance.ts"
import { isPulledFor } from "../domain/Trigger.ts"
import { refresherOf, refreshKey, type Route, type Routes } from "../domain/UpdateRoutes.ts"
import { EventStore, type RecordedEvent } from "../eventstore/EventStore.ts"
import { LogFollower } from "../eventstore/LogFollower.ts"
import * as Actors from "./Actors.ts"
import { decode } from "./AssetActor.ts"
import { AutomaticRuns } from "./AutomaticRuns.ts"
import { decode as decodeKeys } from "./PartitionKeysActor.ts"
import { KnownPartitions } from "./KnownPartitions.ts"
import { UpdateGraph } from "./UpdateGraph.ts"

/** Runs that one update may start: a month of minutes is below it. */
const startedMax = 50_000
const toldAtOnce = 32

/** No partitions at all, and whether anybody wanted to know. */
const unasked = () => {
  let asked = false
  const note = () => {
    asked = true
  }
  return {
    has: () => {
      note()
      return false
    },
    keys: (): Iterable<string> => {
      note()
      return []
    },
    wasAsked: () => asked
  }
}

/** What one page of the log has for one Materialization actor: updates and reasons for none, in the log's order. */
interface Told {
  readonly workflow: string
  readonly partitionKey: string
  readonly items: Array<Update | { readonly cause: Cause; readonly why: string }>
}

const isUpdate = (item: Told["items"][0]): item is Update => "priority" in item

/** The actor takes in what lies beyond the newest it has seen: so it is told in order, updates that follow together. */
const commandsOf = ({ items, partitionKey, workflow }: Told): ReadonlyArray<MaterializationDecide.Unstamped> => {
  const commands: Array<MaterializationDecide.Unstamped> = []
  let updates: Array<Update> = []
  const request = () => {
    if (updates.length > 0) commands.push({ _tag: "Request", workflow, partitionKey, updates })
    updates = []
  }
  for (const item of items) {
    if (isUpdate(item)) {
      updates.push(item)
      continue
    }
    request()
    commands.push({ _tag: "Skip", workflow, partitionKey, ...item })
  }
  request()
  return commands
}

/**
 * Follows the log: each production, expiry and stale mark is told to the workflows that opted in, partition by
 * partition (F53–F56). It decides nothing but who is told: what starts, and when, is the Materialization actor's.
 */
export class Materializer extends Context.Service<Materializer, { readonly name: string }>()(
  "kintsugi/actors/Materializer"
) {
  static readonly layer = Layer.effect(
    Materializer,
    Effect.gen(function* () {
      const follower = yield* LogFollower
      const log = yield* EventStore
      const materializations = yield* Actors.materialization.client
      const automatic = yield* AutomaticRuns
      const graph = yield* UpdateGraph
      const known = yield* KnownPartitions
      const name = "materializer_v1"

      /** The runs that the update starts in one consumer; a reason when there is none. */
      const follow = Effect.fnUntraced(function* (route: Route, cause: Cause, now: number) {
        const startedBy = (upstream: PartitionMapping.Known, consumer: PartitionMapping.Known) =>
          mapped(route, cause, upstream, consumer, now)
        // Most mappings go by the key alone: the recorded partitions are read only for those that ask.
        const probe = unasked()
        let started = startedBy(probe, probe)
        if (probe.wasAsked()) {
          const upstream = yield* known.of(cause.assetId)
          started = startedBy(upstream, route.produced === undefined ? upstream : yield* known.of(route.produced))
        }
        if (Result.isFailure(started)) return { runs: [], reason: started.failure.message }
        const { reason = "no run of it needs this partition", runs } = started.success
        return { runs: runs.map((key) => key ?? ""), reason }
      })

      const causeOf = (event: Asset.Event, position: string): Cause | null => {
        const { assetId, generation, partitionKey } = event
        switch (event._tag) {
          case "AssetProduced": {
            // A heal that brought the same bytes is news to nobody (DESIGN, section 3).
            if (event.restored && !event.contentChanged) return null
            // Nor is what was there before anything ran here, and is only noted now.
            if (event.source === provenance) return null
            const { pulledFor, runId, source, workflow } = event
            const maker = source === undefined ? { workflow, runId } : { source }
            const whom = pulledFor === undefined ? {} : { pulledFor }
            return { reason: "upstream-update", assetId, partitionKey, generation, ...maker, ...whom, position }
          }
          case "AssetExpired": {
            const { reason } = event
            return { reason: "expiry", expiry: reason, assetId, partitionKey, generation, ...makerOf(event), position }
          }
          case "AssetMarkedStale": {
            return { reason: "stale", assetId, partitionKey, generation, ...makerOf(event), position }
          }
          default:
            return null
        }
      }

      const handle = Effect.fnUntraced(function* (events: ReadonlyArray<RecordedEvent>) {
        const routes: Routes = yield* graph.current
        const now = yield* Clock.currentTimeMillis
        const told = new Map<string, Told>()
        const tell = (workflow: string, partitionKey: string, item: Told["items"][0]) => {
          const id = idOf(workflow, partitionKey)
          const before = told.get(id)
          if (before === undefined) return void told.set(id, { workflow, partitionKey, items: [item] })
          const last = before.items[before.items.length - 1]!
          if (last.cause.position !== item.cause.position) return void before.items.push(item)
          // Two steps that consume the same asset are told of one update; and where one of them runs, it is no skip.
          if (isUpdate(item) && (!isUpdate(last) || item.priority < last.priority)) {
            before.items[before.items.length - 1] = item
          }
        }
        for (const recorded of events) {
          if (recorded.type === "PartitionKeysRetired") {
            const event = decodeKeys(recorded)
            if (event._tag === "PartitionKeysRetired") known.retire(event.assetId, event.keys)
            continue
          }
          const event = decode(recorded)
          if (event._tag === "AssetProduced") known.note(event)
          const cause = causeOf(event, recorded.position)
          if (cause === null) continue
          const { assetId, reason, workflow } = cause
          // What was announced is made again by a workflow that declares it, if one opted in.
          const maker = reason === "upstream-update" ? undefined : (workflow ?? refresherOf(routes, assetId))
          if (maker !== undefined) {
            const priority = routes.refreshes.get(refreshKey(maker, assetId))
            const runPartition = "runPartitionKey" in event ? (event.runPartitionKey ?? "") : ""
            const partition = workflow === undefined ? cause.partitionKey : runPartition
            if (priority !== undefined) tell(maker, partition, { cause, priority, cyclic: false })
          }
          const wanted = reason === "expiry" ? "expired" : "produced"
          for (const route of routes.consumers.get(Id.assetKey(assetId)) ?? []) {
            if (route.consumed.updateOn !== wanted || reason === "stale") continue
            // What a run makes on its way is no update to itself.
            if (route.isOwn && route.workflow === workflow) continue
            const { reason: why, runs } = yield* follow(route, cause, now)
            const { cyclic, priority } = route
            // Who waited for it uses it: to be started by it again would never end.
            const others = runs.filter((key) => !isPulledFor(cause.pulledFor, route.workflow, key))
            for (const partitionKey of others) tell(route.workflow, partitionKey, { cause, priority, cyclic })
            const none = runs.length === 0 ? why : "it was made for a step of this workflow that waited for it"
            if (others.length === 0) tell(route.workflow, cause.partitionKey, { cause, why: none })
          }
        }
        yield* Effect.forEach(
          told,
          ([id, asked]) =>
            Effect.all(
              [
                Effect.forEach(commandsOf(asked), (command) => materializations.execute(id, command), {
                  discard: true
                }),
                // Beside it: what the run will read once it is claimed.
                asked.items.some(isUpdate) ? automatic.prepare(asked.workflow, asked.partitionKey) : Effect.void
              ],
              { concurrency: 2, discard: true }
            ),
          { concurrency: toldAtOnce, discard: true }
        )
      })

      const types = ["AssetProduced", "AssetExpired", "AssetMarkedStale", "PartitionKeysRetired"]
      // From now on: what was made before anybody opted in is no update.
      const begin = { after: yield* Effect.orDie(log.head) }
      const following = follower.follow({ name, types, begin, handle })
      yield* following.pipe(
        Effect.tapCause((cause) => Effect.logError("the materializer has stopped, and begins again", cause)),
        Effect.retry(Schedule.spaced(Duration.seconds(1))),
        Effect.catchCause((cause) => Effect.logError("the materializer has ended", cause)),
        Effect.forkScoped
      )
      return Materializer.of({ name })
    })
  )
}

/**
 * A rule that fails on this key costs this route its runs, visibly, and nobody else theirs: the same event would fail
 * again for ever.
 */
const mapped = (
  route: Route,
  { partitionKey }: Cause,
  upstream: PartitionMapping.Known,
  consumer: PartitionMapping.Known,
  now: number
): Result.Result<PartitionMapping.Started, { readonly message: string }> => {
  try {
    return PartitionMapping.started(route.mapping, partitionKey, upstream, consumer, now, startedMax)
  } catch (thrown) {
    const message = `its runs cannot be told from this partition: ${thrown instanceof Error ? thrown.message : thrown}`
    return Result.fail({ message })
  }
}

/** Nothing is known of who made what was announced from outside. */
const makerOf = ({ runId, workflow }: { readonly runId: string; readonly workflow: string }) =>
  workflow === "" ? {} : { workflow, runId }
