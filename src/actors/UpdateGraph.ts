import { Context, Duration, Effect, Layer, Schedule } from "effect"
import { build, type Routes } from "../domain/UpdateRoutes.ts"
import { Definitions } from "./Definitions.ts"
import { KnownPartitions } from "./KnownPartitions.ts"
import { UpdateLoops } from "./UpdateLoops.ts"

/** Who is told of which updates, from the newest definitions; built again when one changes. */
export class UpdateGraph extends Context.Service<UpdateGraph, { readonly current: Effect.Effect<Routes> }>()(
  "kintsugi/actors/UpdateGraph"
) {
  /** `refreshIntervalMs`: how often it is built again even so, with the partitions that it goes by. */
  static readonly layer = (refreshIntervalMs: number) =>
    Layer.effect(
      UpdateGraph,
      Effect.gen(function* () {
        const definitions = yield* Definitions
        const known = yield* KnownPartitions
        const loops = yield* UpdateLoops
        let built: { readonly changes: number; readonly routes: Routes } | null = null
        const current = Effect.sync(() => {
          const changes = definitions.changes()
          if (built?.changes !== changes) {
            const newest = definitions.all().map(({ definition }) => definition)
            built = { changes, routes: build(newest, loops.isCyclic) }
          }
          return built.routes
        })
        const refresh = Effect.sync(() => {
          built = null
          known.forget()
        })
        yield* Effect.forkScoped(Effect.repeat(refresh, Schedule.spaced(Duration.millis(refreshIntervalMs))))
        return UpdateGraph.of({ current })
      })
    )
}
