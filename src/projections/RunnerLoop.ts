import { Cause, Clock, Duration, Effect, Latch, Queue, Semaphore, Stream } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { EventStore, type Position } from "../eventstore/EventStore.ts"
import { sqlStateOf } from "../postgres/SqlFailure.ts"
import * as Batch from "./Batch.ts"
import * as Checkpoints from "./Checkpoints.ts"
import { type Group, groups, headOf, type Member } from "./Member.ts"
import type { Projection } from "./Projection.ts"
import * as Poison from "./Poison.ts"
import * as Rebuild from "./Rebuild.ts"
import * as Skips from "./Skips.ts"
import type { Skip } from "./Skips.ts"

/** Events a page: as many as fit into a transaction of `transactionMsMax`, between these bounds. */
const pageFirst = 2_000
const pageMin = 100
const pageMax = 4_000
/** Longest transaction wanted: it holds back the safe horizon of every subscription. */
const transactionMsMax = 200
/** Pause after a batch. Long when the log is busy: larger batches cost less for each run, and lists can wait. */
const pauseMs = 50
const busyPauseMs = 250
const busyEvents = 500
/** A hint may come before the event is below the safe horizon: after one, the log is looked at this often. */
const eagerPolls = 20
/** Otherwise the safety net for what other processes append. */
const idlePollMs = 500
/** Pause after a failure: doubles up to the longest. */
const outageMsFirst = 100
const outageMsMax = 5_000

/** Longest sleep of somebody who waits for a projection, should a wake-up be missed. */
const waitMsMax = 100

/**
 * Starts the loop that feeds `projections`, for as long as the scope lives. `left`: those whose rebuild was asked for of
 * an earlier process and has not ended.
 */
