import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { join } from "node:path"
import { temporaryFolder } from "../support/postgres.ts"
import { kintsugi } from "./kintsugi.ts"

type Routes = Readonly<Record<string, readonly [status: number, body: unknown]>>

/** A server of which only these answers are known, and a command line that speaks to it. */
const against = Effect.fnUntraced(function* (routes: Routes) {
  const asked: Array<string> = []
  const server = yield* Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const made = createServer((request, response) => {
        let body = ""
        request.on("data", (chunk) => {
          body += chunk
        })
        request.on("end", () => {
          const route = `${request.method} ${request.url?.replace(/^\/api\/v1/, "")}`
          asked.push(body === "" ? route : `${route} ${body}`)
          const [status, answer] = routes[route] ?? [404, { title: "There is no such thing", detail: `no ${route}` }]
          response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer))
        })
      }).listen(0, "127.0.0.1", () => resume(Effect.succeed(made)))
    }),
    (made) => Effect.sync(() => made.close().closeAllConnections())
  )
  const url = `http://127.0.0.1:${(server.address() as { readonly port: number }).port}`
  const run = (...args: ReadonlyArray<string>) =>
    Effect.promise(() => kintsugi([...args, "--url", url, "--token", "some-token-of-mine"]))
  return { asked, run }
})

const item = {
  ...{ id: "recovery:r1", kind: "recovery", severity: "error", reasonCode: "no_producer", count: 2, workflow: null },
  ...{ message: "nobody makes it", since: "2026-01-01T00:00:00Z", assetId: "orders.raw", partitionKey: "2026-01" },
  ...{ runId: null, recoveryId: "r1", stepId: null, muted: null },
  rootCause: { assetId: "inbox.csv", partitionKey: null, why: "it is absent" },
  action: {
    ...{ text: "Put the file back.", command: "kintsugi recover recovery r1" },
    request: { method: "POST", path: "/api/v1/recoveries/r1/retry" }
  }
}

describe("kintsugi attention", () => {
  it.live("F22: lists every page of what needs a human, each with its command", () =>
    Effect.gen(function* () {
      const second = { ...item, id: "run:r2", kind: "run", assetId: null, runId: "r2", rootCause: null }
      const { asked, run } = yield* against({
        "GET /admin/attention?limit=200&severity=error": [200, { data: [item], nextCursor: "c1" }],
        "GET /admin/attention?limit=200&severity=error&cursor=c1": [200, { data: [second], nextCursor: null }]
      })
      const { code, stderr, stdout } = yield* run("attention", "--severity", "error")
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.match(
        stdout,
        /^SEVERITY +KIND +REASON +WHAT +SINCE +COUNT\nerror +recovery +no_producer +orders\.raw\[2026-01\]/
      )
      assert.include(stdout, "cause: inbox.csv: it is absent")
      assert.include(stdout, "command: kintsugi recover recovery r1")
      const json = yield* run("attention", "--severity", "error", "--json")
      assert.lengthOf(JSON.parse(json.stdout).data, 2)
      assert.lengthOf(asked, 4)
    }).pipe(Effect.scoped)
  )

  it.live("names the flag whose word is none, and the words", () =>
    Effect.gen(function* () {
      const { asked, run } = yield* against({})
      for (const flag of ["kind", "severity"]) {
        const { code, stderr } = yield* run("attention", `--${flag}`, "zz")
        assert.strictEqual(code, 2)
        assert.match(
          stderr,
          new RegExp(`^kintsugi: [^\\n]*--${flag}[^\\n]*${flag === "kind" ? "schedule" : "critical"}`)
        )
      }
      assert.deepStrictEqual(asked, [])
    }).pipe(Effect.scoped)
  )

  it.live("says that nobody is needed", () =>
    Effect.gen(function* () {
      const { run } = yield* against({ "GET /admin/attention?limit=200": [200, { data: [], nextCursor: null }] })
      assert.deepStrictEqual(yield* run("attention"), { code: 0, stdout: "nobody is needed\n", stderr: "" })
    }).pipe(Effect.scoped)
  )
})

