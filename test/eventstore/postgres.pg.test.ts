import { layer } from "@effect/vitest"
import { Layer } from "effect"
import * as PgEventStore from "../../src/eventstore/PgEventStore.ts"
import { database, TestServer } from "../support/postgres.ts"
import { contract } from "./contract.ts"
import * as snapshotsContract from "./snapshotsContract.ts"

layer(TestServer.layer, { excludeTestServices: true })("PgEventStore", (it) => {
  const fresh = Layer.provide(PgEventStore.layer, database)
  contract(it, fresh)
  snapshotsContract.contract(it, fresh)
})
