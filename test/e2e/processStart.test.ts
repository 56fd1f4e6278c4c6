import { assert, describe, it } from "@effect/vitest"
import { createServer } from "node:net"
import { join } from "node:path"
import type { ServerOptions } from "../chaos/serverProcess.ts"
import { napApp, withFolder, written } from "./processSupport.ts"

/** Figures of an idle machine are 5 and 2.5 s; a busy one may take three times as long. */
const firstStartMsMax = 15_000
const laterStartMsMax = 7_500

const app = (body: string) => `import { defineApp, defineJob } from "kintsugi"\n${body}`

describe("a server that cannot start ends with 2 and one clear line", () => {
  const refused = (what: string, give: (folder: string) => Partial<ServerOptions>, line: RegExp) =>
    it.live(`for ${what}`, () =>
      withFolder(async ({ folder, spawn }) => {
        const server = spawn(give(folder))
        assert.strictEqual((await server.ended).code, 2, server.stderr())
        assert.match(server.stderr(), line)
        assert.strictEqual(server.stderr().trimEnd().split("\n").length, 1, server.stderr())
        assert.strictEqual(server.stdout(), "")
      })
    )

  refused(
    "a DATABASE_URL where nobody answers, without repeating its password",
    () => ({ env: { DATABASE_URL: "postgres://me:secret@127.0.0.1:1/x" } }),
    /^kintsugi: DATABASE_URL: the database cannot be reached: (?!.*secret).*ECONNREFUSED/
  )
  refused(
    "a DATABASE_URL that is none",
    () => ({ env: { DATABASE_URL: "mysql://x/y" } }),
    /^kintsugi: DATABASE_URL: must be a URL such as postgres:/
  )
  refused(
    "a data directory that cannot be written",
    () => ({ dataDir: "/proc/kintsugi" }),
    /^kintsugi: --data-dir \(KINTSUGI_DATA_DIR\): .*\/proc\/kintsugi/
  )
  refused(
    "an app that is not there",
    (folder) => ({ app: join(folder, "no.ts") }),
    /^kintsugi: --app \(KINTSUGI_APP\): .*no\.ts does not exist/
  )
  refused(
    "an app that ends the process while it is imported",
    (folder) => ({ app: written(folder, "exit.ts", app("process.exit(0)")) }),
    /^kintsugi: --app \(KINTSUGI_APP\): .*exit\.ts ended the process at import: it calls process\.exit\(0\)/
  )
  refused(
    "an app whose notifications want a variable that is not set",
    (folder) => ({
      app: written(
        folder,
        "notify.ts",
        app(`const secret = { env: "KINTSUGI_NO_SUCH_SECRET" }
const url = "https://hooks.example.org/x"
export default defineApp({ notifications: { channels: { ops: { type: "webhook", url, secret } } } })`)
      )
    }),
    /^kintsugi: --app: notifications\.channels\.ops\.secret: the environment variable KINTSUGI_NO_SUCH_SECRET is not set$/m
  )
  refused(
    "an app whose workflow names an unknown job",
    (folder) => ({
      app: written(
        folder,
        "job.ts",
        app(`export default defineApp({ workflows: [{ slug: "w", steps: [{ id: "s", jobSlug: "ghost" }] }] })`)
      )
    }),
    /^kintsugi: --app .*job\.ts.*ghost/
  )
  refused(
    "an app whose timestore names an unknown store",
    (folder) => ({
      app: written(folder, "store.ts", app(`export default defineApp({ timestore: { store: "ghost" } })`))
    }),
    /^kintsugi: --app .*store\.ts.*ghost/
  )

  it.live("for a port in use", () =>
    withFolder(async ({ spawn }) => {
      const taken = createServer()
      await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve))
      const { port } = taken.address() as { readonly port: number }
      const server = spawn({ port })
      assert.strictEqual((await server.ended).code, 2)
      assert.match(server.stderr(), new RegExp(`^kintsugi: .*127\\.0\\.0\\.1:${port} is already in use`))
      assert.strictEqual(server.stderr().trimEnd().split("\n").length, 1, server.stderr())
      taken.close()
    })
  )

  it.live("for an app that throws at import, with the user's own stack below the line", () =>
    withFolder(async ({ folder, spawn }) => {
      const file = written(folder, "thrown.ts", app(`const f = (): never => { throw new Error("mine") }\nf()\n`))
      const server = spawn({ app: file })
      assert.strictEqual((await server.ended).code, 2)
      assert.match(server.stderr(), /^kintsugi: --app .*thrown\.ts threw at import: mine\nError: mine\n {4}at f \(/)
      assert.notMatch(server.stderr(), /node:internal|src\/cli/)
    })
  )
})

describe("a server that starts", () => {
  it.live("listens within 5 s the first time and within 2.5 s after that, on an idle machine", () =>
    withFolder(async ({ folder, start }) => {
      const file = napApp(folder)
      const first = await start({ app: file })
      first.signal("SIGTERM")
      await first.ended
      const later = await start({ app: file })
      console.info(`start to listening: first ${Math.round(first.startMs)} ms, later ${Math.round(later.startMs)} ms`)
      assert(first.startMs < firstStartMsMax, `first start took ${first.startMs} ms`)
      assert(later.startMs < laterStartMsMax, `later start took ${later.startMs} ms`)
    })
  )
})

describe("a job that calls process.exit", () => {
  it.live("ends the server with 1 and one line that names the steps that executed, also when the run goes on", () =>
    withFolder(async ({ folder, spawn, start }) => {
      const file = written(
        folder,
        "exits.ts",
        app(`const exits = defineJob({ slug: "exits", run: () => process.exit(0) })
export default defineApp({ jobs: [exits], workflows: [{ slug: "w", steps: [{ id: "s", jobSlug: "exits" }] }] })`)
      )
      const line = /^kintsugi: the server was ended by process\.exit\(0\) .*: w\/s \(run \w+\)\. A job must not call/m
      const first = await start({ app: file })
      await first.client.run("w", {}).catch(() => {})
      assert.deepStrictEqual(await first.ended, { code: 1, signal: null }, first.stderr())
      assert.match(first.stderr(), line)
      assert.strictEqual(first.stderr().trimEnd().split("\n").length, 1, first.stderr())

      // The run goes on before the server listens, and the job ends it again.
      const second = spawn({ app: file })
      assert.deepStrictEqual(await second.ended, { code: 1, signal: null }, second.stderr())
      assert.match(second.stderr(), line)
    })
  )
})
