import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TokenUses } from "../../src/projections/TokenUses.ts"
import { database, TestServer } from "../support/postgres.ts"

layer(TestServer.layer, { excludeTestServices: true })("when API tokens were last used", (it) => {
  it.effect("F84: is known at once, and survives the process", () =>
    Effect.gen(function* () {
      const process = Layer.fresh(TokenUses.layer)
      const all = Effect.flatMap(TokenUses, (uses) => uses.all)
      const used = Effect.flatMap(TokenUses, ({ note }) => Effect.andThen(note("a"), all))
      const before = yield* Effect.provide(used, process)
      assert.isAbove(before.get("a") ?? 0, 0)
      const after = yield* Effect.provide(all, process)
      assert.deepStrictEqual([...after], [...before])
      const later = yield* Effect.provide(used, process)
      assert.isAtLeast(later.get("a") ?? 0, before.get("a") ?? 0)
    }).pipe(Effect.provide(database))
  )
})
