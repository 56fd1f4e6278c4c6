import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Client } from "../../src/sdk/HttpClient.ts"
import { createDatabase, TestServer } from "../support/postgres.ts"
import { absent, RedisServer, sayIfAbsent } from "../support/redis.ts"
import { token } from "../chaos/serverProcess.ts"
import { eventually, inStatus, withFolder, written } from "./processSupport.ts"

sayIfAbsent()

/** Every way to serve: where the log is, which bus takes the events, and whether what is lost is made again. */
const modes = (["embedded", "external"] as const).flatMap((postgres) =>
  (["inline", "redis"] as const).flatMap((bus) =>
    (["on", "off"] as const)
      .filter((recovery) => recovery === "on" || (postgres === "embedded" && bus === "inline"))
      .map((recovery) => ({ postgres, bus, recovery }))
  )
)

/** `hold` and the second production of `made` go on when the file `release` is there. */
const app = (folder: string): string =>
  written(
    folder,
    "queues.ts",
    `import { existsSync, writeFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { defineApp, defineJob, PermanentFailure, TransientFailure } from "kintsugi"

const file = (name: string) => ${JSON.stringify(folder)} + "/" + name
const released = async (signal: AbortSignal) => {
  while (!existsSync(file("release"))) await sleep(20, undefined, { signal })
}
const hold = defineJob({ slug: "hold", run: (ctx) => released(ctx.signal).then(() => ({ result: {} })) })
const done = defineJob({ slug: "done", run: () => ({ result: {} }) })
const broken = defineJob({ slug: "broken", run: () => Promise.reject(new PermanentFailure({ message: "no" })) })
const later = defineJob({ slug: "later", run: () => Promise.reject(new TransientFailure({ message: "not yet" })) })
const make = defineJob({
  slug: "make",
  run: async (ctx) => {
    if (existsSync(file("made"))) await released(ctx.signal)
    writeFileSync(file("made"), "")
    await ctx.files.writeText("lake", "made.txt", "made")
    return { result: { assets: [{ assetId: "made" }] } }
  }
})
const use = defineJob({
  slug: "use",
  run: async (ctx) => ({ result: { text: await ctx.files.readText("lake", "made.txt") } })
})

const retryPolicy = { strategy: "fixed", initialDelayMs: 600_000, jitter: "none" } as const
export default defineApp({
  stores: { lake: { type: "folder", path: "lake" } },
  jobs: [hold, done, broken, later, make, use],
  workflows: [
    { slug: "holds", concurrency: 1, steps: [{ id: "hold", jobSlug: "hold" }] },
    { slug: "paused", steps: [{ id: "done", jobSlug: "done" }] },
    { slug: "breaks", steps: [{ id: "broken", jobSlug: "broken" }] },
    { slug: "delays", steps: [{ id: "later", jobSlug: "later", retryPolicy }] },
    { slug: "makes", steps: [{ id: "make", jobSlug: "make", produces: [{ assetId: "made" }] }] },
    { slug: "uses", steps: [{ id: "use", jobSlug: "use", consumes: [{ assetId: "made" }], retryPolicy }] }
  ]
})
`
  )

type Counts = Readonly<Record<"waiting" | "active" | "delayed" | "paused" | "completed" | "failed", number>>
interface Health {
  readonly queues: ReadonlyArray<{ readonly key: string; readonly counts: Counts }>
  readonly delayed: Readonly<Record<"retry" | "recovery" | "store" | "input", number>>
}

const none: Counts = { waiting: 0, active: 0, delayed: 0, paused: 0, completed: 0, failed: 0 }
const states = Object.keys(none).sort()

const healthOf = async (client: Client) => (await client.queueHealth()) as unknown as Health
const countsOf = ({ queues }: Health) => Object.fromEntries(queues.map(({ counts, key }) => [key, counts]))

/** Waits until the queues of steps and of recoveries have exactly these counts, and says what they had if they never do. */
const counted = async (client: Client, workflow: Partial<Counts>, recovery: Partial<Counts>) => {
  const expected = { workflow: { ...none, ...workflow }, recovery: { ...none, ...recovery } }
  let found: Record<string, Counts> = {}
  const same = async () => {
    found = countsOf(await healthOf(client))
    return states.every((state) =>
      (["workflow", "recovery"] as const).every(
        (key) => found[key]?.[state as keyof Counts] === expected[key][state as keyof Counts]
      )
    )
  }
  await eventually("the counts of every queue", same).catch(() => {
    assert.deepStrictEqual({ workflow: found.workflow, recovery: found.recovery }, expected)
  })
}

