import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as DefinitionCheck from "../../src/domain/DefinitionCheck.ts"

const jobs = new Set(["load"])

/** The faults of a definition, as `path: message` lines. */
const faultsOf = (input: unknown): ReadonlyArray<string> =>
  Result.match(
    DefinitionCheck.parse(input, (slug) => jobs.has(slug)),
    {
      onSuccess: () => [],
      onFailure: ({ problems }) => problems.map(({ message, path }) => `${path}: ${message}`)
    }
  )

const faults = (steps: ReadonlyArray<object>, more: object = {}): ReadonlyArray<string> =>
  faultsOf({ slug: "orders", steps: steps.map((step) => ({ jobSlug: "load", ...step })), ...more })

describe("DefinitionCheck", () => {
  it("accepts a graph that joins again", () => {
    const steps = [{ id: "a" }, { id: "b", dependsOn: ["a"] }, { id: "c", dependsOn: ["a"] }]
    assert.deepStrictEqual(faults([...steps, { id: "d", dependsOn: ["b", "c"] }]), [])
  })

  it("lists every fault of the whole at once", () => {
    assert.deepStrictEqual(
      faults([
        { id: "a", dependsOn: ["c", "gone"], produces: [{ assetId: "x" }] },
        { id: "b", dependsOn: ["a", "b"], jobSlug: "no-such-job", produces: [{ assetId: "X" }] },
        { id: "c", dependsOn: ["b"], produces: [{ assetId: "y" }], consumes: [{ assetId: "Y" }] },
        { id: "a" }
      ]),
      [
        'steps[3].id: "a" is also the id of steps[0]',
        'steps[1].jobSlug: job "no-such-job" is not defined by the app',
        'steps[0].dependsOn[1]: step "gone" does not exist',
        'steps[1].dependsOn[1]: step "b" depends on itself',
        "steps: steps depend on each other in a cycle: a → c → b → a",
        'steps[1].produces[0].assetId: asset "X" is already produced by step "a"',
        'steps[2].consumes[0].assetId: step "c" consumes "Y" and produces it'
      ]
    )
  })

  it("faults of the shape do not hide those of the whole (F87)", () => {
    assert.deepStrictEqual(
      faultsOf({
        slug: "Orders",
        colour: "red",
        schedule: { cron: "0 * * * *", every: 5 },
        parametersSchema: { propertees: {} },
        steps: [
          { id: "a", jobSlug: "load", dependsOn: ["b", 5, "gone"], timeoutMs: "soon" },
          { id: "b", jobSlug: "nowhere", dependsOn: ["a"], produces: [{ assetId: "x" }, 3, { assetId: "X" }] },
          7,
          { id: "a", jobSlug: 3, consumes: [{}, { assetId: "y", partitionKey: "{{ steps.none.result }}" }] },
          { jobSlug: "load", dependsOn: "a", parameters: { f: "\u0000", later: "{{ steps.a.result }}" } }
        ]
      }),
      [
        "steps[4].parameters.f: must not contain the NUL character",
        "colour: is not a known field",
        "slug: must be 1 to 120 lower-case letters, digits, - and _, starting with a letter or digit",
        "schedule.every: is not a known field",
        "steps[0].dependsOn[1]: Expected string",
        "steps[0].timeoutMs: Expected number",
        "steps[1].produces[1]: Expected object",
        "steps[2]: Expected object",
        "steps[3].jobSlug: Expected string",
        "steps[3].consumes[0].assetId: is required",
        "steps[4].id: is required",
        "steps[4].dependsOn: Expected array",
        "parametersSchema.propertees: is not a known field",
        'steps[3].id: "a" is also the id of steps[0]',
        'steps[1].jobSlug: job "nowhere" is not defined by the app',
        'steps[0].dependsOn[2]: step "gone" does not exist',
        "steps: steps depend on each other in a cycle: a → b → a",
        'steps[1].produces[2].assetId: asset "X" is already produced by step "b"',
        'steps[3].consumes[1].partitionKey: {{ steps.none.result }} names step "none", which does not exist',
        'steps[4].parameters.later: {{ steps.a.result }} names step "a", on which steps[4] does not depend'
      ]
    )
  })

  it("checks the defaults against the schema, but for what a run may still give", () => {
    const given = (parametersSchema: object, defaultParameters: object) =>
      faults([{ id: "a" }], { parametersSchema, defaultParameters })
    const schema = {
      type: "object",
      properties: { n: { type: "integer" }, day: { type: "string" }, deep: { required: ["x"] } },
      required: ["day", "n"],
      additionalProperties: false
    }
    assert.deepStrictEqual(given(schema, {}), [])
    assert.deepStrictEqual(given(schema, { n: 1 }), [])
    assert.deepStrictEqual(given(schema, { n: "one", deep: {}, more: 1 }), [
      "defaultParameters.more: is not a known field",
      "defaultParameters.n: must be integer",
      "defaultParameters.deep.x: is required"
    ])
    const branches = {
      oneOf: [
        { properties: { mode: { const: "a" } }, required: ["x"] },
        { properties: { mode: { const: "b" } }, required: ["y"] }
      ],
      if: { properties: { x: { const: 1 } } },
      then: { required: ["z"] },
      allOf: [{ $ref: "#/$defs/N" }, { not: { required: ["mode"] } }, { minProperties: 3 }],
      $defs: { N: { properties: { n: { type: "integer" } }, required: ["n"] } }
    }
    assert.deepStrictEqual(given(branches, {}), [])
    assert.deepStrictEqual(given(branches, { mode: "b" }), [])
    assert.deepStrictEqual(given(branches, { n: "one" }), ["defaultParameters.n: must be integer"])
    assert.include(given(branches, { mode: "c" }), 'defaultParameters.mode: must be "a"')
    assert.deepStrictEqual(given({ $ref: "#" }, { n: 1 }), [])
  })

  it("names each cycle by its steps in order", () => {
    assert.deepStrictEqual(
      faults([
        { id: "a", dependsOn: ["b"] },
        { id: "b", dependsOn: ["a"] },
        { id: "c", dependsOn: ["d", "a"] },
        { id: "d", dependsOn: ["e"] },
        { id: "e", dependsOn: ["c"] },
        { id: "f", dependsOn: ["a"] }
      ]),
      [
        "steps: steps depend on each other in a cycle: a → b → a",
        "steps: steps depend on each other in a cycle: c → d → e → c"
      ]
    )
  })

  it("refuses templates that cannot be read or name a step that need not have run", () => {
    assert.deepStrictEqual(
      faults([
        { id: "a" },
        { id: "b", dependsOn: ["a"], parameters: { deep: [{ x: "{{ steps.a.result }}" }] } },
        {
          id: "c",
          dependsOn: ["b"],
          parameters: {
            ok: "{{ steps.a.result }} {{ run.partitionKey }}",
            open: "{{ run.id",
            root: ["{{ process.env }}"],
            later: "{{ steps.d.result }}",
            gone: "{{ steps.x.result }}"
          },
          consumes: [{ assetId: "x", partitionKey: "{{ run. }}" }]
        },
        { id: "d" }
      ]),
      [
        "steps[2].parameters.open: {{ run.id }} is not closed by }}",
        "steps[2].parameters.root[0]: {{ process.env }} must start with one of run, parameters, steps, trigger",
        'steps[2].parameters.later: {{ steps.d.result }} names step "d", on which step "c" does not depend',
        'steps[2].parameters.gone: {{ steps.x.result }} names step "x", which does not exist',
        'steps[2].consumes[0].partitionKey: {{ run. }} cannot be read at "."'
      ]
    )
  })

  it("refuses a parameters schema that is wrong, misspelt or cannot be applied", () => {
    const schema = (parametersSchema: object) => faults([{ id: "a" }], { parametersSchema })
    assert.deepStrictEqual(schema({ type: "object", properties: { day: { type: "string" } }, "x-form": 1 }), [])
    assert.deepStrictEqual(schema({ type: "object", propertees: {}, properties: { n: { minimum: "1" } } }), [
      "parametersSchema.propertees: is not a known field",
      "parametersSchema.properties.n.minimum: Expected number"
    ])
    assert.match(schema({ properties: { n: { type: "banana" } } })[0] ?? "", /^parametersSchema\.properties\.n\.type: /)
    assert.deepStrictEqual(
      schema({ properties: { n: { if: { minimum: 1 } } }, additionalItems: false, minContains: 1 }),
      [
        "parametersSchema.minContains: needs contains",
        'parametersSchema.additionalItems: is a keyword of draft 7: write "items", or name the draft in "$schema"',
        "parametersSchema.properties.n.if: needs then or else"
      ]
    )
    assert.match(schema({ properties: { n: { $ref: "#/$defs/N" } } })[0] ?? "", /^parametersSchema: .*#\/\$defs\/N/)
  })

  it("refuses patterns that have no search in linear time, and names where they stand", () => {
    const faultOf = (schema: object) => faults([{ id: "a" }], { parametersSchema: schema })[0] ?? ""
    assert.match(
      faultOf({ pattern: "(" }),
      /^parametersSchema\.pattern: must be a regular expression: .*Unterminated group/
    )
    assert.match(faultOf({ items: { pattern: "(?=a)b" } }), /^parametersSchema\.items\.pattern: .*look-around/)
    assert.match(
      faultOf({ allOf: [{ pattern: "(a)\\1" }] }),
      /^parametersSchema\.allOf\[0\]\.pattern: .*back-reference \\1$/
    )
    assert.match(faultOf({ pattern: "(?<n>a)\\k<n>" }), /^parametersSchema\.pattern: .*back-reference/)
    assert.match(faultOf({ patternProperties: { "(?<!a)b": {} } }), /patternProperties\["\(\?<!a\)b"\]: /)
    assert.match(faultOf({ pattern: "[a-z]{1000}".repeat(6) }), /smaller regular expression/)
    assert.match(faultOf({ pattern: "a".repeat(1001) }), /at most 1000 characters/)
    const produces = [{ assetId: "x", schema: { properties: { day: { pattern: "(?!a)" } } } }]
    assert.match(
      faults([{ id: "a", produces }])[0] ?? "",
      /^steps\[0\]\.produces\[0\]\.schema\.properties\.day\.pattern: /
    )
  })

  it("judges 500 steps in a chain, each naming the first", () => {
    const chain = Array.from({ length: 500 }, (_, index) => ({
      id: `s${index}`,
      dependsOn: index === 0 ? [] : [`s${index - 1}`],
      parameters: index === 0 ? {} : { first: "{{ steps.s0.result }}" }
    }))
    assert.deepStrictEqual(faults(chain), [])
    assert.lengthOf(faults([{ ...chain[0], dependsOn: ["s499"] }, ...chain.slice(1)]), 1)
  })

  const problemsOf = (input: unknown) =>
    Result.match(
      DefinitionCheck.parse(input, () => true, "w"),
      {
        onSuccess: () => [],
        onFailure: ({ problems }) => problems.map(({ message, path }) => `${path}: ${message}`)
      }
    )

  it("F87: a list that is too long is told by its length, and what lies beyond its maximum is not judged", () => {
    const started = performance.now()
    const found = problemsOf({ steps: Array(500_000).fill(1) })
    assert.isBelow(performance.now() - started, 1_000)
    assert.strictEqual(found[0], "steps: must list at most 500 entries, not 500000; those beyond are not judged")
    assert.deepStrictEqual([found.length, found[500]], [501, "steps[499]: Expected object"])
    const step = { id: "s", jobSlug: "j", dependsOn: Array(501).fill("s"), consumes: Array(101).fill({ assetId: "a" }) }
    const partitioning = { type: "static", keys: Array.from({ length: 10_001 }, (_, key) => `k${key}`) }
    assert.includeMembers(problemsOf({ steps: [{ ...step, produces: [{ assetId: "b", partitioning }] }] }), [
      "steps[0].dependsOn: must list at most 500 entries, not 501; those beyond are not judged",
      "steps[0].produces[0].partitioning.keys: must list at most 10000 entries, not 10001; those beyond are not judged",
      "steps[0].consumes: must list at most 100 entries, not 101; those beyond are not judged"
    ])
  })

  it("an answer lists 1,000 problems and counts the rest", () => {
    const unknown = Object.fromEntries(Array.from({ length: 1_500 }, (_, index) => [`field${index}`, 1]))
    const found = problemsOf({ steps: [{ id: "s", jobSlug: "j" }], ...unknown })
    assert.lengthOf(found, 1_001)
    assert.strictEqual(found[1_000], ": has 500 more problems than the 1000 that are listed")
  })

  it("references in a schema that double each other are not written out without end", () => {
    const $defs = Object.fromEntries(
      Array.from({ length: 30 }, (_, n) => [
        `D${n}`,
        n === 29 ? { type: "object" } : { allOf: [{ $ref: `#/$defs/D${n + 1}` }, { $ref: `#/$defs/D${n + 1}` }] }
      ])
    )
    const started = performance.now()
    assert.deepStrictEqual(
      problemsOf({ parametersSchema: { $ref: "#/$defs/D0", $defs }, steps: [{ id: "s", jobSlug: "j" }] }),
      []
    )
    assert.isBelow(performance.now() - started, 2_000)
  })
})

describe("parameters that a definition gives", () => {
  const parametersSchema = {
    type: "object",
    properties: { n: { type: "integer" }, window: { type: "object", required: ["start"] } },
    required: ["n"]
  }
  const day = { assetId: "x", partitioning: { type: "timeWindow", granularity: "day" } }
  const schedule = { cron: "* * * * * *" }

  it("must satisfy the schema where a schedule starts runs: nobody gives them other parameters", () => {
    assert.deepStrictEqual(faults([{ id: "a" }], { parametersSchema }), [])
    const [refused, ...more] = faults([{ id: "a" }], { parametersSchema, schedule })
    assert.match(refused ?? "", /^defaultParameters.*: .*required.*, or each run by the schedule is refused/)
    assert.deepStrictEqual(more, [])
    assert.deepStrictEqual(faults([{ id: "a" }], { parametersSchema, schedule, defaultParameters: { n: 1 } }), [])
    const policy = { ...day, autoMaterialize: { parameterDefaults: { n: 1 } } }
    assert.deepStrictEqual(faults([{ id: "a", produces: [policy] }], { parametersSchema, schedule }), [])
    const windowed = { ...parametersSchema, required: ["n", "window"] }
    const given = { parametersSchema: windowed, schedule, defaultParameters: { n: 1 } }
    assert.deepStrictEqual(faults([{ id: "a", produces: [day] }], given), [])
    assert.lengthOf(faults([{ id: "a" }], given), 1)
  })

  it("are refused with their path where no run could make a policy's right", () => {
    const made = (parameterDefaults: object, more: object = {}) =>
      faults([{ id: "a", produces: [{ assetId: "x", autoMaterialize: { parameterDefaults, ...more } }] }], {
        parametersSchema
      })
    const [refused, ...others] = made({ n: "many" })
    assert.match(refused ?? "", /^steps\[0\]\.produces\[0\]\.autoMaterialize\.parameterDefaults\.n: /)
    assert.deepStrictEqual(others, [])
    assert.deepStrictEqual(made({ other: true }), [], "the required n may come with the run")
    assert.deepStrictEqual(made({ n: "many" }, { enabled: false }), [], "nothing starts with them")
  })

  it("`schedule.window` is refused where there are no windows", () => {
    const previous = { schedule: { ...schedule, window: "previous" } }
    assert.match(faults([{ id: "a" }], previous).join(), /^schedule\.window: "previous" is only for/)
    const listed = { assetId: "x", partitioning: { type: "static", keys: ["a"] } }
    assert.lengthOf(faults([{ id: "a", produces: [listed] }], previous), 1)
    assert.deepStrictEqual(faults([{ id: "a", produces: [day] }], previous), [])
  })
})

describe("headers of an http step", () => {
  const asked = (headers: object) =>
    faultsOf({ slug: "asks", steps: [{ id: "ask", type: "http", request: { url: "http://x/", headers } }] })

  it("are refused with their path where they hold what no header can carry", () => {
    const found = asked({
      "x-a": "one\r\nX-B: two",
      "x-c": { env: "TOKEN", prefix: "Bearer\n" },
      "x-d": "€ {{ run.id }}"
    })
    const paths = found.map((fault) => fault.replace(/: must.*/, ""))
    const at = "steps[0].request.headers"
    assert.deepStrictEqual(paths, [`${at}.x-a`, `${at}.x-c.prefix`, `${at}.x-d`])
    assert.deepStrictEqual(asked({ "x-a": "tab\té {{\n run.id }}", "x-c": { env: "TOKEN", prefix: "Bearer " } }), [])
  })
})
