import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { making } from "../backfill/days.ts"
import { send } from "../http/Harness.ts"
import { served } from "./backfillServer.ts"

const text = readFileSync(join(import.meta.dirname, "../../docs/BACKFILL.md"), "utf8")
const blocks = (language: string) =>
  [...text.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"))].map(([, block]) => block!)

/** The words of a command line as a shell takes them, with simple quotes. */
const words = (line: string) =>
  [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, one, two, bare]) => one ?? two ?? bare!)
const [definition, request] = blocks("json").map((block) => JSON.parse(block))
const commands = blocks("sh").map((block) =>
  block
    .split("\n")
    .filter((line) => line.startsWith("kintsugi backfill "))
    .map((line) => words(line).slice(2))
)

describe("docs/BACKFILL.md", () => {
  it.live("F66 F11: its examples do what they say", () =>
    served(
      making(),
      ({ backfill, folder }) =>
        Effect.gen(function* () {
          let detached = ""
          const outputs: Array<string> = []
          for (const args of commands[0]!) {
            const ended = yield* backfill(...args.map((word) => (word === "ID" ? detached : word)))
            assert.strictEqual(ended.code, 0, `${args.join(" ")}: ${ended.stderr}`)
            detached = /^backfill (\w+):/.exec(ended.stdout)?.[1] ?? detached
            outputs.push(ended.stdout)
          }
          const told = ["7 of 7 partitions would run", "7 of 7 done", "1 of 3 done, 2 skipped", "watch", "3 of 3 done"]
          assert.lengthOf(outputs, told.length)
          for (const [index, part] of told.entries()) assert.include(outputs[index], part)

          const { status } = yield* send("POST", "/api/v1/backfills", { body: JSON.stringify(request) })
          assert.strictEqual(status, 202)

          mkdirSync(join(folder, "lake", "days"), { recursive: true })
          for (const day of [1, 2, 3]) writeFileSync(join(folder, "lake", "days", `2023-01-0${day}.txt`), `${day}`)
          const recorded: Array<string> = []
          for (const args of commands[1]!) {
            const ended = yield* backfill(...args)
            assert.strictEqual(ended.code, 0, ended.stderr)
            recorded.push(/(\d+) (?:would be )?recorded/.exec(ended.stdout)![1]!)
          }
          assert.deepStrictEqual(recorded, ["3", "2", "1"])
        }),
      { [definition.slug]: definition }
    )
  )
})
