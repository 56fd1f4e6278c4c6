import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { spawn } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { making } from "../backfill/days.ts"
import { gate, until } from "../support/engine.ts"
import { served } from "./backfillServer.ts"
import { kintsugi } from "./kintsugi.ts"

const year = (day: string) => `2024-01-0${day}`

describe("kintsugi backfill", () => {
  it.live("F66: says what would run, runs it, shows how far it is, and ends with 0", () =>
    served(making(), ({ backfill }) =>
      Effect.gen(function* () {
        const range = ["days", "--from", year("1"), "--to", year("3")]
        const plan = yield* backfill(...range, "--dry-run")
        assert.strictEqual(plan.code, 0, plan.stderr)
        assert.include(plan.stdout, `3 of 3 partitions would run, 0 are there\n  ${year("1")}\n`)
        const done = yield* backfill(...range, "--concurrency", "2", "--canary", "1")
        assert.strictEqual(done.code, 0, done.stderr)
        assert.match(done.stdout, /^backfill \S+ has succeeded: 3 of 3 done\n$/)
        assert.match(done.stderr, /of 3 done/, "progress as lines, for there is no terminal")
        const missing = yield* backfill("days", "--keys", `${year("1")},${year("4")}`, "--only-missing", "--json")
        assert.strictEqual(missing.stderr, "")
        assert.deepInclude(JSON.parse(missing.stdout), { status: "succeeded", succeeded: 1, skipped: 1 })
      })
    )
  )

  it.live("F66 F68: gives its parameters to every run, over the workflow's defaults", () => {
    const seen: Array<unknown> = []
    const job = making((ctx) => void seen.push(ctx.parameters.region))
    return served(job, ({ backfill }) =>
      Effect.gen(function* () {
        const keys = `${year("1")},${year("2")}`
        const done = yield* backfill("days", "--keys", keys, "--parameters", '{"region": "eu"}')
        assert.strictEqual(done.code, 0, done.stderr)
        assert.deepStrictEqual(seen, ["eu", "eu"])
      })
    )
  })

  it.live("F66: ends with 1 and the reasons when a run has failed; a canary is named", () => {
    const job = making((ctx) => {
      if (ctx.partitionKey === year("1")) throw new Error("no such column")
    })
    return served(job, ({ backfill }) =>
      Effect.gen(function* () {
        const failed = yield* backfill("days", "--from", year("1"), "--to", year("3"), "--canary", "1")
        assert.strictEqual(failed.code, 1)
        assert.match(failed.stdout, /2024-01-01 \(run \S+\): .*no such column/)
        assert.include(failed.stderr, `partition ${year("1")} failed while it ran alone`)
      })
    )
  })

  it.live("F66: detached is watched later, and can be canceled", () => {
    const job = making(() => new Promise(() => {}))
    return served(job, ({ backfill }) =>
      Effect.gen(function* () {
        const detached = yield* backfill("days", "--all", "--detach", "--json")
        assert.strictEqual(detached.code, 0, detached.stderr)
        const { id } = JSON.parse(detached.stdout)
        assert.include((yield* backfill("pause", id)).stdout, `backfill ${id} is paused: 0 of 3 done, 3 running`)
        const again = yield* backfill("pause", id)
        assert.strictEqual(again.code, 2)
        assert.include(again.stderr, "pause is not possible: the status is paused")
        assert.strictEqual((yield* backfill("cancel", id)).code, 0)
        const watched = yield* backfill("watch", id)
        assert.strictEqual(watched.code, 1)
        assert.include(watched.stdout, `backfill ${id} has canceled: 0 of 3 done, 3 canceled`)
      })
    )
  })

  it.live("F66: Ctrl-C stops looking, says how to look again, and the backfill goes on", () => {
    const door = gate()
    return served(
      making(() => door.pass()),
      ({ backfill, env, folder }) =>
        Effect.gen(function* () {
          const root = join(import.meta.dirname, "../..")
          const main = join(root, "src/main.ts")
          const child = spawn(
            join(root, "node_modules/.bin/node"),
            ["--no-warnings", main, "backfill", "days", "--all"],
            {
              cwd: folder,
              env: { PATH: process.env.PATH ?? "", HOME: folder, ...env }
            }
          )
          let stderr = ""
          child.stderr.on("data", (chunk) => {
            stderr += chunk
          })
          const ended = new Promise<number | null>((resolve) => child.on("close", resolve))
          yield* until(
            Effect.sync(() => stderr),
            (told) => told.includes("running"),
            "progress",
            30
          )
          child.kill("SIGINT")
          assert.strictEqual(yield* Effect.promise(() => ended), 130)
          const id = /look again with kintsugi backfill watch (\S+)/.exec(stderr)?.[1]
          assert.isString(id, stderr)
          door.open()
          const watched = yield* backfill("watch", id!)
          assert.strictEqual(watched.code, 0, watched.stderr)
        })
    )
  })

  it.live("what cannot be is one line that names the flag or the field, with 2", () =>
    served(making(), ({ backfill, folder, url }) =>
      Effect.gen(function* () {
        const faults: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
          [["days"], "give one of --from KEY --to KEY, --keys KEY,KEY or --all"],
          [["days", "--from", year("1")], "--to is needed with --from"],
          [
            ["days", "--all", "--parameters", "region=eu"],
            '--parameters must be a JSON object, such as {"region": "eu"}'
          ],
          [["days", "--all", "--parameters", "[1]"], "--parameters must be a JSON object"],
          [["days", "--all", "--concurrency", "101"], "concurrency must be a whole number from 1 to 100"],
          [["days", "--keys", "nope"], "partitions.keys[0] must name a day"],
          [["nights", "--all"], `There is no workflow "nights"`],
          [["watch", "nope"], `There is no backfill "nope"`],
          [["--all", "--", "watch"], `There is no workflow "watch"`],
          [["days", "--all", "--token", "wrong-token-of-many-characters"], "does not accept this token"]
        ]
        for (const [args, told] of faults) {
          const { code, stderr } = yield* backfill(...args)
          assert.strictEqual(code, 2, `${args.join(" ")}: ${stderr}`)
          assert.include(stderr, told)
          assert.lengthOf(stderr.trim().split("\n"), 1)
        }
        const away = yield* backfill("days", "--all", "--url", "http://127.0.0.1:1")
        assert.strictEqual(away.code, 1)
        assert.include(away.stderr, "--url")
        const untold = yield* Effect.promise(() =>
          kintsugi(["backfill", "days", "--all", "--url", url], { cwd: folder })
        )
        assert.strictEqual(untold.code, 2)
        assert.include(untold.stderr, "--token")
      })
    )
  )
})

