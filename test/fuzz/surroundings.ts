import { ManagedRuntime } from "effect"
import fc from "fast-check"
import { Redis } from "ioredis"
import { once } from "node:events"
import { readdirSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { absent, RedisServer } from "../support/redis.ts"
import { hostileJson, hostileText, mutated } from "./values.ts"

/** What webhooks are signed with: no answer, event or line may show it. */
export const webhookSecret = "a-secret-of-the-fuzzed-webhooks"

/** What the server speaks to beside its clients, and what becomes of its files. */
export interface Surroundings {
  /** Settings of the server that lead it here. */
  readonly env: Readonly<Record<string, string>>
  /** Something is lost, and another system says something that nobody understands. `turn` chooses what. */
  readonly trouble: (turn: number) => Promise<void>
  /** Another system's file in the store, there until it is lost. */
  readonly put: (key: string) => void
  readonly lose: (key: string) => void
  /** Messages of the bus that nobody has taken in yet. */
  readonly untaken: () => Promise<number>
  readonly close: () => Promise<void>
}

/** A receiver of webhooks that refuses half of them, and an event bus where there is a Redis server to start. */
export const surroundings = async (folder: string): Promise<Surroundings> => {
  const receiver = createServer((request, response) => {
    request.resume()
    request.on("end", () => response.writeHead(request.url === "/refuse" ? 422 : 202).end())
  })
  receiver.listen(0, "127.0.0.1")
  await once(receiver, "listening")
  const { port } = receiver.address() as AddressInfo
  const bus = absent ? null : await redis()
  return {
    env: {
      FUZZ_RECEIVER: `http://127.0.0.1:${port}`,
      FUZZ_WEBHOOK_SECRET: webhookSecret,
      ...(bus === null ? {} : { REDIS_URL: bus.path })
    },
    put: (key) => writeFileSync(join(folder, "lake", key), key),
    lose: (key) => rmSync(join(folder, "lake", key), { force: true }),
    trouble: async (turn) => {
      loseAny(join(folder, "lake"), turn)
      if (bus === null) return
      const events = fc.sample(inbound, { seed: turn, numRuns: 3 })
      for (const event of events) await bus.client.xadd(stream, "*", "event", event)
    },
    untaken: async () => (bus === null ? 0 : untaken(bus.client)),
    close: async () => {
      await bus?.close()
      receiver.closeAllConnections()
      receiver.close()
    }
  }
}

const redis = async () => {
  const runtime = ManagedRuntime.make(RedisServer.layer)
  const { path } = await runtime.runPromise(RedisServer)
  const client = new Redis({ path }).on("error", () => undefined)
  const close = async () => {
    client.disconnect()
    await runtime.dispose()
  }
  return { path, client, close }
}

/** Where other systems speak to the server. */
const stream = "kintsugi.inbound"

/** Neither given to the server, nor acknowledged by it. */
const untaken = async (client: Redis): Promise<number> => {
  const groups = (await client.xinfo("GROUPS", stream)) as ReadonlyArray<ReadonlyArray<string | number | null>>
  const of = (group: ReadonlyArray<string | number | null>, name: string) => Number(group[group.indexOf(name) + 1] ?? 0)
  return groups.reduce((sum, group) => sum + of(group, "pending") + of(group, "lag"), 0)
}

const attributes = { specversion: "1.0", source: "elsewhere", type: "asset.produced" }

/** An announcement that is mostly in order, and becomes a dead letter where it is not. */
const announcement = fc
  .record(
    {
      assetId: fc.constantFrom("fed", "raw", "__", "nobody.knows"),
      partitionKey: fc.oneof(fc.constantFrom("a", "b", ""), hostileText),
      producedAt: fc.constantFrom("2026-01-01T00:00:00Z", "2999-01-01T00:00:00Z"),
      payload: fc.oneof(fc.constant<unknown>({ rows: 1 }), hostileJson),
      locations: fc.constantFrom<unknown>([{ store: "lake", key: "fed.txt" }], [{ store: "lake", key: "../x" }], []),
      freshness: fc.constant({ ttlMs: 1_000 })
    },
    { requiredKeys: ["assetId"] }
  )
  .chain((data) =>
    fc.record({
      data: fc.oneof({ weight: 4, arbitrary: fc.constant<unknown>(data) }, { weight: 1, arbitrary: mutated(data) }),
      id: fc.oneof({ weight: 9, arbitrary: fc.nat().map(String) }, { weight: 1, arbitrary: hostileText })
    })
  )
  .map((event) => ({ ...attributes, ...event }))

/** What another system puts on the bus. */
const inbound: fc.Arbitrary<string> = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom("{", "", "\u0000", "null", "[]") },
  { weight: 3, arbitrary: announcement.map((event) => JSON.stringify(event)) },
  { weight: 2, arbitrary: announcement.chain(mutated).map((event) => JSON.stringify(event)) },
  { weight: 1, arbitrary: hostileJson.map((event) => JSON.stringify(event)) }
)

/** Removes one file of the store, but not the store's own mark. */
const loseAny = (lake: string, turn: number): void => {
  try {
    const files = readdirSync(lake, { recursive: true, withFileTypes: true }).filter(
      (entry) => entry.isFile() && !entry.parentPath.includes(".kintsugi")
    )
    const gone = files[turn % files.length]
    if (gone !== undefined) rmSync(join(gone.parentPath, gone.name), { force: true })
  } catch {
    // Nothing has been written yet, or somebody writes it just now.
  }
}
