import { assert, describe, it } from "@effect/vitest"
import { setTimeout as sleep } from "node:timers/promises"
import type { JsonObject } from "../../src/sdk/JobContext.ts"
import { token } from "../chaos/serverProcess.ts"
import { kintsugi } from "../cli/kintsugi.ts"
import { eventually, eventsOf, inStatus, napApp, type Place, withFolder } from "./processSupport.ts"

const canary = "canary-redact-5b1e0d"
const mark = "[redacted]"

type Server = Awaited<ReturnType<Place["start"]>>

/** A run that has ended, with the canary in its parameters. */
const leaked = async ({ client }: Server, ms = 1): Promise<string> => {
  const { data } = await client.run("naps", { parameters: { ms, password: canary } })
  const runId = String(data.id)
  await inStatus(client, runId, "succeeded")
  return runId
}

/** `kintsugi redact` against the server. */
const redact = (server: Server, stream: string, version: number, pointers: ReadonlyArray<string>, bearer = token) =>
  kintsugi(
    [
      ...["redact", stream, String(version), ...pointers.flatMap((pointer) => ["--pointer", pointer])],
      ...["--reason", "a password", "--url", server.url, "--json"]
    ],
    { env: { KINTSUGI_ADMIN_TOKEN: bearer } }
  )

interface Listed {
  readonly type: string
  readonly stream: string
  readonly position: string
  readonly data: JsonObject
  readonly metadata: JsonObject
}

/** Every event of the redactions, oldest first. */
const redactions = async (server: Server): Promise<ReadonlyArray<Listed>> => {
  const response = await fetch(`${server.url}/api/v1/events?limit=1000`, {
    headers: { authorization: `Bearer ${token}` }
  })
  const lines = (await response.text()).split("\n").filter((line) => line !== "")
  return lines.map((line) => JSON.parse(line) as Listed).filter(({ stream }) => stream.startsWith("redaction-"))
}

const erased = (server: Server, count = 1) =>
  eventually(`${count} redactions are done`, async () => {
    const events = await redactions(server)
    return events.filter(({ type }) => type === "PayloadErased").length === count && events
  })

/** The run as it was when its first event was stored. */
const atItsStart = async (server: Server, runId: string) => {
  const [first] = (await eventsOf(server.client, runId)) as unknown as ReadonlyArray<Listed>
  return (await server.client.request("GET", `/runs/${runId}`, { query: { at: first!.position } })) as JsonObject
}

const parametersOf = (answer: JsonObject) => (answer.data as JsonObject).parameters as JsonObject

