import { PgClient } from "@effect/sql-pg"
import { Effect } from "effect"
import { Reactivity } from "effect/reactivity"
import { join } from "node:path"
import * as Embedded from "../../src/postgres/Embedded.ts"
import * as PostmasterFile from "../../src/postgres/PostmasterFile.ts"

/** The reason of a bulk operation at which its read model stops, as if it had a fault of its own. */
export const poison = "poison of the fuzzer"
/** The read model that stops. */
export const poisoned = "bulk_list_v1"

/** Lets the read model stop at what has that reason, so that an operator has something to skip. */
export const plant = (dataDir: string): Promise<unknown> =>
  Effect.gen(function* () {
    const found = yield* PostmasterFile.read(join(dataDir, "postgres"))
    if (found === null) throw new Error(`no server runs in ${dataDir}`)
    const { database, username } = Embedded
    const sql = yield* PgClient.make({ host: found.socketDir, port: found.port, username, database })
    yield* sql`ALTER TABLE ${sql(poisoned)} ADD CHECK (reason <> ${sql.literal(`'${poison}'`)})`
  }).pipe(Effect.scoped, Effect.provide(Reactivity.layer), Effect.runPromise)
