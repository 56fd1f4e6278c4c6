import { assert, describe, it } from "@effect/vitest"
import { checkAgainst } from "../../src/domain/JsonSchemaCheck.ts"

const faults = (schema: Parameters<typeof checkAgainst>[0], value: unknown) =>
  checkAgainst(schema, value, "parameters").map(({ message, path }) => `${path}: ${message}`)

describe("JsonSchemaCheck", () => {
  const schema = {
    type: "object",
    properties: {
      n: { type: "integer", minimum: 1 },
      day: { type: "string", pattern: "^\\d{4}$" },
      mode: { enum: ["a", "b"] },
      list: { type: "array", items: { $ref: "#/$defs/Name" } }
    },
    required: ["n"],
    additionalProperties: false,
    $defs: { Name: { type: "string", minLength: 2 } }
  }

  it("lists every fault of the parameters with its path", () => {
    assert.deepStrictEqual(faults(schema, { n: 2, day: "2024", mode: "a", list: ["ab"] }), [])
    assert.deepStrictEqual(faults(schema, { n: 0, day: "x", mode: "c", list: ["ab", "a"], extra: 1 }), [
      "parameters.extra: is not a known field",
      "parameters.n: must be >= 1",
      'parameters.day: must match pattern "^\\d{4}$"',
      'parameters.mode: must be one of "a", "b"',
      "parameters.list[1]: must NOT have fewer than 2 characters"
    ])
    assert.deepStrictEqual(faults(schema, {}), ["parameters.n: is required"])
  })

  it("keeps what an open schema does not name, and reads the definitions of draft 7", () => {
    assert.deepStrictEqual(faults({ type: "object", properties: { n: { type: "number" } } }, { n: 1, more: {} }), [])
    const draft7 = {
      $schema: "http://json-schema.org/draft-07/schema#",
      type: "object",
      properties: { n: { $ref: "#/definitions/N" } },
      definitions: { N: { type: "number" } }
    }
    assert.deepStrictEqual(faults(draft7, { n: "1" }), ["parameters.n: must be number"])
  })

  it("applies what depends on other values, and says what is wrong with items that are equal", () => {
    const conditional = {
      properties: { list: { type: "array", uniqueItems: true } },
      if: { required: ["end"] },
      then: { required: ["start"] }
    }
    assert.deepStrictEqual(faults(conditional, { list: [{ a: 1, b: 2 }, { a: 1 }] }), [])
    assert.deepStrictEqual(
      faults(conditional, {
        end: 1,
        list: [
          { a: 1, b: 2 },
          { b: 2, a: 1 }
        ]
      }),
      [
        "parameters.start: is required",
        'parameters: must match "then" schema',
        "parameters.list: must not have equal items"
      ]
    )
  })

  it("a hostile pattern of 50,000 characters answers at once, wherever it stands", () => {
    const text = `${"a".repeat(50_000)}!`
    for (const pattern of ["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "(a*)*$b", "(.*)*x"]) {
      const started = performance.now()
      assert.deepStrictEqual(faults({ properties: { p: { type: "string", pattern } } }, { p: text }), [
        `parameters.p: must match pattern ${JSON.stringify(pattern).slice(0, -1)}"`
      ])
      const named = { patternProperties: { [pattern]: false }, properties: { [text]: { enum: [text], pattern } } }
      assert.deepStrictEqual(faults(named, { [text]: text }).length, 1)
      assert.deepStrictEqual(faults({ propertyNames: { pattern } }, { [text]: 1 }).length, 2)
      assert.isBelow(performance.now() - started, 1_000)
    }
  })

  it("a value is refused when searching its texts could take long, however the pattern is written", () => {
    const schema = { items: { pattern: "(?:a{0,500}){0,2}$" } }
    assert.deepStrictEqual(faults(schema, ["a".repeat(5_000)]), [])
    const long = Array.from({ length: 20 }, () => "a".repeat(50_000))
    assert.deepStrictEqual(faults(schema, long), ["parameters: is too long for the patterns of its schema"])
    // The next check has a budget of its own.
    assert.deepStrictEqual(faults(schema, ["a".repeat(5_000)]), [])
  })

  it("a schema that refers to itself without an end is a fault and no crash", () => {
    assert.deepStrictEqual(faults({ $ref: "#" }, {}), ["parameters: cannot be checked: its schema recurs for ever"])
  })

  it("branches that refer to each other cannot double the work without end", () => {
    const twice = { anyOf: [{ $ref: "#/$defs/List" }, { $ref: "#/$defs/List" }] }
    const schema = { ...twice, $defs: { List: { type: "array", items: twice } } }
    let value: unknown = 1
    for (let level = 0; level < 40; level++) value = [value]
    const started = performance.now()
    assert.deepStrictEqual(faults(schema, value), [
      "parameters: takes too long to check: its schema refers to itself too often"
    ])
    assert.isBelow(performance.now() - started, 5_000)
    const long = Array.from({ length: 50_000 }, () => [])
    assert.deepStrictEqual(faults(schema, long), [])
  })

  it("thousands of items are compared for uniqueness at once", () => {
    const items = Array.from({ length: 100_000 }, (_, index) => ({ index }))
    const started = performance.now()
    assert.deepStrictEqual(faults({ uniqueItems: true }, items), [])
    assert.isBelow(performance.now() - started, 3_000)
  })
})
