import { describe, it } from "@effect/vitest"
import * as MemoryEventStore from "../../src/eventstore/MemoryEventStore.ts"
import { contract } from "./contract.ts"

describe("MemoryEventStore", () => contract(it, MemoryEventStore.layer))
