import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as LinearPattern from "../../src/domain/LinearPattern.ts"

const matches = (source: string, text: string) => Result.getOrThrow(LinearPattern.compile(source)).test(text)

describe("LinearPattern", () => {
  it("finds what the engine of the language finds, for what both can read", () => {
    const sources = [
      ...["^\\d{4}-\\d{2}-\\d{2}$", "^[a-z][a-z0-9_-]*$", "a|b", "^(?:a|b)+c?$", "x*?y", "^[^@\\s]+@[^@\\s]+$"],
      ...[
        "^\\p{L}+$",
        "\\u0041",
        "^\\u{1F600}$",
        "^.$",
        "\\/",
        "[\\w.-]+",
        "\\bcat\\b",
        "a\\cJb",
        "(?<year>\\d+)",
        "\\\\k"
      ],
      ...["[\\x41-\\x43]", "\\.\\*", "^$", "", "a{2,3}$", "\\0", "[\\-a]", "\\$\\^"]
    ]
    const texts = [
      ...[
        "",
        "2024-01-02",
        "2024-01-02\n",
        "a",
        "b",
        "ab",
        "abc",
        "xxy",
        "me@here.org",
        "me @here",
        "é",
        "ÄÖ",
        "A",
        "😀"
      ],
      ...["a\nb", "/", "a.*b", "the cat", "cats", "aaa", "\\k", "\0", "-", "$^", "C", "_x"]
    ]
    for (const source of sources) {
      for (const text of texts) {
        assert.strictEqual(
          matches(source, text),
          new RegExp(source, "u").test(text),
          `${source} on ${JSON.stringify(text)}`
        )
      }
    }
  })

  it("refuses halves of characters, which the two engines read differently", () => {
    const refused = LinearPattern.compile("^\\ud83d\\ude00$")
    assert.isTrue(Result.isFailure(refused) && refused.failure.includes("whole character"))
  })
})
