import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { runScript } from "../cli/kintsugi.ts"

const guide = readFileSync(join(import.meta.dirname, "../../docs/OUTAGE.md"), "utf8")

describe("docs/OUTAGE.md", () => {
  it.live(
    "F85 F80: what it promises happens when S3 is killed, comes back and is wiped",
    () =>
      Effect.gen(function* () {
        const expected = /```text\n([\s\S]*?)```/.exec(guide)?.[1]
        const { code, stderr, stdout } = yield* Effect.promise(() => runScript("examples/outage/validate.ts", []))
        assert.deepStrictEqual([code, stdout], [0, expected], stderr)
      }),
    120_000
  )
})
