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
      "parameters.n: Expected a value greater than or equal to 1",
      "parameters.day: Expected a string matching the RegExp ^\\d{4}$",
      'parameters.mode: Expected "a" | "b"',
      "parameters.list[1]: Expected a string with at least 2 code points"
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
    assert.deepStrictEqual(faults(draft7, { n: "1" }), ["parameters.n: Expected N"])
  })
})
