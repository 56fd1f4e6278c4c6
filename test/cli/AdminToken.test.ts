import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { chmodSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as AdminToken from "../../src/cli/AdminToken.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "kintsugi-token-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

const modeOf = (file: string): string => (statSync(file).mode & 0o777).toString(8)

describe("the admin token", () => {
  it.effect("is made at the first start, readable by its owner only, and read at later ones", () =>
    Effect.gen(function* () {
      const dataDir = yield* folder
      const first = yield* AdminToken.ensure(dataDir, null)
      const second = yield* AdminToken.ensure(dataDir, null)

      assert.strictEqual(first.origin, "made")
      assert.strictEqual(second.origin, "file")
      assert.strictEqual(Redacted.value(second.token), Redacted.value(first.token))
      assert.match(Redacted.value(first.token), /^[\w-]{43}$/)
      assert.strictEqual(modeOf(AdminToken.fileOf(dataDir)), "600")
      assert.deepStrictEqual(readdirSync(dataDir), ["admin-token"])
    })
  )

  it.effect("is that of the environment when there is one, and then no file is made", () =>
    Effect.gen(function* () {
      const dataDir = yield* folder
      const { origin, token } = yield* AdminToken.ensure(dataDir, Redacted.make("from-the-environment"))
      assert.strictEqual(origin, "environment")
      assert.strictEqual(Redacted.value(token), "from-the-environment")
      assert.isNull(yield* AdminToken.find(dataDir))
    })
  )

  it.effect("takes permissions back that let others read it", () =>
    Effect.gen(function* () {
      const dataDir = yield* folder
      yield* AdminToken.ensure(dataDir, null)
      chmodSync(AdminToken.fileOf(dataDir), 0o644)
      yield* AdminToken.ensure(dataDir, null)
      assert.strictEqual(modeOf(AdminToken.fileOf(dataDir)), "600")
    })
  )

  it.effect("is not made anew over a file that holds something else", () =>
    Effect.gen(function* () {
      const dataDir = yield* folder
      writeFileSync(AdminToken.fileOf(dataDir), "short\n")
      const error = yield* Effect.flip(AdminToken.ensure(dataDir, null))
      assert.match(error.message, /admin-token: does not hold a token/)
      assert.strictEqual(readFileSync(AdminToken.fileOf(dataDir), "utf8"), "short\n")
    })
  )

  it.effect("tells the real cause when its file cannot be written", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(AdminToken.ensure(join(yield* folder, "absent"), null))
      assert.match(error.message, /admin-token: cannot be written: .*ENOENT/)
    })
  )
})
