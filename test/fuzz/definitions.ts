import fc from "fast-check"
import type { World } from "./world.ts"

const text = (world: World, kind: string, fresh: ReadonlyArray<string>) =>
  fc.oneof(
    fc.nat(100).map((index) => world.pick(kind, index) ?? fresh[0]!),
    fc.constantFrom(...fresh)
  )

const partitioning = fc.constantFrom<object>(
  { type: "static", keys: ["a", "b"] },
  { type: "timeWindow", granularity: "day", timezone: "Europe/Berlin", lookbackWindows: 3 },
  { type: "timeWindow", granularity: "minute" },
  { type: "dynamic", maxKeys: 2 },
  { type: "dynamic", retentionDays: 1 }
)

const partial = <T>(model: { readonly [K in keyof T]: fc.Arbitrary<T[K]> }, requiredKeys: Array<keyof T>) =>
  fc.record(model, { requiredKeys })

/** A workflow definition that is mostly accepted: the document says no more of it than that it is JSON. */
export const definition = (world: World): fc.Arbitrary<unknown> => {
  const assetId = text(world, "asset", ["fuzz.made", "fuzz.other", "FUZZ.Made"])
  const produces = partial(
    {
      assetId,
      partitioning,
      schema: fc.constantFrom<object>({ type: "object" }, { type: "string", pattern: "(a+)+$" }),
      freshness: fc.constantFrom<object>({ ttlMs: 3_600_000 }, { cadenceMs: 60_000 }, { maxAgeMs: 1 }),
      recovery: fc.constantFrom<object>({ enabled: false }, { maxAttempts: 1 }, { idempotent: false }),
      autoMaterialize: fc.constantFrom<object>({ onUpstreamUpdate: true }, { enabled: false }, { priority: 0 })
    },
    ["assetId"]
  )
  const consumes = partial(
    {
      assetId,
      partitionKey: fc.constantFrom("{{ run.partitionKey }}", "a", "{{ parameters.day }}"),
      partitions: fc.constantFrom<unknown>("same", "all", { last: 2 }),
      optional: fc.boolean(),
      maxAgeMs: fc.constantFrom(1, 86_400_000)
    },
    ["assetId"]
  )
  const step = partial(
    {
      id: fc.constantFrom("first", "second", "third"),
      jobSlug: fc.constantFrom("quick", "make", "use", "fails"),
      parameters: fc.constantFrom<object>({}, { day: "{{ run.partitionKey }}" }),
      optional: fc.boolean(),
      timeoutMs: fc.constantFrom(1, 500, 600_000),
      retryPolicy: fc.constantFrom<object>({ strategy: "none" }, { maxAttempts: 2, initialDelayMs: 10 }),
      produces: fc.array(produces, { maxLength: 2 }),
      consumes: fc.array(consumes, { maxLength: 2 })
    },
    ["id", "jobSlug"]
  )
  return partial(
    {
      name: fc.constantFrom("A name", "ü"),
      concurrency: fc.constantFrom(1, 4),
      defaultParameters: fc.constantFrom<object>({}, { day: "2024-01-01" }),
      parametersSchema: fc.constantFrom<object>({ type: "object" }, { type: "object", required: ["day"] }),
      recovery: fc.constantFrom<object>({ enabled: false }, { enabled: true }),
      schedule: fc.constantFrom<object>({ cron: "0 0 1 1 *" }, { cron: "0 0 31 2 *" }, { cron: "* * * * *" }),
      steps: fc
        .uniqueArray(step, { minLength: 1, maxLength: 3, selector: ({ id }) => id })
        .map((steps) => steps.map((one, index) => ({ ...one, dependsOn: index === 0 ? [] : [steps[0]!.id] })))
    },
    ["steps"]
  )
}
