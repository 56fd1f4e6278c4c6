import { ManagedRuntime } from "effect"
import { Redis } from "ioredis"
import { once } from "node:events"
import { readdirSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { absent, RedisServer } from "../support/redis.ts"

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
      const event = inbound[turn % inbound.length]!
      if (bus !== null) await bus.client.xadd("kintsugi.inbound", "*", "event", event)
    },
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

/** What cannot be read, cannot be taken, and is in order: the first two become dead letters. */
const inbound = [
  "{",
  JSON.stringify({ specversion: "1.0", id: "1", source: "elsewhere", type: "asset.produced", data: { assetId: "__" } }),
  JSON.stringify({ specversion: "1.0", id: "2", source: "elsewhere", type: "asset.produced", data: { assetId: "fed" } })
]

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