describe("kintsugi backfill provenance", () => {
  const lying = (folder: string) => {
    mkdirSync(join(folder, "lake", "days"), { recursive: true })
    for (const day of ["1", "2", "3"]) writeFileSync(join(folder, "lake", "days", `${year(day)}.txt`), day)
    writeFileSync(join(folder, "lake", "days", "notes.md"), "aside")
  }

  it.live("F11: counts with --dry-run, records a few with --limit, goes on, and records nothing twice", () =>
    served(making(), ({ backfill, folder }) =>
      Effect.gen(function* () {
        lying(folder)
        const args = ["provenance", "--store", "lake", "--prefix", "days/", "--asset", "days", "--json"]
        const pattern = ["--partition-from", "^days/(?<key>[0-9-]+)\\.txt$", "--batch-size", "2"]
        const run = Effect.fnUntraced(function* (...more: ReadonlyArray<string>) {
          const { code, stderr, stdout } = yield* backfill(...args, ...pattern, ...more)
          assert.strictEqual(code, 0, stderr)
          return JSON.parse(stdout)
        })
        const counted = { scanned: 4, matched: 3, partitions: 3, skipped: [] }
        assert.deepInclude(yield* run("--dry-run"), { ...counted, recorded: 3, present: 0, dryRun: true })
        assert.deepInclude(yield* run("--limit", "1"), { ...counted, recorded: 1, present: 0 })
        assert.deepInclude(yield* run(), { ...counted, recorded: 2, present: 1 })
        assert.deepInclude(yield* run(), { ...counted, recorded: 0, present: 3 })
        const text = yield* backfill(...args.slice(0, -1), ...pattern)
        assert.include(
          text.stdout,
          "4 objects, 3 of them match: 3 partitions\n0 recorded, 3 already there, 0 skipped\n"
        )
        const left = yield* backfill("days", "--from", year("1"), "--to", year("3"), "--only-missing", "--json")
        assert.deepInclude(JSON.parse(left.stdout), { skipped: 3, succeeded: 0 })
      })
    )
  )

  it.live("F11: goes on after an object whose key is no partition, and names it", () =>
    served(making(), ({ backfill, folder }) =>
      Effect.gen(function* () {
        lying(folder)
        writeFileSync(join(folder, "lake", "days", "2024-13-45.txt"), "no day")
        const args = ["provenance", "--store", "lake", "--prefix", "days/", "--asset", "days"]
        const pattern = ["--partition-from", "^days/(?<key>[0-9-]+)\\.txt$"]
        const { code, stderr, stdout } = yield* backfill(...args, ...pattern)
        assert.strictEqual(code, 0, stderr)
        assert.include(
          stdout,
          "3 recorded, 0 already there, 1 skipped\n  2024-13-45: lake/days/2024-13-45.txt: must name a day"
        )
        const given = yield* backfill(...args, "--partition", "2024-13-45")
        assert.notStrictEqual(given.code, 0, "what the caller names himself is refused")
      })
    )
  )

  it.live("F11: what cannot be is one line that names the flag, with 2", () =>
    served(making(), ({ backfill, folder }) =>
      Effect.gen(function* () {
        lying(folder)
        const base = ["provenance", "--store", "lake", "--asset", "days"]
        const faults: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
          [[...base, "--partition-from", "("], "--partition-from"],
          [[...base, "--partition-from", "days/(.*)"], "(?<key>"],
          [[...base, "--partition", "a", "--partition-from", "b"], "exclude each other"],
          [[...base, "--partition", year("1"), "--batch-size", "101"], "--batch-size"],
          [["provenance", "--store", "attic", "--asset", "days", "--partition", "a"], `There is no store "attic"`],
          [["provenance", "--store", "lake", "--asset", "nights", "--partition", "a"], `There is no asset "nights"`]
        ]
        for (const [args, told] of faults) {
          const { code, stderr } = yield* backfill(...args)
          assert.strictEqual(code, 2, `${args.join(" ")}: ${stderr}`)
          assert.include(stderr, told)
        }
      })
    )
  )
})
