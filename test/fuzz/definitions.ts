import fc from "fast-check"
import type { Place, World } from "./world.ts"

const text = (world: World, kind: string, fresh: ReadonlyArray<string>) =>
  fc.oneof(
    fc.nat(100).map((index) => world.pick(kind, index) ?? fresh[0]!),
    fc.constantFrom(...fresh)
  )

/** The asset that no workflow takes over. */
export const announced = "called"

const partitioning = fc.constantFrom<object>(
  { type: "static", keys: ["a", "b"] },
  { type: "timeWindow", granularity: "day", timezone: "Europe/Berlin", lookbackWindows: 3 },
  { type: "timeWindow", granularity: "minute" },
  { type: "dynamic", maxKeys: 2 },
  { type: "dynamic", retentionDays: 1 }
)

const partial = <T>(model: { readonly [K in keyof T]: fc.Arbitrary<T[K]> }, requiredKeys: Array<keyof T>) =>
  fc.record(model, { requiredKeys })

/** A workflow definition, of which the document says no more than that it is JSON. Half of them are accepted. */
export const definition = (world: World, { slug = "fuzz-1" }: Place): fc.Arbitrary<unknown> =>
  fc.oneof(coherent(slug), wild(world))

/** Its own assets, made from those of the app. */
const coherent = (slug: string): fc.Arbitrary<unknown> => {
  const made = fc.record({ assetId: fc.constant(`${slug}.made`), partitioning })
  const used = fc.constantFrom<object>(
    { assetId: "mood" },
    { assetId: "raw", partitions: "all", optional: true },
    { assetId: "pages", partitions: { last: 2 }, maxAgeMs: 1 },
    { assetId: "fed", optional: true }
  )
  return partial(
    {
      name: fc.constantFrom("A name", "ü"),
      concurrency: fc.constantFrom(1, 4),
      defaultParameters: fc.constantFrom<object>({}, { day: "2024-01-01" }),
      steps: fc.tuple(made, used).map(([produces, consumes]) => [
        { id: "first", jobSlug: "quick", consumes: [consumes] },
        { id: "second", jobSlug: "make", dependsOn: ["first"], produces: [produces] }
      ])
    },
    ["steps"]
  )
}

/** Everything that a definition may hold, with hardly any regard for what goes together. */
const wild = (world: World): fc.Arbitrary<unknown> => {
  const assetId = text(world, "asset", ["fuzz.made", "fuzz.other", "FUZZ.Made"])
  const produces = partial(
    {
      // Others go on announcing it: see `rounds.ts`.
      assetId: assetId.filter((id) => id !== announced),
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
