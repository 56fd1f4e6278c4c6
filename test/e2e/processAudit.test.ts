import { assert, describe, it } from "@effect/vitest"
import { OpenApi } from "effect/http-api"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { keys } from "../audit/logs.ts"
import { token } from "../chaos/serverProcess.ts"
import { kintsugi } from "../cli/kintsugi.ts"
import { Api } from "../../src/http/api/Api.ts"
import { eventually, inStatus, napApp, napping, withFolder } from "./processSupport.ts"

describe("the audit of a real server", () => {
  it.live(
    "signs roots that verify, rebuilds while it serves, shows things as they were, and exports beside it all",
    () =>
      withFolder(async ({ dataDir, folder, start }) => {
        const { privatePem, publicPem } = keys()
        const [key, pub] = [join(folder, "key.pem"), join(folder, "pub.pem")] as const
        writeFileSync(key, privatePem)
        writeFileSync(pub, publicPem)
        const env = { KINTSUGI_SIGN_KEY_FILE: key, KINTSUGI_SIGN_INTERVAL_MS: "1000" }
        const server = await start({ app: napApp(folder), env })
        const runId = await napping(server.client, 10)
        await inStatus(server.client, runId, "succeeded")
        const get = async (path: string) => {
          const response = await fetch(`${server.url}/api/v1${path}`, { headers: { authorization: `Bearer ${token}` } })
          return { status: response.status, text: await response.text() }
        }
        const roots = async () => (await get("/events?type=LogRootSigned")).text.trim().split("\n").filter(Boolean)
        await eventually("a root is signed after the run", async () => (await roots()).length >= 2)

        const env2 = { KINTSUGI_URL: server.url, KINTSUGI_ADMIN_TOKEN: token }
        const cli = (...args: ReadonlyArray<string>) => kintsugi(args, { env: env2 })
        const verified = await cli("verify", "--key", pub, "--projections", "--data-dir", dataDir, "--json")
        assert.strictEqual(verified.code, 0, verified.stdout + verified.stderr)
        const report = JSON.parse(verified.stdout)
        assert.strictEqual(report.root.status, "holds")
        assert.strictEqual(report.root.signedBy, "key")
        for (const { name, status } of report.projections) assert.strictEqual(status, "equal", name)

        const rebuilt = await cli("rebuild", "run_list_v1", "--reason", "a test")
        assert.strictEqual(rebuilt.code, 0, rebuilt.stderr)
        assert.match(rebuilt.stdout, /^run_list_v1 is rebuilt, up to [0-9a-f-]{42}\n$/)
        assert.include(rebuilt.stderr, "events read")
        const all = await cli("rebuild", "--all", "--json")
        assert.strictEqual(JSON.parse(all.stdout).rebuilt.length, report.projections.length)
        const unknown = await cli("rebuild", "nope_v9")
        assert.deepStrictEqual([unknown.code, unknown.stdout], [2, ""])
        assert.include(unknown.stderr, 'There is no projection "nope_v9"')
        const asked = (await get("/events?type=ProjectionRebuildRequested")).text.split("\n")[0]!
        assert.deepInclude(JSON.parse(asked).data, { projection: "run_list_v1", reason: "a test" })
        assert.isNotNull(JSON.parse(asked).metadata.principal)

        const shown = await cli("inspect", "run", runId)
        assert.match(shown.stdout, /^id +/)
        assert.match(
          shown.stdout,
          /\nID +STATUS +ATTEMPT.*\nfirst +succeeded +1 .*\nnap +succeeded +1 .*\nafter +succeeded/
        )
        const [first] = (await get(`/runs/${runId}/events?limit=1`)).text.match(
          /[0-9a-f]{8}-[0-9a-f]{16}-[0-9a-f]{16}/
        )!
        const then = await cli("inspect", "run", runId, "--at", first!, "--json")
        assert.strictEqual(JSON.parse(then.stdout).status, "pending")
        const early = await cli("inspect", "run", runId, "--at", "2001-01-01")
        assert.strictEqual(early.code, 2)
        assert.match(early.stderr, /There was no run .* yet at 2001-01-01T00:00:00.000Z: it began at 20/)
        const none = await cli("inspect", "recovery", "nope")
        assert.include(none.stderr, 'There is no recovery "nope"')

        const health = await eventually("the history has an entry", async () => {
          const { status, text } = await get("/admin/queue-health?at=2999-01-01")
          return status === 200 && JSON.parse(text).data
        })
        assert.includeMembers(
          health.queues.map(({ key }: { key: string }) => key),
          ["workflow", "recovery", "events", "projections"]
        )

        const file = join(folder, "backup.ndjson")
        const exported = await cli("export", file, "--sign", key, "--data-dir", dataDir)
        assert.strictEqual(exported.code, 0, exported.stderr)
        const whole = await cli("verify", "--export", file, "--key", pub)
        assert.strictEqual(whole.code, 0, whole.stderr)
        const busy = await cli("import", file, "--data-dir", dataDir)
        assert.strictEqual(busy.code, 2)
        assert.match(busy.stderr, /already served by/)
      }),
    240_000
  )

  it.live(
    "a list that has not reached minPosition says so with 503, on every route that takes it",
    () =>
      withFolder(async ({ folder, start }) => {
        const server = await start({ app: napApp(folder) })
        const far = `7fffffff-${"0".repeat(16)}-${"0".repeat(16)}`
        const document = OpenApi.fromApi(Api)
        const routes = Object.entries(document.paths).flatMap(([path, item]) => {
          const { get } = item as { readonly get?: { readonly parameters: ReadonlyArray<{ readonly name: string }> } }
          return get?.parameters.some(({ name }) => name === "minPosition") === true ? [path] : []
        })
        assert.isAtLeast(routes.length, 10)
        const answers = await Promise.all(
          routes.map(async (path) => {
            // A workflow that is there; of an asset that it does not have there is nothing to wait for.
            const url = path.replace("{slug}", "naps").replace("{assetId}", "nap")
            const needs = path.endsWith("/lineage") ? "&assetId=nap" : ""
            const response = await fetch(`${server.url}${url}?minPosition=${far}${needs}`, {
              headers: { authorization: `Bearer ${token}` }
            })
            return { path, status: response.status, code: ((await response.json()) as { code?: string }).code }
          })
        )
        for (const { code, path, status } of answers) {
          if (path.includes("{assetId}")) assert.include([503, 404], status, path)
          else assert.deepStrictEqual([status, code], [503, "projection_behind"], path)
        }
      }),
    60_000
  )
})
