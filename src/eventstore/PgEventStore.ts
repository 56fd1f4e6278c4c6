import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, Metric, PubSub, Stream } from "effect"
import { SqlClient } from "effect/sql"
import * as AppendHints from "./AppendHints.ts"
import * as Appender from "./Appender.ts"
import * as Epoch from "./Epoch.ts"
import { EventStore } from "./EventStore.ts"
import * as PgAsk from "./PgAsk.ts"
import * as PgReads from "./PgReads.ts"
import * as PgSnapshots from "./PgSnapshots.ts"
import { Snapshots } from "./Snapshots.ts"
import * as WriterConnection from "./WriterConnection.ts"

/** Appends in a batch. */
export const batchSize = Metric.histogram("kintsugi_eventstore_append_batch_size", {
  description: "Appends written together in one statement",
  boundaries: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000]
})

/** Seconds from sending a batch to its answer. */
export const batchSeconds = Metric.histogram("kintsugi_eventstore_append_seconds", {
  description: "Time to write a batch of appends",
  boundaries: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5]
})

/**
 * The log in Postgres and the snapshots beside it. Needs a migrated database; appends over one connection of its own,
 * all else goes through the pool.
 */
export const layer: Layer.Layer<EventStore, never, PgClient.PgClient | SqlClient.SqlClient> = Layer.effectContext(
  Effect.gen(function* () {
    const client = yield* PgClient.PgClient
    const sql = yield* SqlClient.SqlClient
    const ticks = yield* PubSub.sliding<void>(1)
    const hints = AppendHints.make()
    const context = yield* Effect.context<never>()
    let isAvailable = true
    const onAvailable = (available: boolean) => {
      isAvailable = available
    }

    const ask = PgAsk.make(sql, onAvailable)
    const tail = yield* PgReads.tail(ask)
    const connection = yield* WriterConnection.make(
      { ...client.config, applicationName: "kintsugi writer" },
      (opened) => Effect.andThen(Effect.sync(tail.drop), Epoch.raiseIfRestored(opened))
    )
    const appender = yield* Appender.make(connection, {
      onAvailable,
      onBatch: (appends, seconds) => {
        batchSize.updateUnsafe(appends.length, context)
        batchSeconds.updateUnsafe(seconds, context)
        PubSub.publishUnsafe(ticks, undefined)
        hints.tell(appends)
      }
    })
    // Reads compare with the epoch too, so it has to be right before the first append.
    yield* connection.query("SELECT 1", []).pipe(Effect.ignore)

    const store = EventStore.of({
      append: appender.append,
      ...PgReads.make(ask, tail),
      changes: Stream.fromPubSub(ticks),
      onAppended: hints.on,
      available: Effect.sync(() => isAvailable)
    })
    return Context.make(EventStore, store).pipe(Context.add(Snapshots, PgSnapshots.make(ask)))
  })
)