export const start = Effect.fnUntraced(function* (projections: ReadonlyArray<Projection>) {
  const store = yield* EventStore
  const sql = yield* SqlClient.SqlClient
  const began = yield* Clock.currentTimeMillis
  const members = new Map<string, Member>()
  for (const projection of projections) {
    members.set(projection.name, fresh(projection, null, began, yield* Effect.orDie(Skips.of(projection.name))))
  }
  // Released whenever something moved: everybody who waits looks again.
  const moved = yield* Latch.make()
  const hints = yield* Queue.sliding<void>(1)
  const oneRebuild = yield* Semaphore.make(1)
  /** Rebuilds that go on or wait for their turn, by the projection's name. */
  const rebuilds = new Set<string>()
  let pageLimit = pageFirst

  /** What is in memory may be wrong after a failure, even of a commit: the database knows. */
  const reload = Effect.fnUntraced(function* () {
    const stored = yield* Checkpoints.load(sql, [...members.keys()])
    for (const member of members.values()) {
      member.handler.forget()
      member.position = stored.get(member.key)?.position ?? null
    }
    yield* moved.release
  })

  const park = Effect.fnUntraced(function* ({ cause, key, message }: Batch.Poisoned) {
    yield* Effect.logError(`projection ${key} is parked: ${message}`, cause)
    yield* reload()
    const member = members.get(key)
    if (member !== undefined) {
      member.errorPosition = yield* Poison.locate(member, pageLimit)
      member.error = message
    }
    yield* Checkpoints.setError(sql, key, message)
    yield* moved.release
  })

  const advance = Effect.fnUntraced(
    function* (group: Group, bound: Position | null) {
      const from = yield* Clock.currentTimeMillis
      const advanced = yield* Batch.advance(group, pageLimit, bound)
      const to = yield* Clock.currentTimeMillis
      if (to - from > transactionMsMax) pageLimit = Math.max(pageMin, pageLimit >> 1)
      else if (to - from < transactionMsMax / 2) pageLimit = Math.min(pageMax, pageLimit + pageMin)
      for (const member of group.members) {
        member.heartbeatAt = to
        member.eventsRead += advanced.read
      }
      yield* moved.release
      return advanced
    },
    // What it had written is rolled back, and the others go on without it in the next round.
    Effect.catchTag("Poisoned", (poisoned) => Effect.as(park(poisoned), { read: 0, isLevel: false }))
  )

  const finishRebuild = Effect.fnUntraced(function* (rebuilt: Member) {
    const live = members.get(rebuilt.projection.name)!
    // Level with the one that it replaces; with the others when that one is parked.
    if (live.error === null && live.position !== rebuilt.position) return
    yield* Rebuild.switchOver(sql, live, rebuilt)
    live.handler = rebuilt.handler
    live.position = rebuilt.position
    live.error = null
    live.errorPosition = null
    members.delete(rebuilt.key)
    yield* moved.release
  })

  /** Where a group that is behind meets the others. */
  const boundOf = ({ members: [member] }: Group, head: Group | null): Position | null => {
    const live = members.get(member.projection.name)!
    return member.schema !== null && live.error === null ? live.position : (head?.position ?? null)
  }

  /** One page for every group, the foremost first. */
  const round = Effect.fnUntraced(function* () {
    const all = groups(members.values())
    const head = headOf(all)
    let read = 0
    let isLevel = true
    for (const group of all) {
      // The head has moved on by now: its members say where to.
      const bound = group === head ? null : boundOf(group, head && { ...head, position: head.members[0].position })
      const advanced = yield* advance(group, bound)
      read += advanced.read
      isLevel &&= advanced.isLevel
      const [member] = group.members
      if (member.schema !== null && member.error === null && advanced.isLevel) {
        yield* finishRebuild(member).pipe(
          Effect.catchIf(isHeldUp, () => Effect.void),
          Effect.catchTag("RebuildFailed", ({ message }) => Effect.sync(() => (member.error = message)))
        )
      }
    }
    return { read, isLevel }
  })

  let failures = 0
  const pauseAfter = Effect.fnUntraced(function* (cause: Cause.Cause<unknown>) {
    if (Cause.hasInterruptsOnly(cause)) return yield* Effect.interrupt
    const error = Cause.squash(cause)
    const isLost = error instanceof Checkpoints.CheckpointMoved
    if (failures === 0) yield* Effect.logWarning(`projections pause: ${error instanceof Error ? error.message : error}`)
    failures = isLost ? 1 : failures + 1
    yield* sleep(Math.min(outageMsMax, outageMsFirst * 2 ** failures))
    return { read: 0, isLevel: false }
  })
  const attempt = Effect.fnUntraced(function* () {
    if (failures > 0) yield* reload()
    const result = yield* round()
    failures = 0
    return result
  }, Effect.catchCause(pauseAfter))

  const hinted = (ms: number) =>
    Effect.map(Effect.timeoutOption(Queue.take(hints), Duration.millis(ms)), (hint) => hint._tag === "Some")

  const loop = Effect.gen(function* () {
    let eager = 0
    while (true) {
      const { isLevel, read } = yield* attempt()
      if (!isLevel) continue
      yield* sleep(read >= busyEvents ? busyPauseMs : pauseMs)
      eager = read > 0 ? 0 : Math.max(0, eager - 1)
      if (eager === 0 && (yield* hinted(idlePollMs))) eager = eagerPolls
    }
  })

  const rebuild = Effect.fnUntraced(
    function* (live: Member) {
      rebuilds.add(live.key)
      const copy = Effect.map(Clock.currentTimeMillis, (now) =>
        fresh(live.projection, Rebuild.schemaOf(live.key), now, live.skips)
      )
      const changed = Effect.timeoutOption(moved.await, waitMsMax)
      return yield* oneRebuild.withPermits(1)(Rebuild.run(sql, live, copy, { members, changed }))
    },
    (effect, { key }) =>
      Effect.ensuring(
        effect,
        Effect.sync(() => rebuilds.delete(key))
      )
  )
  /** Notes the wish, so that it is kept when the process ends before its turn; false: it is rebuilt already. */
  const wantRebuild = Effect.fnUntraced(function* ({ key }: Member) {
    if (rebuilds.has(key)) return false
    rebuilds.add(key)
    yield* Effect.onError(Rebuild.want(sql, key), () => Effect.sync(() => rebuilds.delete(key)))
    return true
  })
  const unwantRebuild = Effect.fnUntraced(function* ({ key }: Member) {
    rebuilds.delete(key)
    yield* Effect.ignore(Checkpoints.remove(sql, Rebuild.keyOf(key)))
  })

  yield* Checkpoints.register(sql, [...members.keys()])
  const left = yield* Rebuild.leftovers(sql, new Set(members.keys()))
  yield* reload()
  yield* store.changes.pipe(
    Stream.runForEach(() => Queue.offer(hints, undefined)),
    Effect.forkScoped
  )
  yield* Effect.forkScoped(loop)
  for (const name of left) rebuilds.add(name)
  /** A parked projection tries again from where it stands. */
  const unpark = Effect.fnUntraced(function* (member: Member) {
    member.error = null
    member.errorPosition = null
    yield* Checkpoints.setError(sql, member.key, null)
    yield* Queue.offer(hints, undefined)
  })
  /** Ends when something moved, and soon in any case; meanwhile the log is looked at. */
  const changed = Effect.andThen(Queue.offer(hints, undefined), Effect.timeoutOption(moved.await, waitMsMax))
  return {
    ...{ members: members as ReadonlyMap<string, Member>, rebuilds: rebuilds as ReadonlySet<string> },
    left: left.map((name) => members.get(name)!),
    ...{ changed, rebuild, wantRebuild, unwantRebuild, unpark }
  }
})

const fresh = (
  projection: Projection,
  schema: string | null,
  heartbeatAt: number,
  skips: Map<string, Skip>
): Member => ({
  key: schema === null ? projection.name : Rebuild.keyOf(projection.name),
  projection,
  schema,
  schemaId: null,
  handler: projection.make(),
  position: null,
  error: null,
  errorPosition: null,
  skips,
  eventsRead: 0,
  heartbeatAt
})

/** Somebody reads the old tables for long: the switch is tried again in the next round, and nobody else waits for it. */
const isHeldUp = (error: SqlError | Rebuild.RebuildFailed): boolean =>
  error._tag === "SqlError" && sqlStateOf(error) === "55P03"

const sleep = (ms: number) => Effect.sleep(Duration.millis(ms))
