import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { makes, readInput, stepFor } from "../support/chainApp.ts"
import { ended, eventsOf, succeeded, until } from "../support/engine.ts"
import { playPg } from "../support/pgEngine.ts"
import { TestServer } from "../support/postgres.ts"

const automatic = (workflow: string) =>
  Effect.map(eventsOf("run", "RunRequested"), (events) =>
    events.filter(
      (event) => event.workflow === workflow && (event.trigger as { readonly type: string }).type === "auto-materialize"
    )
  )

layer(TestServer.layer, { excludeTestServices: true })("assets that keep themselves fresh, on real Postgres", (it) => {
  it.effect("F53 F54 F57: an expiry remakes the base, and each production of it remakes what is derived", () =>
    playPg(
      {
        jobs: [makes("base"), makes("top", (ctx) => readInput(ctx, "base"))],
        workflows: {
          bases: {
            steps: [
              {
                ...stepFor("make-base"),
                produces: [{ assetId: "base", freshness: { ttlMs: 1_000 }, autoMaterialize: {} }]
              }
            ]
          },
          tops: {
            steps: [
              {
                ...stepFor("make-top", { consumes: ["base"] }),
                produces: [{ assetId: "top", autoMaterialize: { onUpstreamUpdate: true } }]
              }
            ]
          }
        },
        ends: false
      },
      () =>
        Effect.gen(function* () {
          yield* succeeded("bases")
          const [refresh] = yield* until(automatic("bases"), ({ length }) => length >= 1, "refresh")
          assert.deepInclude(refresh!.trigger, { reason: "expiry", expiry: "ttl" })
          assert.strictEqual((yield* ended(refresh!.runId as string)).status, "succeeded")
          const derived = yield* until(automatic("tops"), ({ length }) => length >= 2, "two derived runs")
          const generations = derived.map(
            ({ trigger }) => (trigger as { readonly upstream: { readonly generation: number } }).upstream.generation
          )
          assert.deepStrictEqual(generations.slice(0, 2), [1, 2])
        })
    )
  )
})
