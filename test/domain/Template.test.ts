import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import * as Template from "../../src/domain/Template.ts"

const context = {
  run: { id: "run-1", partitionKey: "2024-01", parameters: { x: { y: 7 } } },
  parameters: { n: 3, list: [1, { a: "two" }], none: null, off: false, "odd key": "yes" },
  steps: { "load-all": { result: { rows: 3, assets: ["x"] } } },
  trigger: { type: "manual" }
}

const rendered = (text: string) =>
  Result.getOrThrowWith(Template.render(text, context, "p"), (error) => new Error(error.message))
const refused = (text: string): string =>
  Result.match(Template.render(text, context, "steps[0].parameters.day"), {
    onSuccess: (value) => `rendered ${JSON.stringify(value)}`,
    onFailure: (error) => error.message
  })

describe("Template", () => {
  it("keeps the type of a value that stands alone", () => {
    assert.strictEqual(rendered("{{ parameters.n }}"), 3)
    assert.strictEqual(rendered("{{parameters.off}}"), false)
    assert.strictEqual(rendered("{{ parameters.none }}"), null)
    assert.deepStrictEqual(rendered("{{ steps.load-all.result }}"), { rows: 3, assets: ["x"] })
  })

  it("writes values into the text around them, JSON for what is no text", () => {
    assert.strictEqual(rendered("orders_{{ run.partitionKey }}.csv"), "orders_2024-01.csv")
    assert.strictEqual(rendered(" {{ parameters.n }}"), " 3")
    assert.strictEqual(rendered("{{ run.id }}/{{ parameters.list }}"), 'run-1/[1,{"a":"two"}]')
  })

  it("reaches into objects and arrays", () => {
    assert.strictEqual(rendered("{{ run.parameters.x.y }}"), 7)
    assert.strictEqual(rendered("{{ parameters.list[1].a }}"), "two")
    assert.strictEqual(rendered("{{ parameters.list.1.a }}"), "two")
    assert.strictEqual(rendered('{{ parameters["odd key"] }}'), "yes")
    assert.strictEqual(rendered("{{ trigger.type }}"), "manual")
  })

  it("leaves text without placeholders as it is, and can write braces", () => {
    assert.strictEqual(rendered(""), "")
    assert.strictEqual(rendered('{"a":{"b":1}}'), '{"a":{"b":1}}')
    assert.strictEqual(rendered('{{ "{{" }} name }}'), "{{ name }}")
    assert.strictEqual(rendered('{{ "}}" }}'), "}}")
  })

  it("says where an expression stands, what it is and which part is not there", () => {
    const message = "steps[0].parameters.day: {{ run.parameters.z.y }} cannot be resolved: there is no run.parameters.z"
    assert.strictEqual(refused("x {{ run.parameters.z.y }}"), message)
    assert.match(refused("{{ steps.gone.result }}"), /there is no steps\.gone$/)
    assert.match(refused("{{ parameters.list[2] }}"), /there is no parameters\.list\[2\]$/)
    assert.match(refused("{{ parameters.n.x }}"), /there is no parameters\.n\.x$/)
  })

  it("sees own properties only", () => {
    for (const name of ["__proto__", "constructor", "prototype"]) {
      assert.match(refused(`{{ parameters.${name} }}`), /names the reserved property/)
      assert.match(refused(`{{ parameters["${name}"] }}`), /names the reserved property/)
    }
    assert.match(refused("{{ parameters.toString }}"), /cannot be resolved/)
    assert.match(refused("{{ parameters.list.length }}"), /cannot be resolved/)
    assert.match(refused("{{ run.id.length }}"), /cannot be resolved/)
  })

  it("refuses what it cannot read, and has bounds", () => {
    assert.match(refused("{{ run.id"), /is not closed by }}$/)
    assert.match(refused("{{ }}"), /is empty$/)
    assert.match(refused("{{ env.HOME }}"), /must start with one of run, parameters, steps, trigger$/)
    assert.match(refused("{{ run.id | upper }}"), /cannot be read at " \| upper"$/)
    assert.match(refused("{{ run.id }}".repeat(300)), /is beyond 100 placeholders$/)
    assert.match(refused(`{{ run${".a".repeat(40)} }}`), /has more than 32 parts$/)
    assert.match(refused(`{{ run.id }}${"x".repeat(100_001)}`), /is in a text longer than 100000 characters$/)
    const large = { ...context, parameters: { text: "x".repeat(600_000) } }
    const twice = Template.render("{{ parameters.text }}{{ parameters.text }}", large, "p")
    assert(Result.isFailure(twice))
    assert.match(twice.failure.reason, /makes the text longer than 1048576 characters/)
  })

  it("renders every text of a value, and names the path of the one that fails", () => {
    const value = { day: "{{ run.partitionKey }}", list: [{ n: "{{ parameters.n }}" }], same: true }
    assert.deepStrictEqual<unknown>(
      Template.renderDeep(value, context, "steps.load.parameters"),
      Result.succeed({ day: "2024-01", list: [{ n: 3 }], same: true })
    )
    const failed = Template.renderDeep({ list: [{ n: "{{ run.x }}" }] }, context, "steps.load.parameters")
    assert(Result.isFailure(failed))
    assert.strictEqual(failed.failure.path, "steps.load.parameters.list[0].n")
    assert.strictEqual(failed.failure.expression, "run.x")
  })

  it("never throws, whatever the text, and leaves text without an opening as it is", () => {
    const piece = fc.constantFrom(
      "{{",
      "}}",
      " ",
      ".",
      "[",
      "]",
      '"',
      "\\",
      "run",
      "steps",
      "0",
      "__proto__",
      "é",
      "\n"
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const text = pieces.join("")
        const result = Template.render(text, context, "p")
        if (!text.includes("{{")) assert.deepStrictEqual<unknown>(result, Result.succeed(text))
      }),
      { numRuns: 2000 }
    )
  })
})
