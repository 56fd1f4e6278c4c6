import { Effect, Option } from "effect"
import { hash } from "node:crypto"
import * as ObjectKey from "../capabilities/ObjectKey.ts"
import type { ObjectInfo, ObjectStore, StoreError } from "../capabilities/ObjectStore.ts"
import { Stores } from "../capabilities/Stores.ts"
import type { Part } from "../domain/Production.ts"
import { InvalidInput, type Problem, Unavailable } from "./Engine.ts"
import { StoreHealth } from "./StoreHealth.ts"

/** An object that another system says is a part of an asset; what it does not say is found out. */
export interface AnnouncedLocation {
  readonly store: string
  readonly key: string
  readonly bytes?: number | undefined
  readonly etag?: string | undefined
  /** 64 lower-case hex digits. */
  readonly sha256?: string | undefined
}

/** Objects whose bytes are read to know their SHA-256, in sum. */
export const digestBytesMax = 256 * 1024 * 1024

const looksAtOnce = 8
const readsAtOnce = 2

interface Found {
  readonly index: number
  readonly location: AnnouncedLocation
  readonly store: ObjectStore
  readonly info: ObjectInfo
}

/**
 * The parts that the locations name, each seen in its store. Refused with every fault when one is not there, is not what
 * is said of it, or lies in a store that nobody knows; `Unavailable` while a store does not answer.
 */
export const partsOf = Effect.fnUntraced(function* (
  locations: ReadonlyArray<AnnouncedLocation>
): Effect.fn.Return<ReadonlyArray<Part>, InvalidInput | Unavailable, Stores | StoreHealth> {
  const stores = yield* Stores
  const health = yield* StoreHealth
  const problems: Array<Problem> = []
  const fault = (index: number, field: string, message: string) => {
    problems.push({ path: `locations[${index}].${field}`, message })
    return null
  }

  const twice = new Map<string, number>()
  for (const [index, { key, store }] of locations.entries()) {
    const before = twice.get(`${store}\n${key}`)
    if (before === undefined) twice.set(`${store}\n${key}`, index)
    else fault(index, "key", `is listed at locations[${before}] already`)
  }

  /** What a store answers about an object: there, or a fault of the announcement, or no answer at all. */
  const asked = <A>(index: number, store: ObjectStore, ask: Effect.Effect<A, StoreError>) =>
    ask.pipe(
      Effect.catch(({ failure, message }): Effect.Effect<A | null, Unavailable> => {
        if (failure.class === "asset_missing") {
          return Effect.succeed(
            fault(index, "key", `is not in store ${store.name}: only what is there can be recorded`)
          )
        }
        if (failure.class === "permanent") return Effect.succeed(fault(index, "key", message))
        return Effect.andThen(health.observe(failure), Effect.fail(new Unavailable({ message })))
      })
    )

  const look = Effect.fnUntraced(function* (location: AnnouncedLocation, index: number) {
    const { bytes, etag, key, sha256, store: name } = location
    const store = yield* Effect.option(stores.get(name))
    if (Option.isNone(store)) {
      return fault(
        index,
        "store",
        `no store is named ${JSON.stringify(name)}; there are: ${stores.names.join(", ") || "none"}`
      )
    }
    if (ObjectKey.isReserved(key)) return fault(index, "key", "belongs to the runtime")
    const info = yield* asked(index, store.value, Effect.andThen(health.guard(name), store.value.stat(key)))
    if (info === null) return null
    const differs = (field: string, is: string | number) => fault(index, field, `is ${is} in store ${name}`)
    if (bytes !== undefined && bytes !== info.bytes) return differs("bytes", info.bytes)
    if (etag !== undefined && etag !== info.etag) return differs("etag", info.etag)
    if (sha256 !== undefined && info.sha256 !== undefined && sha256 !== info.sha256)
      return differs("sha256", info.sha256)
    return { index, location, store: store.value, info } satisfies Found
  })

  const looked = yield* Effect.forEach(locations, look, { concurrency: looksAtOnce })
  const found = looked.filter((entry) => entry !== null)
  const digestOf = ({ info, location }: Found) => location.sha256 ?? info.sha256
  const unread = found.filter((entry) => digestOf(entry) === undefined)
  const unreadBytes = unread.reduce((sum, { info }) => sum + info.bytes, 0)
  if (unreadBytes > digestBytesMax) {
    const message = `is needed: ${unreadBytes} bytes would have to be read to know the digests, at most ${digestBytesMax} are`
    for (const { index } of unread) fault(index, "sha256", message)
  }
  if (problems.length > 0) return yield* new InvalidInput({ problems })

  const digests = new Map<number, string>()
  yield* Effect.forEach(
    unread,
    Effect.fnUntraced(function* ({ index, location, store }) {
      const bytes = yield* asked(index, store, store.readBytes(location.key))
      if (bytes !== null) digests.set(index, hash("sha256", bytes))
    }),
    { concurrency: readsAtOnce, discard: true }
  )
  if (problems.length > 0) return yield* new InvalidInput({ problems })
  return found.map((entry): Part => {
    const { bytes, etag } = entry.info
    const { key, store } = entry.location
    // Not written by a step of ours: a file that a step of ours wrote stays that step's.
    return { store, key, bytes, etag, sha256: digestOf(entry) ?? digests.get(entry.index)!, written: false }
  })
})
