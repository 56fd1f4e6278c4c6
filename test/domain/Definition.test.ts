import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { contentHash, type Definition, parseDefinition, toJson } from "../../src/domain/Definition.ts"

const step = { id: "load", jobSlug: "load-orders" }
const asset = (more: object) => ({
  slug: "orders",
  steps: [{ ...step, produces: [{ assetId: "orders.raw", ...more }] }]
})
const input = (more: object) => ({
  slug: "orders",
  steps: [{ ...step, consumes: [{ assetId: "orders.raw", ...more }] }]
})

const parsed = (value: unknown, slug?: string): Definition =>
  Result.getOrThrowWith(parseDefinition(value, slug), (invalid) => new Error(invalid.message))

/** The faults of a definition as `path: message` lines. */
const faults = (value: unknown, slug?: string): ReadonlyArray<string> =>
  Result.match(parseDefinition(value, slug), {
    onSuccess: () => [],
    onFailure: ({ problems }) => problems.map(({ message, path }) => `${path}: ${message}`)
  })

describe("Definition", () => {
  it("fills every default of the contract (F41, T10)", () => {
    const { source: _, ...definition } = parsed({
      slug: "orders",
      steps: [{ ...step, produces: [{ assetId: "orders.raw" }], consumes: [{ assetId: "upstream.asset" }] }]
    })
    assert.deepStrictEqual<unknown>(definition, {
      slug: "orders",
      defaultParameters: {},
      recovery: { enabled: true },
      quietHours: [],
      steps: [
        {
          ...step,
          type: "job",
          dependsOn: [],
          parameters: {},
          optional: false,
          timeoutMs: 600_000,
          retryPolicy: {
            maxAttempts: 4,
            strategy: "exponential",
            initialDelayMs: 1000,
            maxDelayMs: 60_000,
            jitter: "full"
          },
          recovery: { enabled: true, deadlineMs: 600_000, ceilingPerRun: 10 },
          produces: [
            {
              assetId: "orders.raw",
              recovery: { enabled: true, maxAttempts: 3, attemptTimeoutMs: 600_000, idempotent: true }
            }
          ],
          consumes: [
            {
              assetId: "upstream.asset",
              partitionKey: "{{ run.partitionKey }}",
              partitions: "same",
              optional: false,
              updateOn: "produced"
            }
          ]
        }
      ]
    })
  })

  it("keeps what the user chose, and fills the rest of a block", () => {
    const definition = parsed({
      slug: "orders",
      concurrency: 4,
      steps: [{ ...step, retryPolicy: { strategy: "fixed", initialDelayMs: 50 }, recovery: { deadlineMs: 5 } }]
    })
    assert.strictEqual(definition.concurrency, 4)
    assert.deepStrictEqual(definition.steps[0]?.retryPolicy, {
      maxAttempts: 4,
      strategy: "fixed",
      initialDelayMs: 50,
      maxDelayMs: 60_000,
      jitter: "full"
    })
    assert.deepStrictEqual(definition.steps[0]?.recovery, { enabled: true, deadlineMs: 5, ceilingPerRun: 10 })
  })

  it("takes strategy none as one attempt, whatever number stands beside it (T10)", () => {
    const definition = parsed({
      slug: "orders",
      steps: [{ ...step, retryPolicy: { strategy: "none", maxAttempts: 9 } }]
    })
    assert.strictEqual(definition.steps[0]?.retryPolicy.maxAttempts, 1)
  })

  it("lists every fault at once, each with its path (F87)", () => {
    assert.deepStrictEqual(
      faults({
        slug: "Orders",
        colour: "red",
        concurrency: 0,
        steps: [
          { id: "a.b", retryPolicy: { foo: 1, maxAttempts: 0 }, timeoutMs: 1.5 },
          { ...step, dependsOn: "load", produces: [{ assetId: "no spaces" }], consumes: [{ partitions: "some" }] }
        ]
      }),
      [
        "colour: is not a known field",
        "slug: must be 1 to 120 lower-case letters, digits, - and _, starting with a letter or digit",
        "concurrency: must be a whole number from 1 to 10000",
        "steps[0].id: must be 1 to 120 letters, digits, - and _, starting with a letter or digit",
        "steps[0].timeoutMs: Expected an integer",
        "steps[0].retryPolicy.foo: is not a known field",
        "steps[0].retryPolicy.maxAttempts: must be a whole number from 1 to 1000",
        "steps[1].dependsOn: Expected array",
        "steps[1].produces[0].assetId: must be 1 to 200 letters, digits, . _ : and -, starting with a letter or digit",
        "steps[1].consumes[0].assetId: is required",
        'steps[1].consumes[0].partitions: Expected "same", "all" or {"last": n}',
        "steps[0].jobSlug: is required"
      ]
    )
  })

  it("refuses an unknown field at every level, by its path (F87)", () => {
    const levels: ReadonlyArray<readonly [string, object]> = [
      ["x", { slug: "orders", steps: [step], x: 1 }],
      ["recovery.x", { slug: "orders", steps: [step], recovery: { x: 1 } }],
      ["steps[0].x", { slug: "orders", steps: [{ ...step, x: 1 }] }],
      ["steps[0].recovery.x", { slug: "orders", steps: [{ ...step, recovery: { x: 1 } }] }],
      ["steps[0].produces[0].x", asset({ x: 1 })],
      ["steps[0].produces[0].recovery.x", asset({ recovery: { x: 1 } })],
      ["steps[0].produces[0].partitioning.x", asset({ partitioning: { type: "static", keys: ["a"], x: 1 } })],
      ["steps[0].consumes[0].x", input({ x: 1 })]
    ]
    for (const [path, value] of levels) assert.deepStrictEqual(faults(value), [`${path}: is not a known field`])
  })

  it("reads what keeps assets fresh, with every default filled (F54, F61, F64)", () => {
    const accepted = (value: unknown) => {
      const parsed = parseDefinition(value)
      assert(Result.isSuccess(parsed), "it is accepted")
      return parsed.success
    }
    assert.deepStrictEqual(accepted({ slug: "orders", steps: [step], schedule: { cron: "0 * * * *" } }).schedule, {
      cron: "0 * * * *",
      timezone: "UTC",
      catchUp: false,
      window: "current"
    })
    const produced = (value: object) => accepted(asset(value)).steps[0]!.produces[0]!
    assert.deepStrictEqual(produced({ freshness: { ttlMs: 1 } }).freshness, { ttlMs: 1 })
    assert.deepStrictEqual(produced({ autoMaterialize: {} }).autoMaterialize, {
      enabled: true,
      onUpstreamUpdate: false,
      priority: 100,
      parameterDefaults: {},
      allowCycle: false
    })
    const window = { type: "timeWindow", granularity: "day", timezone: "Europe/Berlin" } as const
    assert.deepInclude(produced({ partitioning: window }).partitioning, window)
    const consumed = (value: object) => accepted(input(value)).steps[0]!.consumes[0]!
    assert.deepInclude(consumed({ partitions: { last: 14 }, maxAgeMs: 1 }), { partitions: { last: 14 }, maxAgeMs: 1 })
    assert.strictEqual(consumed({}).updateOn, "produced")
    const night = { from: "22:00", to: "06:00" }
    assert.deepStrictEqual(accepted({ slug: "orders", steps: [step], quietHours: [night] }).quietHours, [
      { ...night, timezone: "UTC" }
    ])
  })

  it("judges the shape of those settings", () => {
    const age = "must be a whole number from 1 to 315360000000"
    assert.deepStrictEqual(faults(asset({ freshness: { ttlMs: 0 } })), [`steps[0].produces[0].freshness.ttlMs: ${age}`])
    assert.deepStrictEqual(faults(asset({ autoMaterialize: { priority: -1 } })), [
      "steps[0].produces[0].autoMaterialize.priority: must be a whole number from 0 to 1000000"
    ])
    assert.deepStrictEqual(
      faults(asset({ partitioning: { type: "timeWindow", granularity: "day", timezone: "Mars" } })),
      ['steps[0].produces[0].partitioning.timezone: "Mars" is not an IANA time zone such as Europe/London']
    )
    assert.deepStrictEqual(faults({ slug: "orders", steps: [step], schedule: { cron: "often" } }), [
      "schedule.cron: is not a cron expression: Invalid number of segments in cron expression"
    ])
    assert.deepStrictEqual(faults({ slug: "orders", steps: [step], schedule: { every: 5 } }), [
      "schedule.every: is not a known field",
      "schedule.cron: is required"
    ])
    assert.deepStrictEqual(faults(asset({ partitioning: { type: "hourly" } })), [
      'steps[0].produces[0].partitioning: Expected an object whose type is "static", "timeWindow" or "dynamic"'
    ])
  })

  it("refuses quiet hours without any length, and offsets where a zone is meant", () => {
    const night = { from: "10:00", to: "10:00" }
    assert.deepStrictEqual(faults({ slug: "orders", steps: [step], quietHours: [night] }), [
      "quietHours[0]: must not end when they begin: give two windows for a whole day"
    ])
    assert.deepStrictEqual(
      faults({ slug: "orders", steps: [step], schedule: { cron: "0 * * * *", timezone: "+02:00" } }),
      ['schedule.timezone: "+02:00" is not an IANA time zone such as Europe/London']
    )
  })

  it("refuses a fan-out over a text that is no template, and a header that is given twice", () => {
    const child = { jobSlug: "load-orders" }
    assert.deepStrictEqual(faults({ slug: "orders", steps: [{ id: "a", type: "fanOut", over: "x", step: child }] }), [
      "steps[0].over: must be a template for a list, such as {{ steps.list.result.items }}"
    ])
    const request = { url: "https://example.org", headers: { "x-a": "1", "X-A": "2" } }
    assert.deepStrictEqual(faults({ slug: "orders", steps: [{ id: "a", type: "http", request }] }), [
      'steps[0].request.headers.X-A: is the same header as "x-a"'
    ])
  })

  it("accepts static partitions, and refuses empty, repeated and unusable keys", () => {
    const keys = (...list: ReadonlyArray<string>) => asset({ partitioning: { type: "static", keys: list } })
    const path = "steps[0].produces[0].partitioning.keys"
    assert.deepStrictEqual(faults(keys("2024-01", "2024-02")), [])
    assert.deepStrictEqual(faults(keys()), [`${path}: must list at least one key`])
    assert.deepStrictEqual(faults(keys("a", "a")), [
      `${path}[1]: must not be listed twice: it is keys[0], compared without case`
    ])
    assert.deepStrictEqual(faults(keys("a", "a", "A", "")), [
      `${path}[1]: must not be listed twice: it is keys[0], compared without case`,
      `${path}[2]: must not be listed twice: it is keys[0], compared without case`,
      `${path}[3]: must not be empty`
    ])
    assert.deepStrictEqual(faults(keys("a\nb")), [`${path}[0]: must not contain control characters`])
    assert.deepStrictEqual(faults(keys("a".repeat(201))), [`${path}[0]: must be at most 200 characters long, not 201`])
  })

  it("takes the slug from the address, and refuses another one in the body", () => {
    assert.strictEqual(parsed({ steps: [step] }, "orders").slug, "orders")
    assert.strictEqual(parsed({ slug: "orders", steps: [step] }, "orders").slug, "orders")
    assert.deepStrictEqual(faults({ slug: "other", steps: [step] }, "orders"), [
      'slug: must be "orders", as in the address'
    ])
    // One fault once, whatever the body says and whether the address has a slug at all.
    assert.lengthOf(faults({ slug: 5, steps: [step] }, "orders"), 1)
    for (const body of [{}, { slug: "slug:5" }, { slug: "orders" }]) {
      const found = faults({ ...body, steps: [step] }, "slug:5")
      assert.lengthOf(found, 1)
      assert.match(found[0] ?? "", /^slug: must be 1 to 120 lower-case letters/)
    }
  })

  it("refuses what is no JSON, reserved keys, NUL and endless nesting, without harm to itself", () => {
    let deep: unknown = 1
    for (let level = 0; level < 100_000; level++) deep = { a: deep }
    const withParameters = (parameters: unknown) => ({ slug: "orders", steps: [{ ...step, parameters }] })
    const [tooDeep] = faults(withParameters(deep))
    assert.match(tooDeep ?? "", /^steps\[0\]\.parameters(\.a)+: is nested deeper than 64 levels$/)
    assert.deepStrictEqual(faults(withParameters(JSON.parse('{"__proto__": {"x": 1}}'))), [
      "steps[0].parameters.__proto__: is a reserved name"
    ])
    assert.deepStrictEqual(faults(withParameters({ f: () => 1, n: Number.NaN, d: new Map(), z: "\u0000" })), [
      "steps[0].parameters.f: must be JSON, not a function",
      "steps[0].parameters.n: must be a finite number, not NaN",
      "steps[0].parameters.d: must be JSON, not an instance of Map",
      "steps[0].parameters.z: must not contain the NUL character"
    ])
    for (const nothing of [null, undefined, 3, "orders", []]) assert.notDeepEqual(faults(nothing), [])
  })

  it("leaves out keys whose value is undefined, as JSON does", () => {
    const { source } = parsed({ slug: "orders", name: undefined, steps: [step] })
    assert.deepStrictEqual<unknown>(source, { slug: "orders", steps: [step] })
  })

  it("shows what the user put, with slug and version and without the filled defaults", () => {
    const { source } = parsed({ steps: [step] }, "orders")
    assert.deepStrictEqual<unknown>(toJson(source, 3), { slug: "orders", steps: [step], version: 3 })
  })

  it("has the same content hash for the same content in another key order", () => {
    const one = parsed({ slug: "orders", steps: [{ ...step, parameters: { a: 1, b: [1, 2] } }] })
    const same = parsed({
      steps: [{ parameters: { b: [1, 2], a: 1 }, jobSlug: step.jobSlug, id: step.id }],
      slug: "orders"
    })
    const other = parsed({ slug: "orders", steps: [{ ...step, parameters: { a: 1, b: [2, 1] } }] })
    assert.strictEqual(contentHash(one.source), contentHash(same.source))
    assert.notStrictEqual(contentHash(one.source), contentHash(other.source))
  })
})