describe("kintsugi redact against a server", () => {
  it.live("F84: takes the value out of every answer, also of reads of the past, and says who, why and where else", () =>
    withFolder(async ({ dataDir, folder, start }) => {
      const server = await start({ app: napApp(folder) })
      const runId = await leaked(server)
      const stream = `run-${runId}`
      assert.strictEqual(parametersOf(await atItsStart(server, runId)).password, canary)

      const ended = await redact(server, stream, 1, ["/parameters/password"])
      assert.strictEqual(ended.code, 0, ended.stderr)
      const told = JSON.parse(ended.stdout) as JsonObject
      assert.deepInclude(told, { stream, version: 1, type: "RunRequested" })
      assert.include(told.projections as ReadonlyArray<unknown>, "run_list_v1")

      const events = await erased(server)
      assert.deepStrictEqual(
        events.map(({ type }) => type),
        ["PayloadRedacted", "PayloadErased"]
      )
      assert.deepInclude(events[0]!.data, { stream, version: 1, reason: "a password", payloadHash: told.payloadHash! })
      assert.deepInclude(events[0]!.metadata, { principal: "admin" })
      assert.strictEqual(events[0]!.position, told.position)

      assert.deepStrictEqual(parametersOf(await atItsStart(server, runId)), { ms: 1, password: mark })
      assert.deepInclude(parametersOf({ data: await server.client.getRun(runId) }), { password: mark })
      for (const path of [`/runs/${runId}/events`, "/runs", `/runs/${runId}/checkpoints`, "/notifications"]) {
        assert.notInclude(JSON.stringify(await server.client.request("GET", path)), canary, path)
      }
      // Again, it changes nothing.
      const again = await redact(server, stream, 1, ["/parameters/password"])
      assert.strictEqual(again.code, 0, again.stderr)
      assert.lengthOf(await redactions(server), 2)

      const verified = await kintsugi(["verify", "--data-dir", dataDir, "--json"])
      assert.strictEqual(verified.code, 0, verified.stdout + verified.stderr)
      const stored = await kintsugi(["export", "-", "--data-dir", dataDir])
      assert.strictEqual(stored.code, 0, stored.stderr)
      assert.include(stored.stdout, "PayloadRedacted")
      assert.notInclude(stored.stdout, canary)
    })
  )

  it.live("F84: refuses what is not there, what a fold needs and who may not, saying what is possible", () =>
    withFolder(async ({ folder, start }) => {
      const server = await start({ app: napApp(folder) })
      const runId = await leaked(server)
      const stream = `run-${runId}`
      const post = async (body: unknown, bearer = token) => {
        const response = await fetch(`${server.url}/api/v1/admin/redact`, {
          method: "POST",
          headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
          body: JSON.stringify(body)
        })
        return { status: response.status, text: await response.text() }
      }
      const asked = { stream, version: 1, pointers: ["/parameters/password"], reason: "a password" }
      const refusals: ReadonlyArray<readonly [object, number, RegExp]> = [
        [{ stream: "run-nothing" }, 404, /"id":"run-nothing\/1"/],
        [{ stream: "no stream at all" }, 404, /not_found/],
        [{ version: 900 }, 404, new RegExp(`${stream}/900`)],
        [{ version: 0 }, 400, /"path":"version"/],
        [{ pointers: [] }, 400, /must have 1 to 100 JSON pointers/],
        [{ pointers: ["parameters"] }, 400, /"path":"pointers\[0\]","message":"must be a JSON pointer/],
        [{ pointers: ["/parameters/nothing"] }, 400, /the payload has nothing at \/parameters\/nothing/],
        [{ pointers: ["/workflow"] }, 400, /what can be is at or below \/parameters, \/results/],
        [{ pointers: ["/parameters"] }, 400, /name single values in it/],
        [{ version: 2 }, 400, /nothing of it can be/],
        [{ reason: "" }, 400, /"path":"reason"/]
      ]
      for (const [change, status, says] of refusals) {
        const answer = await post({ ...asked, ...change })
        assert.strictEqual(answer.status, status, `${JSON.stringify(change)}: ${answer.text}`)
        assert.match(answer.text, says)
        assert.notInclude(answer.text, canary)
      }
      for (const role of ["viewer", "operator"]) {
        const { data } = (await server.client.request("POST", "/admin/tokens", {
          body: { role, name: role }
        })) as unknown as { readonly data: { readonly token: string } }
        const refused = await post(asked, data.token)
        assert.strictEqual(refused.status, 403)
        assert.include(refused.text, '"requiredRole":"admin"')
        const ended = await redact(server, stream, 1, ["/parameters/password"], data.token)
        assert.notStrictEqual(ended.code, 0)
        assert.match(ended.stderr, /needs the role admin/)
      }
      const impossible = await redact(server, stream, 1, ["/workflow"])
      assert.notStrictEqual(impossible.code, 0)
      assert.match(impossible.stderr, /what can be is at or below \/parameters/)
      assert.strictEqual(impossible.stdout, "")

      // A run that is still at work would use the value.
      const { data } = await server.client.run("naps", { parameters: { ms: 60_000, password: canary } })
      const busy = await post({ ...asked, stream: `run-${String(data.id)}` })
      assert.strictEqual(busy.status, 409, busy.text)
      assert.match(busy.text, /"currentStatus":"active"/)

      assert.lengthOf(await redactions(server), 0)
      assert.strictEqual(parametersOf(await atItsStart(server, runId)).password, canary)
    })
  )

  it.live("F84: killed with kill -9 at any moment, it is whole: nothing, or done once by the next server", () =>
    withFolder(async ({ dataDir, folder, start }) => {
      const app = napApp(folder)
      let server = await start({ app })
      const runIds: Array<string> = []
      for (let index = 0; index < 3; index++) runIds.push(await leaked(server))
      const outcomes: Array<boolean> = []
      for (const [index, runId] of runIds.entries()) {
        const asked = server.client
          .request("POST", "/admin/redact", {
            body: { stream: `run-${runId}`, version: 1, pointers: ["/parameters/password"], reason: "a password" }
          })
          .catch(() => undefined)
        // Before, within and after the two writes, as the machine has it; after the last one, read models are built.
        if (index === runIds.length - 1) await asked
        else await sleep(index * 8)
        server.signal("SIGKILL")
        await server.ended
        await asked
        server = await start({ app })
        const stream = `redaction-run-${runId}`
        const announced = (await redactions(server)).some((event) => event.stream === stream)
        outcomes.push(announced)
        await eventually(`what was announced of ${runId} is done`, async () => {
          const types = (await redactions(server)).filter((event) => event.stream === stream).map(({ type }) => type)
          return types.join() === (announced ? "PayloadRedacted,PayloadErased" : "")
        })
        const { password } = parametersOf(await atItsStart(server, runId))
        assert.strictEqual(password, announced ? mark : canary)
      }
      // The last one was answered before the kill: it is kept.
      assert.isTrue(outcomes.at(-1))
      const verified = await kintsugi(["verify", "--data-dir", dataDir])
      assert.strictEqual(verified.code, 0, verified.stdout + verified.stderr)
    })
  )
})
