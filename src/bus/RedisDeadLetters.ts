import { Effect, type Scope } from "effect"
import type { DeadLettersOf, StoredLetter } from "./DeadLetters.ts"
import { deadStreamOf, letterOf } from "./RedisBus.ts"
import * as RedisConnection from "./RedisConnection.ts"
import * as RedisGroup from "./RedisGroup.ts"
import * as RedisScripts from "./RedisScripts.ts"
import type { RedisAddress } from "./RedisUrl.ts"

/** The streams whose letters are kept, by the first part of a letter's id; in this order where two are as old. */
export interface Streams {
  readonly inbound: string
  readonly events: string
}

interface Named {
  readonly of: keyof Streams
  readonly entry: string
}

const named = (id: string): Named | undefined => {
  const [, of, entry] = /^(inbound|events):(\d{1,16}-\d{1,16})$/.exec(id) ?? []
  return of === undefined || entry === undefined ? undefined : { of: of as keyof Streams, entry }
}

const newestFirst = (left: Named, right: Named): number => {
  const [leftMs = 0, leftNth = 0] = left.entry.split("-").map(Number)
  const [rightMs = 0, rightNth = 0] = right.entry.split("-").map(Number)
  return rightMs - leftMs || rightNth - leftNth || (left.of < right.of ? 1 : left.of > right.of ? -1 : 0)
}

/**
 * The dead letters of both streams: what came in, and what went out and a group could not handle. An event of the bus
 * that is retried goes to every group again; those that have handled it know its id.
 */
export const make = Effect.fnUntraced(function* (
  address: RedisAddress,
  streams: Streams = { inbound: "kintsugi.inbound", events: "kintsugi.events" }
): Effect.fn.Return<DeadLettersOf, never, Scope.Scope> {
  const connection = yield* RedisConnection.make(address)

  const listOf = (of: keyof Streams, limit: number, before: Named | undefined) => {
    const isAfter = before !== undefined && newestFirst(before, { of, entry: before.entry }) < 0
    const from = before === undefined ? "+" : isAfter ? before.entry : `(${before.entry}`
    return Effect.map(
      connection.run((client) => client.xrevrange(deadStreamOf(streams[of]), from, "-", "COUNT", limit)),
      (entries) => entries.map(([entry, fields]) => ({ of, entry, letter: letterOf(fields) }))
    )
  }

  const settled = (id: string, script: string) => {
    const known = named(id)
    if (known === undefined) return Effect.succeed(false)
    const stream = streams[known.of]
    return Effect.map(
      connection.run((client) =>
        client.eval(script, 2, deadStreamOf(stream), stream, known.entry, RedisGroup.eventField)
      ),
      (found) => found === 1
    )
  }

  return {
    list: Effect.fnUntraced(function* (limit, before) {
      const cursor = before === undefined ? undefined : named(before)
      if (limit < 1 || (before !== undefined && cursor === undefined)) return []
      const found = [...(yield* listOf("inbound", limit, cursor)), ...(yield* listOf("events", limit, cursor))]
      return found
        .sort(newestFirst)
        .slice(0, limit)
        .map(({ entry, letter, of }): StoredLetter => ({ ...letter, id: `${of}:${entry}` }))
    }),
    isId: (text) => named(text) !== undefined,
    has: (id) => {
      const known = named(id)
      if (known === undefined) return Effect.succeed(false)
      const { entry, of } = known
      return Effect.map(
        connection.run((client) => client.xrange(deadStreamOf(streams[of]), entry, entry, "COUNT", 1)),
        ({ length }) => length === 1
      )
    },
    retry: (id) => settled(id, RedisScripts.retryLetter),
    discard: (id) => settled(id, RedisScripts.discardLetter)
  }
})
