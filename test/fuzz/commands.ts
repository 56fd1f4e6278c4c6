import fc from "fast-check"
import { recoveryActions, runActions } from "../../src/domain/bulk/BulkEvents.ts"
import { definition } from "./definitions.ts"
import { poison } from "./poison.ts"
import type { Place, World } from "./world.ts"

const reason = fc.constantFrom("because", "ü\nand a line", "x".repeat(2_000), "redo {{ run.partitionKey }}")
const partitions = ["a", "b", "c"]

const optional = <T extends object>(
  model: { readonly [K in keyof T]: fc.Arbitrary<T[K]> },
  requiredKeys: Array<keyof T>
) => fc.record(model, { requiredKeys })

const oneOf = (world: World, ...kinds: ReadonlyArray<string>) =>
  fc.nat(1_000).map((index) => world.pickOf(kinds, index) ?? "nothing")

/** Each target with each of its actions; a dry run, a canary, or all at once. */
const bulk = (): fc.Arbitrary<unknown> => {
  const common = {
    limit: fc.integer({ min: 1, max: 4 }),
    dryRun: fc.boolean(),
    canary: fc.integer({ min: 0, max: 2 }),
    ratePerSecond: fc.constantFrom(1, 20),
    reason: fc.oneof({ weight: 12, arbitrary: reason }, { weight: 1, arbitrary: fc.constant(poison) })
  }
  const runs = fc.oneof(
    fc.constant<object>({ all: true }),
    optional(
      {
        workflow: fc.constantFrom("made", "used", "failing", "slowly", "crawl"),
        partitionKey: fc.constantFrom(...partitions),
        trigger: fc.constantFrom("manual", "recovery", "backfill"),
        status: fc.constantFrom("pending", "running", "waiting", "succeeded", "failed", "canceled"),
        from: fc.constantFrom("2020-01-01", "2026-01-01T00:00:00+02:00")
      },
      ["from"]
    ).map((filter): object => ({ filter }))
  )
  const recoveries = fc.oneof(
    fc.constant<object>({ all: true }),
    optional(
      { assetId: fc.constantFrom("raw", "RAW", "pages", "mood"), status: fc.constantFrom("running", "failed") },
      ["assetId"]
    ).map((filter): object => ({ filter }))
  )
  return fc
    .oneof(
      fc.tuple(fc.record({ action: fc.constantFrom(...runActions) }), runs),
      fc.tuple(fc.record({ target: fc.constant("runs"), action: fc.constantFrom(...runActions) }), runs),
      fc.tuple(
        fc.record({ target: fc.constant("recoveries"), action: fc.constantFrom(...recoveryActions) }),
        recoveries
      )
    )
    .chain(([what, which]) => optional(common, ["limit", "reason"]).map((how) => ({ ...what, ...which, ...how })))
}

const backfill = optional<Readonly<Record<string, unknown>>>(
  {
    workflow: fc.constantFrom("made", "crawl", "crawl", "used"),
    partitions: fc.constantFrom<unknown>("all", { keys: ["a"] }, { keys: ["b", "c"] }, { keys: partitions }),
    concurrency: fc.constantFrom(1, 3),
    canary: fc.constantFrom(0, 1),
    parameters: fc.constantFrom<unknown>({}, { deep: [1, { a: "ü" }] }),
    onlyMissing: fc.boolean(),
    dryRun: fc.boolean(),
    reason
  },
  ["workflow", "partitions"]
)

/** An event that can be redacted, with places of its own payload. */
const redaction = (world: World): fc.Arbitrary<unknown> =>
  fc.tuple(oneOf(world, "redactable"), fc.nat(19), reason).map(([found, index, why]) => {
    if (!found.startsWith("{")) return { stream: "run-x", version: 1, pointers: ["/parameters"], reason: why }
    const { pointers, ...event } = JSON.parse(found) as { readonly pointers: ReadonlyArray<string> }
    return { ...event, pointers: [pointers[index % pointers.length]], reason: why }
  })

