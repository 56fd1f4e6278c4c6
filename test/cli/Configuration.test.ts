import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Catalogue from "../../src/cli/SettingCatalogue.ts"
import * as Flags from "../../src/cli/Flags.ts"
import { markdown } from "../../src/cli/SettingReference.ts"
import * as Settings from "../../src/cli/Settings.ts"

const root = join(import.meta.dirname, "../..")
const described = Catalogue.groups.flatMap(({ settings }) => Object.values(settings))

describe("docs/CONFIGURATION.md", () => {
  it("is what the settings themselves say (npm run docs:configuration writes it)", () => {
    assert.strictEqual(readFileSync(join(root, "docs/CONFIGURATION.md"), "utf8"), markdown())
  })

  it("F87: knows every variable that the program reads", () => {
    const known = new Set(described.map(({ variable }) => variable))
    const unknown = readdirSync(join(root, "src/cli"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .flatMap((file) => {
        const text = readFileSync(join(root, "src/cli", file), "utf8")
        const read = /"((?:KINTSUGI|OTEL|OPENLINEAGE|ASSET_MATERIALIZER)_[A-Z_]+|DATABASE_URL|REDIS_URL)"/g
        return [...text.matchAll(read)].map(([, variable]) => variable!).filter((variable) => !known.has(variable))
      })
    assert.deepStrictEqual(unknown, [])
  })

  it("has every flag of the server and of commands that speak to one", () => {
    const flags = new Set(described.flatMap(({ flag }) => flag ?? []))
    for (const flag of [...Object.keys(Flags.server), ...Object.keys(Flags.client)]) assert.include([...flags], flag)
  })
})

describe("a described setting", () => {
  it("is held to its bounds where it is read", () => {
    const numbers = described.flatMap((setting) => (setting.kind === "whole" ? [setting] : []))
    assert.isAbove(numbers.length, 6)
    // A batch is at most as large as its queue, and a first pause at most the longest.
    const pauses = { ASSET_MATERIALIZER_BASE_BACKOFF_MS: "1", ASSET_MATERIALIZER_MAX_BACKOFF_MS: "2147483647" }
    const room = {
      ...pauses,
      KINTSUGI_SIGN_KEY_FILE: "key.pem",
      OTEL_BSP_MAX_QUEUE_SIZE: "2147483647",
      OTEL_BLRP_MAX_QUEUE_SIZE: "2147483647"
    }
    for (const { maximum, minimum, variable } of numbers) {
      const isTaken = (value: number) =>
        Result.isSuccess(Settings.all({ flags: {}, env: { ...room, [variable]: String(value) } }))
      assert.deepStrictEqual([isTaken(minimum), isTaken(maximum), isTaken(maximum + 1)], [true, true, false], variable)
    }
  })

  it("takes each of its words and no other", () => {
    for (const setting of described) {
      if (setting.kind !== "choice") continue
      const isTaken = (word: string) => Result.isSuccess(Settings.all({ flags: {}, env: { [setting.variable]: word } }))
      assert.deepStrictEqual(
        setting.choices.filter((word) => !isTaken(word)),
        [],
        setting.variable
      )
      assert.isFalse(isTaken("perhaps"), setting.variable)
    }
  })

  it("is told with every other one that is wrong", () => {
    const env = { KINTSUGI_PORT: "x", KINTSUGI_RECOVERY: "maybe", DATABASE_URL: "mysql://x", KINTSUGI_CONCURRENCY: "0" }
    const faults = Settings.faults({ flags: { port: "y", "redis-url": "nowhere" }, env })
    // Below a wrong flag lies the variable that it overrode.
    assert.deepStrictEqual(faults.map(({ setting }) => setting).sort(), [
      "--port",
      "--redis-url",
      "DATABASE_URL",
      "KINTSUGI_CONCURRENCY",
      "KINTSUGI_PORT",
      "KINTSUGI_RECOVERY"
    ])
    assert.deepStrictEqual(Settings.faults({ flags: {}, env: {} }), [])
  })
})
