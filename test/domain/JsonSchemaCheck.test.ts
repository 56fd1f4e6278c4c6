import { assert, describe, it } from "@effect/vitest"
import { checkAgainst, schemaProblems } from "../../src/domain/JsonSchemaCheck.ts"

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

  /** Bounds are those of a busy machine; without its limit each of these takes several seconds or all memory. */
  const quickly = (schema: Parameters<typeof checkAgainst>[0], value: unknown, msMax = 1_500) => {
    const before = process.threadCpuUsage()
    const found = checkAgainst(schema, value, "parameters")
    const { system, user } = process.threadCpuUsage(before)
    assert.isBelow((system + user) / 1_000, msMax)
    assert.isBelow(JSON.stringify(found).length, 200_000)
    return found.map(({ message, path }) => `${path}: ${message}`)
  }
  const many = "parameters: has more faults than the 100 that are listed"
  const tooLarge = "parameters: is too large to be checked against its schema: it takes more than 20000000 comparisons"

  it("of many faults the first 100 are told, and that there are more, whatever their number", () => {
    const orders = { properties: { orders: { items: { type: "object", required: ["a", "b", "c", "d", "e"] } } } }
    const found = quickly(orders, { orders: Array.from({ length: 340_000 }, () => ({})) })
    assert.strictEqual(found[0], "parameters.orders[0].a: is required")
    assert.deepStrictEqual([found.length, found[100]], [101, many])
    const strings = { items: { allOf: Array.from({ length: 900 }, () => ({ type: "string" })) } }
    assert.strictEqual(quickly(strings, Array(100_000).fill(1))[100], many)
    const objects = { items: { enum: Array.from({ length: 15_000 }, (_, n) => ({ n })) } }
    assert.strictEqual(quickly(objects, Array(50_000).fill({ m: 1 }))[100], many)
    assert.strictEqual(quickly({ items: false }, Array(500_000).fill(1))[100], many)
    const named = Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`k${n}`, n]))
    assert.strictEqual(
      quickly({ additionalProperties: false }, named)[100],
      "parameters: has 900 more faults than the 100 that are listed"
    )
    // Long names and texts would be repeated in each fault.
    const long = "k".repeat(50_000)
    assert.isBelow(
      quickly({ properties: { [long]: { items: { const: long } } } }, { [long]: Array(99).fill(1) }).length,
      5
    )
  })

  it("a value without faults is refused when to find that out would take long", () => {
    const numbers = { items: { allOf: Array.from({ length: 900 }, () => ({ type: "number" })) } }
    assert.deepStrictEqual(quickly(numbers, Array(100_000).fill(1)), [tooLarge])
    assert.deepStrictEqual(quickly(numbers, Array(1_000).fill(1)), [])
    const texts = { allOf: Array.from({ length: 900 }, () => ({ maxLength: 2_000_000 })) }
    assert.deepStrictEqual(quickly(texts, "a".repeat(1_000_000)), [tooLarge])
    const not = { not: { enum: Array.from({ length: 15_000 }, (_, n) => ({ n })) } }
    const keys = Object.fromEntries(Array.from({ length: 100_000 }, (_, n) => [`k${n}`, n]))
    assert.deepStrictEqual(quickly(not, keys), [tooLarge])
    const item = { type: "object", properties: { a: { type: "integer", minimum: 0 } }, required: ["a"] }
    assert.deepStrictEqual(quickly({ items: item }, Array(170_000).fill({ a: 1 })), [])
    const either = { anyOf: [{ items: { type: "string" } }, { items: { type: "number" } }] }
    assert.deepStrictEqual(quickly(either, Array(300_000).fill(1)), [])
  })

  it("a schema of more schemas or keywords than are compiled in a moment is refused", () => {
    const messages = (schema: Parameters<typeof schemaProblems>[0]) =>
      schemaProblems(schema, ["schema"]).map(({ message, path }) => `${path}: ${message}`)
    const of = (length: number) => ({ allOf: Array.from({ length }, () => ({ type: "string" })) })
    assert.deepStrictEqual(messages(of(999)), [])
    assert.deepStrictEqual(messages(of(1_000)), ["schema: must not consist of more than 1000 schemas"])
    assert.deepStrictEqual(messages(Object.fromEntries(Array.from({ length: 201 }, (_, n) => [`x-${n}`, n]))), [
      "schema: must not have more than 200 keywords in one schema, not 201"
    ])
  })
})
