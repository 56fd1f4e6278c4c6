import { join } from "node:path"
import { Effect, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { EventStore } from "../src/eventstore/EventStore.ts"
import * as PgEventStore from "../src/eventstore/PgEventStore.ts"
import * as Database from "../src/postgres/Database.ts"
import * as AttentionQuery from "../src/projections/AttentionQuery.ts"
import type { ProjectionStatus } from "../src/projections/ProjectionRunner.ts"
import * as RunListQuery from "../src/projections/RunListQuery.ts"
import { temporaryFolder } from "./engine.ts"
import { atRate, makeGet } from "./load.ts"
import { percentile } from "./measure.ts"
import { napSlug, slugOf } from "./millionDefinitions.ts"
import { seed, type Seeded } from "./millionSeed.ts"
import { headers, serve } from "./server.ts"

const perSecond = 200
const goingOn = 500
const exportEvents = 1_000_000
const dayMs = 86_400_000

type Ask = (path: string) => Promise<string>

/** Until every read model has seen the whole log; how long that took, s. */
const projected = (ask: Ask) =>
  Effect.gen(function* () {
    const begun = performance.now()
    const statuses = Effect.promise(
      async () =>
        (
          JSON.parse(await ask("/api/v1/admin/projections")) as {
            data: { projections: ReadonlyArray<ProjectionStatus> }
          }
        ).data.projections
    )
    const level = (all: ReadonlyArray<ProjectionStatus>) =>
      all.every(({ error, lagEvents }) => error !== null || lagEvents === 0)
    const all = yield* Effect.repeat(statuses, { until: level, schedule: Schedule.spaced("500 millis") })
    const parked = all.find(({ error }) => error !== null)
    if (parked !== undefined) return yield* Effect.die(new Error(`${parked.name} is parked: ${parked.error}`))
    return (performance.now() - begun) / 1_000
  })

/** Runs that go on while the others are read. */
const startNaps = (url: string, count: number) =>
  Effect.promise(async () => {
    let next = 0
    const worker = async () => {
      while (next++ < count) {
        const answer = await fetch(`${url}/api/v1/workflows/${napSlug}/run`, { method: "POST", headers })
        if (answer.status !== 202) throw new Error(`a run was answered ${answer.status}: ${await answer.text()}`)
        await answer.text()
      }
    }
    await Promise.all(Array.from({ length: 20 }, worker))
  })

interface Cursored {
  readonly nextCursor: string
}

/** Each kind of read by its path: pages of runs with one filter, several and none, from the newest and from the middle. */
const pathsOf = async (ask: Ask, { badId, goodId }: Seeded): Promise<ReadonlyArray<readonly [string, string]>> => {
  const middle = new Date(Date.now() - 15 * dayMs).toISOString()
  const cursorOf = async (query: string) =>
    (JSON.parse(await ask(`/api/v1/runs?to=${middle}&${query}`)) as Cursored).nextCursor
  const workflow = slugOf(7)
  const deep = await cursorOf("limit=50")
  const deepOfOne = await cursorOf(`workflow=${workflow}`)
  const runs = (query: string) => `/api/v1/runs?${query}`
  return [
    ["/runs", runs("limit=50")],
    ["/runs, deep cursor", runs(`cursor=${deep}`)],
    ["/runs?workflow", runs(`workflow=${workflow}`)],
    ["/runs?workflow, deep cursor", runs(`workflow=${workflow}&cursor=${deepOfOne}`)],
    ["/runs?status=failed", runs("status=failed")],
    ["/runs?status=succeeded&workflow", runs(`status=succeeded&workflow=${workflow}`)],
    ["/runs?status=failed&workflow", runs(`status=failed&workflow=${slugOf(0)}`)],
    ["/runs?status=failed&workflow, none", runs(`status=failed&workflow=${workflow}`)],
    ["/runs?status=running", runs("status=running")],
    ["/runs?partitionKey", runs("partitionKey=2027-01-01")],
    ["/runs?partitionKey, none", runs("partitionKey=1999-01-01")],
    ["/runs?partitionKey&workflow", runs(`partitionKey=2027-01-01&workflow=${workflow}`)],
    ["/runs?trigger, none", runs("trigger=schedule")],
    ["/runs?from&to", runs(`from=${middle}&to=${new Date(Date.parse(middle) + dayMs).toISOString()}`)],
    ["/runs/{id}", `/api/v1/runs/${goodId}`],
    ["/runs/{id}, failed", `/api/v1/runs/${badId}`],
    ["/runs/{id}?at", `/api/v1/runs/${goodId}?at=${middle}`],
    ["/admin/queue-health", "/api/v1/admin/queue-health"],
    ["/admin/attention", "/api/v1/admin/attention"],
    ["/admin/attention?workflow", `/api/v1/admin/attention?workflow=${slugOf(0)}`]
  ]
}

/**
 * What autovacuum and the checkpointer do within minutes of a bulk load, done before the clock runs: a million runs have
 * come one by one, not within this minute.
 */
const settle = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const tables = yield* sql<{ readonly name: string }>`
    SELECT relname AS name FROM pg_stat_user_tables WHERE relname NOT IN ('events', 'streams')`
  for (const { name } of tables) yield* sql`VACUUM (ANALYZE) ${sql(name)}`
  yield* sql`CHECKPOINT`
})

