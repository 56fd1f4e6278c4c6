import { Clock, Duration, Effect, Layer, Schedule } from "effect"
import type { SqlClient } from "effect/sql"
import { AttentionDesk } from "../actors/AttentionDesk.ts"
import { StoreHealth } from "../actors/StoreHealth.ts"
import { onWiped } from "../capabilities/StoreConfig.ts"
import { Stores } from "../capabilities/Stores.ts"
import type { Raise } from "../domain/Attention.ts"
import { storeAttentionMs } from "../domain/run/RunDecide.ts"
import * as AttentionQuery from "../projections/AttentionQuery.ts"
import { ProjectionRunner } from "../projections/ProjectionRunner.ts"

const lookEvery = Duration.seconds(5)

/**
 * Raises what only this process knows: stores that are away for long or wait for somebody to look, and read models
 * that have stopped. Settles it when it is over, also because the store or the read model is no part of the app any more.
 */
export const layer: Layer.Layer<
  never,
  never,
  AttentionDesk | StoreHealth | Stores | ProjectionRunner | SqlClient.SqlClient
> = Layer.effectDiscard(
  Effect.gen(function* () {
    const desk = yield* AttentionDesk
    const look = yield* makeLook
    // What has been said by this process; what another one said before is looked at once.
    const told = new Map<string, boolean>()
    const tell = Effect.gen(function* () {
      const found = yield* look
      for (const [id, raise] of found) {
        if (raise === "unknown") continue
        if (raise === null && told.get(id) === false) continue
        yield* raise === null ? desk.settle(id) : desk.raise(raise)
        told.set(id, raise !== null)
      }
      const ids = new Set(found.map(([id]) => id))
      for (const id of yield* listed) if (!ids.has(id)) yield* desk.settle(id)
    })
    yield* tell.pipe(
      Effect.tapError(({ message }) => Effect.logDebug(`the attention list cannot be told: ${message}`)),
      Effect.ignore,
      Effect.repeat(Schedule.spaced(lookEvery)),
      Effect.forkScoped
    )
  })
)

/** The stores and read models that are on the list. */
const listed = Effect.gen(function* () {
  const pages = yield* Effect.forEach(["store", "projection"] as const, (kind) =>
    AttentionQuery.list({ kind, muted: "all" }, { limit: 200 })
  )
  return pages.flatMap(({ data }) => data.map(({ id }) => id))
})

type Found = ReadonlyArray<readonly [id: string, raise: Raise | null | "unknown"]>

const makeLook = Effect.gen(function* () {
  const health = yield* StoreHealth
  const stores = yield* Stores
  const runner = yield* ProjectionRunner

  const ofStores = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    return yield* Effect.forEach(yield* health.list, ({ error, name, since, status }) =>
      Effect.map(Effect.orDie(stores.config(name)), (config): Found[number] => {
        const id = `store:${name}`
        const raise = { id, kind: "store", severity: "critical" } as const
        if (status === "ready") return [id, null]
        if (status === "wiped" && onWiped(config) === "wait") {
          const message = `store ${name} answers without its marker (wiped, or not mounted), and its onWiped is "wait"`
          return [id, { ...raise, reasonCode: "store_wiped", message }]
        }
        if (status === "unknown" || now - since < storeAttentionMs) return [id, "unknown"]
        return [
          id,
          { ...raise, reasonCode: "store_unavailable", message: `store ${name} is unavailable: ${error ?? "unknown"}` }
        ]
      })
    )
  })

  const ofProjections = Effect.map(runner.status, (all) =>
    all.map(({ error, name }): Found[number] => {
      const id = `projection:${name}`
      if (error === null) return [id, null]
      const message = `${name} has stopped: ${error}`
      return [id, { id, kind: "projection", reasonCode: "projection_stopped", severity: "error", message }]
    })
  )

  return Effect.map(Effect.all([ofStores, ofProjections]), ([first, second]): Found => [...first, ...second])
})