const servers = absent ? TestServer.layer : Layer.merge(TestServer.layer, RedisServer.layer)

describe("queue health", () => {
  layer(servers as Layer.Layer<TestServer | RedisServer>, { excludeTestServices: true })((it) => {
    for (const [number, { bus, postgres, recovery }] of modes.entries()) {
      if (bus === "redis" && absent) continue
      it.effect(
        `F79: counts what waits, is active, completed, failed, delayed and paused of every queue, with ${postgres} Postgres, the ${bus} bus and recovery ${recovery} (T26)`,
        () =>
          Effect.gen(function* () {
            const { server } = yield* TestServer
            const env: Record<string, string> = { KINTSUGI_RECOVERY: recovery }
            if (bus === "redis") env.REDIS_URL = (yield* RedisServer).path
            if (postgres === "external") {
              yield* createDatabase(server, `queues_${number}`, "template0").pipe(Effect.orDie)
              const host = encodeURIComponent(server.socketDir)
              env.DATABASE_URL = `postgres://${server.username}@localhost:${server.port}/queues_${number}?host=${host}`
            }
            yield* withFolder(({ folder, start }) =>
              play(folder, recovery === "on", () => start({ app: app(folder), env }))
            )
          })
      )
    }
  })
})

const play = async (
  folder: string,
  heals: boolean,
  start: () => Promise<{ readonly url: string; readonly client: Client }>
): Promise<void> => {
  const { client, url } = await start()
  const run = async (workflow: string) =>
    String((await client.run(workflow, { idempotencyKey: `${workflow}-${performance.now()}` })).data.id)
  const command = (path: string) => client.request("POST", path, { body: { reason: "for the count" } })

  const empty = await healthOf(client)
  assert.deepStrictEqual(
    empty.queues.map(({ counts, key }) => [key, Object.keys(counts).sort()]),
    ["workflow", "recovery", "events", "projections"].map((key) => [key, states]),
    "an empty queue is listed too"
  )

  await inStatus(client, await run("makes"), "succeeded")
  await command("/workflows/paused/pause")
  const holds = [await run("holds"), await run("holds")]
  const paused = await run("paused")
  await inStatus(client, await run("breaks"), "failed")
  const delayed = await run("delays")
  rmSync(join(folder, "lake", "made.txt"))
  const uses = await run("uses")

  // The producer of what was lost is one step more that is active, and who misses it one more that is delayed.
  const [active, missing] = heals ? [2, { retry: 1, recovery: 1 }] : [1, { retry: 2, recovery: 0 }]
  await counted(
    client,
    { waiting: 1, active, delayed: 2, paused: 1, completed: 1, failed: 1 },
    { active: heals ? 1 : 0 }
  )
  assert.deepStrictEqual((await healthOf(client)).delayed, { ...missing, store: 0, input: 0 })
  const metrics = await (await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } })).text()
  for (const key of ["workflow", "recovery", "events", "projections"]) {
    for (const state of states) {
      assert.match(metrics, new RegExp(`^kintsugi_queue_jobs\\{queue="${key}",state="${state}"\\} \\d+$`, "m"))
    }
  }

  writeFileSync(join(folder, "release"), "")
  await command("/workflows/paused/resume")
  for (const id of [...holds, paused]) await inStatus(client, id, "succeeded")
  await command(`/runs/${delayed}/cancel`)
  if (heals) await inStatus(client, uses, "succeeded")
  else await command(`/runs/${uses}/cancel`)
  await counted(client, { completed: heals ? 6 : 4, failed: 1 }, { completed: heals ? 1 : 0 })
  const { events, projections } = await eventually("the bus and the read models are at the end", async () => {
    const found = countsOf(await healthOf(client))
    return found.events?.waiting === 0 && found.projections?.waiting === 0 && found
  })
  for (const queue of [events!, projections!]) {
    assert.deepStrictEqual(queue, { ...none, completed: queue.completed })
    assert.isAbove(queue.completed, 0)
  }
}
