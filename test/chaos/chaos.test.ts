import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { temporaryFolder } from "../support/engine.ts"
import { campaign } from "./campaign.ts"

const seed = Number(process.env.KINTSUGI_TEST_SEED ?? "7")

describe("chaos", () => {
  it.live(
    "F38 F47: ten times killed in the middle of its work, the server loses nothing and every run ends",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const outcome = yield* Effect.promise(() =>
          campaign({ kills: 10, seed, folder, clients: 3, lifeMsMax: 600, severe: false, say: () => {} })
        )
        assert.deepStrictEqual(outcome.faults, [], `seed ${seed}: ${JSON.stringify(outcome)}`)
        assert(outcome.acknowledged > 0 && outcome.interruptions > 0, `seed ${seed} proves nothing`)
      }).pipe(Effect.scoped),
    120_000
  )
})
