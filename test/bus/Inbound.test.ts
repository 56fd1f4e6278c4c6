import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { Announcement } from "../../src/bus/Announcement.ts"
import { Refused, Unavailable } from "../../src/bus/EventBus.ts"
import * as Inbound from "../../src/bus/Inbound.ts"
import { absent, RedisServer } from "../support/redis.ts"
import { quiet, until } from "./events.ts"

const announcement = (id: string, assetId: string, more: object = {}) =>
  JSON.stringify({
    specversion: "1.0",
    id,
    source: "https://erp.example",
    type: "asset.produced",
    data: { assetId, ...more }
  })

describe.skipIf(absent)("with a Redis server", () => {
  layer(RedisServer.layer, { excludeTestServices: true })("productions announced on the inbound stream", (it) => {
    it.effect("reach the receiver in order, the bad ones a dead-letter stream with reason and path (F53)", () =>
      Effect.gen(function* () {
        const server = yield* RedisServer
        const client = yield* server.client
        const add = (text: string) => Effect.promise(() => client.xadd("kintsugi.inbound", "*", "event", text))
        // What was announced before Kintsugi first came up counts too.
        yield* add(announcement("1", "erp.orders", { partitionKey: "2024-01", payload: { rows: 3 } }))
        yield* add(announcement("2", "no such asset"))
        yield* add(announcement("3", "erp.unknown"))
        const received: Array<Announcement> = []
        let isAway = true
        yield* Effect.forkScoped(
          Inbound.run({ address: server.address, leaseMs: 600 }, (production) =>
            Effect.gen(function* () {
              if (production.assetId === "erp.unknown") {
                return yield* new Refused({ reason: "no workflow consumes it", path: "data.assetId" })
              }
              if (isAway) return yield* new Unavailable({ message: "the log is away", cause: null })
              received.push(production)
            })
          )
        )
        yield* add(announcement("4", "erp.orders", { partitionKey: "2024-01" }))
        const dead = () => Effect.promise(() => client.xrange("kintsugi.inbound.dead", "-", "+"))
        while ((yield* dead()).length < 2) yield* Effect.sleep("5 millis")
        assert.lengthOf(received, 0)
        isAway = false
        yield* until(() => received.length === 2)
        assert.deepStrictEqual(
          received.map(({ assetId, id, partitionKey, payload, source }) => [
            source,
            id,
            assetId,
            partitionKey,
            payload
          ]),
          [
            ["https://erp.example", "1", "erp.orders", "2024-01", { rows: 3 }],
            ["https://erp.example", "4", "erp.orders", "2024-01", undefined]
          ]
        )
        const letters = (yield* dead()).map(([, fields]) =>
          Object.fromEntries(Array.from({ length: fields.length / 2 }, (_, n) => [fields[2 * n], fields[2 * n + 1]]))
        )
        assert.deepStrictEqual(
          letters.map(({ event, group, path, reason }) => [JSON.parse(event!).id, group, path, reason]),
          [
            [
              "2",
              "kintsugi",
              "data.assetId",
              "must be 1 to 200 letters, digits, . _ : and -, starting with a letter or digit"
            ],
            ["3", "kintsugi", "data.assetId", "no workflow consumes it"]
          ]
        )
        // The in-tray is empty again.
        while ((yield* Effect.promise(() => client.xlen("kintsugi.inbound"))) > 0) yield* Effect.sleep("5 millis")
      }).pipe(quiet)
    )
  })
})