const provenance = (world: World): fc.Arbitrary<unknown> =>
  optional<Readonly<Record<string, unknown>>>(
    {
      items: fc
        .tuple(fc.constantFrom(...partitions, "d"), oneOf(world, "object"))
        .map(([partitionKey, key]) => [
          { partitionKey, locations: [{ store: "lake", key }], producedAt: "2026-01-01T00:00:00Z" }
        ]),
      dryRun: fc.boolean(),
      skipUnfit: fc.boolean()
    },
    ["items"]
  )

const announcement = (world: World): fc.Arbitrary<unknown> =>
  optional<Readonly<Record<string, unknown>>>(
    {
      partitionKey: fc.constantFrom(...partitions),
      producedAt: fc.constantFrom("2026-01-01T00:00:00Z", "2025-12-31T23:59:59.999Z"),
      payload: fc.constantFrom<unknown>(null, { rows: 3, text: "to be redacted" }, [1, 2]),
      locations: oneOf(world, "object").map((key) => [{ store: "lake", key }]),
      source: fc.constantFrom("elsewhere", "/another/system"),
      eventId: fc.nat(30).map(String),
      freshness: fc.constantFrom<unknown>({ ttlMs: 1_000 }, { ttlMs: 3_600_000 })
    },
    []
  )

const start: fc.Arbitrary<unknown> = optional<Readonly<Record<string, unknown>>>(
  {
    parameters: fc.constantFrom<unknown>({}, { day: "2024-01-01", secret: "to be redacted", deep: { list: ["x", 1] } }),
    partitionKey: fc.constantFrom(...partitions),
    runKey: fc.nat(30).map((key) => `key-${key}`),
    triggeredBy: fc.constant("the fuzzer"),
    reason
  },
  ["partitionKey"]
)

const check = optional<Readonly<Record<string, unknown>>>(
  {
    scope: fc.constantFrom<unknown>({}, { assetIds: ["raw"] }, { partitionKey: "a" }, { store: "lake" }),
    deep: fc.boolean()
  },
  []
)

const mute = (world: World) => fc.record({ reason, until: oneOf(world, "soon") })
const parameters = fc.record({
  parameters: fc.constantFrom<unknown>({}, { day: "2024-01-01" }, { nested: { a: [null, true] } })
})

/** Bodies that are mostly accepted, where one made by the document alone hardly ever is. */
export const bodies: Readonly<Record<string, (world: World, place: Place) => fc.Arbitrary<unknown>>> = {
  "announcements.announceProduction": announcement,
  "attention.muteAttention": mute,
  "backfills.requestBackfill": () => backfill,
  "bulk.requestBulk": bulk,
  "integrity.requestCheck": () => check,
  "projections.skipProjectionEvent": (_, { position = "" }) => fc.record({ position: fc.constant(position), reason }),
  "provenance.recordProvenance": provenance,
  "redactions.redact": redaction,
  "steering.forkRun": (world, { stepId }) =>
    stepId === undefined ? fc.record({ fromStep: oneOf(world, "step") }) : fc.constant({ fromStep: stepId }),
  "steering.restoreRun": () => fc.record({ checkpoint: fc.constantFrom(1, 1, 2, 3), reason }),
  "steering.skipStep": () =>
    optional<Readonly<Record<string, unknown>>>(
      { reason, force: fc.constant(true), result: fc.constantFrom<unknown>({}, null, { rows: 1 }) },
      ["reason", "force"]
    ),
  "tokens.rotateToken": (world) =>
    optional<Readonly<Record<string, unknown>>>(
      { expiresAt: oneOf(world, "soon"), overlapMs: fc.constantFrom(0, 1_000, 60_000) },
      []
    ),
  "workflowAssets.setParameters": () => parameters,
  "workflowAssets.setPartitionParameters": () => parameters,
  "workflows.define": definition,
  "workflows.startRun": () => start
}
