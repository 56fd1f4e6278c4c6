import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { Client } from "../../src/sdk/HttpClient.ts"
import type { JsonObject } from "../../src/sdk/JobContext.ts"
import { eventsOf, eventually, inStatus, napApp, naps, withFolder } from "./processSupport.ts"

type Row = Readonly<Record<string, JsonObject[string]>>

const dataOf = (answer: unknown) => (answer as { readonly data: Row }).data
const rowsOf = (answer: unknown) => (answer as { readonly data: ReadonlyArray<Row> }).data

/** Works on the embedded database of a data directory, as somebody who is no server. */
const inDatabase = <A>(dataDir: string, body: Effect.Effect<A, unknown, SqlClient.SqlClient>): Promise<A> =>
  Effect.runPromise(
    Effect.provide(
      body,
      PgClient.layer({
        ...{ host: join(dataDir, "postgres.socket"), port: 5432, username: "kintsugi", database: "postgres" }
      })
    )
  )

/** The read models as the server tells of them, by name. */
const readModels = async (client: Client): Promise<ReadonlyMap<unknown, Row>> => {
  const { projections } = dataOf(await client.request("GET", "/admin/projections"))
  return new Map((projections as unknown as ReadonlyArray<Row>).map((row) => [row.name, row]))
}

describe("a server killed with kill -9 while operators steer", () => {
  it.live("F46 F38: in the middle of a restore, the next one goes on from that checkpoint; the command is known", () =>
    withFolder(async ({ folder, start }) => {
      const app = napApp(folder)
      const first = await start({ app })
      const { data } = await first.client.run("naps", { parameters: { ms: 1_500 }, idempotencyKey: "nap" })
      const runId = String(data.id)
      await inStatus(first.client, runId, "succeeded")
      const [point] = rowsOf(await first.client.request("GET", `/runs/${runId}/checkpoints`))
      const restore = (client: Client) =>
        client.request("POST", `/runs/${runId}/restore`, {
          body: { checkpoint: point!.checkpoint!, reason: "the file was late" },
          idempotencyKey: "restore"
        })
      await restore(first.client)
      await eventually("the step is done again", async () => naps(folder, runId).begun === 2)
      first.signal("SIGKILL")
      await first.ended

      const second = await start({ app })
      await inStatus(second.client, runId, "succeeded")
      assert.deepStrictEqual(naps(folder, runId), { begun: 3, done: 2 })
      await restore(second.client)
      const types = (await eventsOf(second.client, runId)).map(({ type }) => type)
      assert.lengthOf(
        types.filter((type) => type === "RunRestored"),
        1
      )
      assert.strictEqual((await second.client.getRun(runId)).status, "succeeded", "it was restored once")
    })
  )

  it.live(
    "F38: in the middle of a rebuild, the next one does it, and the one behind it; readers see the old rows",
    () =>
      withFolder(async ({ dataDir, folder, start }) => {
        const app = napApp(folder)
        const first = await start({ app })
        const { data } = await first.client.run("naps", { parameters: { ms: 1 }, idempotencyKey: "nap" })
        const runId = String(data.id)
        await inStatus(first.client, runId, "succeeded")
        const listed = async (client: Client) => rowsOf(await client.request("GET", "/runs")).map(({ id }) => id)
        await eventually("the run has ended in the list", async () => {
          const [run] = rowsOf(await first.client.request("GET", "/runs"))
          return run?.status === "succeeded"
        })
        await inDatabase(
          dataDir,
          Effect.flatMap(SqlClient.SqlClient, (sql) => sql`DELETE FROM run_list_v1_ended`)
        )

        const names = ["run_list_v1", "recovery_list_v1"]
        const ask = (client: Client, name: string, key: string) =>
          client.request("POST", `/admin/projections/${name}/rebuild`, { idempotencyKey: key })
        const read = Effect.fnUntraced(function* () {
          const sql = yield* SqlClient.SqlClient
          // Whoever reads the table holds up the switch: until then the rebuild is not done.
          yield* sql`SELECT id FROM run_list_v1_ended`
          return yield* Effect.promise(async () => {
            for (const name of names) await ask(first.client, name, name)
            await eventually("the first is built, the second waits", async () => {
              const models = await readModels(first.client)
              const { rebuild } = models.get("run_list_v1")!
              assert.isTrue(models.get("recovery_list_v1")!.rebuilding)
              return (rebuild as Row | null)?.lagEvents === 0
            })
            first.signal("SIGKILL")
            await first.ended
            const second = await start({ app })
            // As long as it takes to try the switch some times.
            await sleep(1_000)
            assert.isTrue((await readModels(second.client)).get("run_list_v1")!.rebuilding)
            assert.deepStrictEqual(await listed(second.client), [], "the old rows, although they are wrong")
            return second
          })
        })
        const { client } = await inDatabase(
          dataDir,
          Effect.flatMap(SqlClient.SqlClient, (sql) => sql.withTransaction(read()))
        )
        for (const name of names) {
          const end = await eventually(
            `${name} is rebuilt`,
            async () => (await readModels(client)).get(name)!.lastRebuild
          )
          assert.deepInclude(end, { error: null })
        }
        assert.deepStrictEqual(await listed(client), [runId])
        const left = await inDatabase(
          dataDir,
          Effect.flatMap(
            SqlClient.SqlClient,
            (sql) => sql`
              SELECT nspname FROM pg_namespace WHERE nspname LIKE 'rebuild%'
              UNION ALL SELECT name FROM projection_checkpoints WHERE name LIKE '%#%'`
          )
        )
        assert.deepStrictEqual(left, [])
        const asked = await await ask(client, "run_list_v1", "run_list_v1")
        assert.isFalse(dataOf(asked).rebuilding, "the command is known and not done twice")
      })
  )
})
