import { Clock, Context, Effect, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import type { LogUnavailable } from "../eventstore/EventStore.ts"
import { available } from "./Available.ts"
import * as Columns from "./Columns.ts"

/**
 * When each API token was last used: in memory at once, in the table `token_uses` every half minute and at the end. A
 * process that is killed loses half a minute of it.
 */
export class TokenUses extends Context.Service<
  TokenUses,
  {
    /** The token was used now. */
    readonly note: (tokenId: string) => Effect.Effect<void>
    /** Epoch ms by token id, of all processes; tokens that were never used are absent. */
    readonly all: Effect.Effect<ReadonlyMap<string, number>, LogUnavailable>
  }
>()("kintsugi/projections/TokenUses") {
  static readonly layer = Layer.effect(
    TokenUses,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const known = new Map<string, number>()
      const unwritten = new Set<string>()

      const write = Effect.gen(function* () {
        const ids = [...unwritten]
        if (ids.length === 0) return
        const times = ids.map((id) => known.get(id)!)
        // Processes write beside each other; the latest use stays.
        yield* sql`
          INSERT INTO token_uses (token_id, used_at)
          SELECT used.id, used.at
          FROM unnest(${Columns.text(ids)}, ${Columns.time(times)}) AS used (id, at)
          ORDER BY used.id
          ON CONFLICT (token_id) DO UPDATE SET used_at = greatest(token_uses.used_at, excluded.used_at)`
        // Only what is in the table: a write that fails or is cut off is done again.
        for (const [index, id] of ids.entries()) if (known.get(id) === times[index]) unwritten.delete(id)
      }).pipe(Effect.ignore)
      yield* Effect.addFinalizer(() => write)
      yield* Effect.forkScoped(Effect.repeat(write, Schedule.spaced(writeEvery)))

      return TokenUses.of({
        note: noteIn(known, unwritten),
        all: Effect.gen(function* () {
          const rows = yield* available(
            sql<{ readonly id: string; readonly at: number }>`
              SELECT token_id AS id, (extract(epoch FROM used_at) * 1000)::float8 AS at FROM token_uses`
          )
          const written = rows.map(({ at, id }) => [id, Math.max(at, known.get(id) ?? 0)] as const)
          return new Map([...known, ...written])
        })
      })
    })
  )

  /** Kept nowhere else: for a log in memory. */
  static readonly layerMemory = Layer.sync(TokenUses, () => {
    const known = new Map<string, number>()
    return TokenUses.of({ note: noteIn(known, new Set()), all: Effect.sync(() => new Map(known)) })
  })
}

const writeEvery = "30 seconds"

const noteIn = (known: Map<string, number>, unwritten: Set<string>) => (tokenId: string) =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    known.set(tokenId, now)
    unwritten.add(tokenId)
  })
