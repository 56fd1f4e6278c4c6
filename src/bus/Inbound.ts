import { Effect, type Scope } from "effect"
import * as Announcement from "./Announcement.ts"
import * as Delivery from "./Delivery.ts"
import type { Handler } from "./EventBus.ts"
import { deadStreamOf } from "./RedisBus.ts"
import * as RedisConnection from "./RedisConnection.ts"
import * as RedisGroup from "./RedisGroup.ts"
import type { RedisAddress } from "./RedisUrl.ts"

export interface InboundSettings {
  readonly address: RedisAddress
  /** The stream that other systems write to; what is refused goes to `<stream>.dead`. Default `kintsugi.inbound`. */
  readonly stream?: string
  /** All processes of one Kintsugi are one group. Default `kintsugi`. */
  readonly group?: string
  /** About how many refused entries are kept; default 10,000. */
  readonly deadLettersMax?: number
  /** How long a process that died stays the one that reads, in ms; default 10,000. */
  readonly leaseMs?: number
  /** Announcements handled at once; default 16. */
  readonly concurrency?: number
}

/**
 * Reads productions that other systems announce (`XADD kintsugi.inbound * event '<CloudEvent>'`), from the beginning of
 * the stream, until it is interrupted. An announcement is acknowledged when `announce` has succeeded, tried again while
 * it is `Unavailable`, and put aside with reason and path when it is `Refused` or cannot be read. It can arrive twice:
 * dedupe by `source` and `id` is the receiver's. What was handled is deleted: the stream is Kintsugi's in-tray and
 * grows only while Kintsugi is away.
 */
export const run = Effect.fnUntraced(function* <R>(
  settings: InboundSettings,
  announce: Handler<Announcement.Announcement, R>
): Effect.fn.Return<never, never, R | Scope.Scope> {
  const {
    address,
    concurrency = 16,
    deadLettersMax = 10_000,
    group = "kintsugi",
    leaseMs = 10_000,
    stream = "kintsugi.inbound"
  } = settings
  const connection = yield* RedisConnection.make(address)
  const groupSettings = {
    stream,
    begin: "start" as const,
    settled: "delete" as const,
    deadStream: deadStreamOf(stream),
    deadLettersMax,
    leaseMs
  }
  yield* RedisGroup.ensure(connection, group, groupSettings)
  const decode = (text: string) => Delivery.refusing(Announcement.decode(text))
  const { orderKey } = Announcement
  const consumer = { group, decode, orderKey, handle: announce, concurrency }
  return yield* RedisGroup.run(connection, consumer, groupSettings)
})