/** The same statements over the pool of this process, without HTTP, roles, schemas or JSON. */
const statements = (given: Seeded) =>
  Effect.gen(function* () {
    const context = yield* Effect.context<SqlClient.SqlClient | EventStore>()
    const store = yield* EventStore
    const asked = <A, E>(effect: Effect.Effect<A, E, SqlClient.SqlClient>) => {
      const whole = Effect.provideContext(effect, context)
      return () => Effect.runPromise(whole)
    }
    return [
      ["/runs", asked(RunListQuery.list({}, {}))],
      ["/runs?workflow", asked(RunListQuery.list({ workflow: slugOf(7) }, {}))],
      ["/runs?partitionKey", asked(RunListQuery.list({ partitionKey: "2027-01-01" }, {}))],
      ["/runs/{id}", asked(store.read(`run-${given.goodId}`, 0))],
      ["/admin/attention", asked(AttentionQuery.list({}, {}))]
    ] as const
  })

const figuresOf = (latencies: ReadonlyMap<string, ReadonlyArray<number>>) =>
  [...latencies].map(([name, all]) => ({
    ...{ name, requests: all.length, p50Ms: percentile(all, 0.5), p99Ms: percentile(all, 0.99) },
    maxMs: percentile(all, 1)
  }))

/** Lines a second of a part of the export, by a client that counts them. */
const exported = (url: string, events: number) =>
  Effect.promise(async () => {
    const begun = performance.now()
    const response = await fetch(`${url}/api/v1/events`, { headers })
    let lines = 0
    for await (const chunk of response.body!) {
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines++
      if (lines >= events) break
    }
    if (lines < events) throw new Error(`${lines} of ${events} events came`)
    return (lines / (performance.now() - begun)) * 1_000
  })

const clientOf = (url: string) =>
  Effect.acquireRelease(
    Effect.sync(() => makeGet(url, headers)),
    ({ close }) => Effect.sync(close)
  )

/** The reads of operators, on a log that `seed` has made. */
export const measureOn = (dataDir: string, seeded: Seeded, rounds: number, seconds: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const options = {
        dataDir,
        app: join(import.meta.dirname, "millionApp.ts"),
        env: { KINTSUGI_CONCURRENCY: String(goingOn), KINTSUGI_DRAIN_MS: "0" }
      }
      const projectedSeconds = yield* Effect.scoped(
        Effect.gen(function* () {
          const { url } = yield* serve(options)
          const { ask } = yield* clientOf(url)
          const seconds = yield* projected(ask)
          yield* startNaps(url, goingOn)
          return seconds
        })
      )
      // Another server is asked: the heap of the first one is still being cleared of eight million events.
      const { url } = yield* serve(options)
      const client = yield* clientOf(url)
      yield* projected(client.ask)
      const paths = yield* Effect.promise(() => pathsOf(client.ask, seeded))
      const requests = paths.map(([name, path]) => [name, () => client.ask(path)] as const)
      const bare = [["/livez", () => client.ask("/livez")]] as const
      const measured = Effect.gen(function* () {
        yield* settle
        const direct = yield* statements(seeded)
        // What runs first pays for plans, caches and compiled code.
        yield* Effect.promise(() => atRate(requests, perSecond, 2))
        yield* Effect.promise(() => atRate(direct, perSecond, 2))
        const all = { reads: new Map(), floor: new Map() } as Record<"reads" | "floor", Map<string, Array<number>>>
        const add = (to: Map<string, Array<number>>, more: ReadonlyMap<string, ReadonlyArray<number>>) => {
          for (const [name, found] of more) to.set(name, [...(to.get(name) ?? []), ...found])
        }
        for (let round = 0; round < rounds; round++) {
          add(all.floor, yield* Effect.promise(() => atRate(bare, perSecond, seconds / 2)))
          add(all.floor, yield* Effect.promise(() => atRate(direct, perSecond, seconds / 2)))
          add(all.reads, yield* Effect.promise(() => atRate(requests, perSecond, seconds)))
        }
        return { reads: figuresOf(all.reads), floor: figuresOf(all.floor) }
      })
      const figures = yield* Effect.scoped(
        Effect.provide(
          Effect.provide(measured, PgEventStore.layer, { local: true }),
          Database.layer({ kind: "embedded", dataDir })
        )
      )
      const events = Math.min(exportEvents, seeded.events)
      const exportedPerSecond = yield* exported(url, events)
      return { projectedSeconds, ...figures, exportedEvents: events, exportedPerSecond }
    })
  )

export const measure = (options: { readonly runs: number }) =>
  Effect.scoped(
    Effect.gen(function* () {
      const dataDir = yield* temporaryFolder
      const seeded = yield* seed(dataDir, options.runs)
      return { ...options, seeded, ...(yield* measureOn(dataDir, seeded, 3, 10)) }
    })
  )