describe("kintsugi recover", () => {
  const plan = { assetId: "a", partitionKey: "p", present: false, reasonCode: null, message: null }
  const made = [{ assetId: "a", partitionKey: "p", workflow: "makes-a" }]
  const recoveries = "GET /recoveries?assetId=a&limit=200"
  const planned = (more: object): Routes[string] => [200, { data: { ...plan, plan: made, ...more } }]
  const known = (status: string | null): Routes[string] => [
    200,
    { data: status === null ? [] : [{ id: "r1", partitionKey: "p", status }], nextCursor: null }
  ]

  it.live("F44: resumes a run in place, under either spelling, and tells why it may not", () =>
    Effect.gen(function* () {
      const { asked, run } = yield* against({
        "POST /runs/r1/recover": [
          202,
          { data: { id: "r1", status: "running" }, kept: ["a"], rerun: ["b"], position: "p" }
        ],
        "POST /runs/r2/recover": [409, { title: "no", detail: "the run is succeeded", code: "illegal_transition" }]
      })
      const told = { code: 0, stdout: "run r1 goes on: keeps 1 steps, does b\n", stderr: "" }
      assert.deepStrictEqual(yield* run("recover", "r1"), told)
      assert.deepStrictEqual(yield* run("recover", "run", "r1"), told)
      assert.deepStrictEqual(yield* run("recover", "run", "r1", "--reason", "mended"), told)
      assert.strictEqual(asked.at(-1), `POST /runs/r1/recover {"reason":"mended"}`)
      const refused = yield* run("recover", "r2")
      assert.deepStrictEqual([refused.code, refused.stderr], [2, "kintsugi: the run is succeeded\n"])
    }).pipe(Effect.scoped)
  )

  it.live("goes the way to an asset that is open: nothing, wait, retry, or a run of its producer", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [object, string | null, number, RegExp]> = [
        [{ present: true }, null, 0, /^a\[p\] is there: nothing to do\n$/],
        [{}, "running", 0, /^recovery r1 of a\[p\] is running already\n$/],
        [{}, "failed", 0, /^recovery r1 is tried again: requested\n$/],
        [{}, "succeeded", 0, /^run x of makes-a makes a\[p\]\n$/],
        [{}, null, 0, /^run x of makes-a makes a\[p\]\n$/],
        [{ reasonCode: "no_producer", message: "nobody makes it", plan: [] }, null, 1, /^$/]
      ]
      for (const [more, status, expected, line] of cases) {
        const { asked, run } = yield* against({
          ...{ "POST /recoveries/plan": planned(more), [recoveries]: known(status) },
          "POST /recoveries/r1/retry": [202, { data: { id: "r1", partitionKey: "p", status: "requested" } }],
          "POST /workflows/makes-a/run": [202, { data: { id: "x", status: "pending" } }]
        })
        const { code, stderr, stdout } = yield* run("recover", "--asset", "a[p]", "--reason", "the disk is back")
        assert.strictEqual(code, expected, stderr)
        assert.match(stdout, line)
        assert.strictEqual(asked[0], `POST /recoveries/plan {"assetId":"a","partitionKey":"p"}`)
        if (stdout.includes("makes-a"))
          assert.strictEqual(
            asked.at(-1),
            `POST /workflows/makes-a/run {"partitionKey":"p","reason":"the disk is back"}`
          )
        if (stdout.includes("tried again"))
          assert.strictEqual(asked.at(-1), `POST /recoveries/r1/retry {"reason":"the disk is back"}`)
        if (code === 1) assert.strictEqual(stderr, "kintsugi: a[p]: no_producer: nobody makes it\n")
      }
    }).pipe(Effect.scoped)
  )

  it.live("ends with 2 when none or both are named, or the asset's brackets are not closed", () =>
    Effect.gen(function* () {
      const { asked, run } = yield* against({})
      for (const [args, line] of [
        [["recover"], /^kintsugi: nothing is named: give the id of a run, or an asset with --asset\n$/],
        [["recover", "r1", "--asset", "a"], /^kintsugi: a run and --asset are given: name one of the two\n$/],
        [["recover", "--asset", "a[p"], /^kintsugi: --asset: must be ASSET or ASSET\[PARTITION\], [^\n]+\n$/],
        [["inspect", "asset", "a[p"], /^kintsugi: id: must be ASSET or ASSET\[PARTITION\], [^\n]+\n$/],
        [["inspect", "asset", "a[p]", "--partition", "q"], /^kintsugi: --partition: a\[p\] names another partition/]
      ] as const) {
        const { code, stderr } = yield* run(...args)
        assert.strictEqual(code, 2)
        assert.match(stderr, line)
      }
      assert.deepStrictEqual(asked, [])
    }).pipe(Effect.scoped)
  )
})

describe("kintsugi inspect asset", () => {
  it.live("takes ASSET[PARTITION], as recover does, and the flag", () =>
    Effect.gen(function* () {
      const { run } = yield* against({ "GET /assets/f?partitionKey=a": [200, { data: { assetId: "f" } }] })
      for (const args of [["f[a]"], ["f", "--partition", "a"], ["f[a]", "--partition", "a"]]) {
        const told = { code: 0, stdout: "assetId  f\n", stderr: "" }
        assert.deepStrictEqual(yield* run("inspect", "asset", ...args), told)
      }
    }).pipe(Effect.scoped)
  )
})

describe("the command line", () => {
  it.live("ends with the codes of docs/CLI.md", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const code = (...args: ReadonlyArray<string>) =>
        Effect.map(
          Effect.promise(() => kintsugi([...args, "--data-dir", folder])),
          (ended) => ended.code
        )
      assert.strictEqual(yield* code("doctor"), 0)
      assert.strictEqual(yield* code("doctor", "--redis-url", "redis://127.0.0.1:1"), 1)
      assert.strictEqual(yield* code("attention", "--url", "http://127.0.0.1:1", "--token", "t"), 1)
      assert.strictEqual(yield* code("attention"), 2)
      assert.strictEqual(yield* code("frob"), 2)
    }).pipe(Effect.scoped)
  )

  it.live("completes commands and flags in bash, and tells zsh and fish the same", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      for (const shell of ["bash", "zsh", "fish"]) {
        const { code, stdout } = yield* Effect.promise(() => kintsugi(["--completions", shell]))
        assert.strictEqual(code, 0)
        for (const word of ["doctor", "attention", "recover", "data-dir"]) assert.include(stdout, word)
        if (shell !== "bash") continue
        const file = join(folder, "completion.bash")
        writeFileSync(file, stdout)
        const ask = (line: string) => {
          const words = line.split(" ")
          const script = `source ${file}; COMP_LINE='${line}'; COMP_POINT=${line.length}; COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}
            _kintsugi; echo "\${COMPREPLY[@]}"`
          return execFileSync("bash", ["-c", script], { encoding: "utf8" })
        }
        assert.include(ask("kintsugi doc"), "doctor")
        assert.include(ask("kintsugi doctor --data"), "--data-dir")
      }
    }).pipe(Effect.scoped)
  )
})
