import { describe, it } from "@effect/vitest"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import { contract } from "./contract.ts"
import * as snapshotsContract from "./snapshotsContract.ts"

describe("MemoryEventStore", () => contract(it, MemoryEventStore.layer))
describe("snapshots in memory", () => snapshotsContract.contract(it, MemoryEventStore.layer))
