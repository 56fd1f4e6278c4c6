import { layer } from "@effect/vitest"
import { Layer } from "effect"
import * as PgEventStore from "../../src/eventstore/PgEventStore.ts"
import { database, TestServer } from "../support/postgres.ts"
import { contract } from "./contract.ts"

layer(TestServer.layer, { excludeTestServices: true })("PgEventStore", (it) =>
  contract(it, Layer.provide(PgEventStore.layer, database))
)
