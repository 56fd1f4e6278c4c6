import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as HttpSecrets from "../../src/capabilities/HttpSecrets.ts"
import * as httpStub from "../capabilities/httpStub.ts"
import { history, play, ran } from "../support/engine.ts"

const token = 'Zx7+/"q9&Lm 3vé%41Kp'
const secrets = HttpSecrets.make(new Map([["TOKEN", token]]))
const html = token.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("é", "&#xE9;")
const basic = Buffer.from("robot:hunter2-hunter2").toString("base64")

describe("what a service sends back", () => {
  it.each([
    ["as it was", token],
    ["percent-encoded", encodeURIComponent(token)],
    ["percent-encoded in lower case", encodeURIComponent(token).replace(/%../g, (code) => code.toLowerCase())],
    ["as a form", new URLSearchParams({ it: token }).toString().slice(3)],
    ["in JSON", JSON.stringify(token).slice(1, -1)],
    ["in JSON within JSON", JSON.stringify(JSON.stringify(token)).slice(3, -3)],
    ["in JSON without anything but ASCII", JSON.stringify(token).slice(1, -1).replaceAll("é", "\\u00e9")],
    ["in HTML", html],
    ["percent-encoded in part", token.replaceAll("/", "%2F")],
    ["percent-encoded twice", encodeURIComponent(encodeURIComponent(token))],
    ["in capitals", token.toUpperCase().replaceAll("É", "é")],
    ["in Base64", Buffer.from(token).toString("base64").replace(/=+$/, "")],
    ["in Base64 for URLs", Buffer.from(token).toString("base64url")],
    ["in hexadecimal capitals", Buffer.from(token).toString("hex").toUpperCase()],
    ["in bytes that are no UTF-8", Buffer.from(token, "latin1").toString("utf8")]
  ])("shows nothing of a secret %s", (_, form) => {
    assert.strictEqual(secrets.hides(`<<${form}>>`), "<<[secret TOKEN]>>")
  })

  it.each([0, 1, 2])("shows nothing of a secret in the Base64 of a longer text, %s bytes on", (before) => {
    const text = Buffer.from(`${"x".repeat(before)}${token}yyy`).toString("base64")
    const shown = secrets.hides(text)
    assert.include(shown, "[secret TOKEN]")
    assert.notInclude(Buffer.from(shown.replace(/^.*\]/, ""), "base64").toString("latin1"), token.slice(-4))
    assert.isBelow(shown.replace("[secret TOKEN]", "").length, 12)
  })

  it("shows nothing of a password that the secret holds in Base64, as in basic authentication", () => {
    const { hides } = HttpSecrets.make(new Map([["BASIC", basic]]))
    assert.strictEqual(hides(`${basic} wrong: hunter2-hunter2`), "[secret BASIC] wrong: [secret BASIC]")
  })

  it("hides secrets that overlap whole, and a number that is one", () => {
    const { hides, hidesDeep } = HttpSecrets.make(
      new Map([
        ["A", "abcdef"],
        ["B", "defghi"],
        ["PIN", "4711"]
      ])
    )
    assert.strictEqual(hides("<abcdefghi>"), "<[secret A]>")
    assert.deepStrictEqual(hidesDeep({ pin: 4711, other: 4712, abcdef: ["x"] }), {
      ...{ pin: "[secret PIN]", other: 4712, "[secret A]": ["x"] }
    })
  })

  it("hides what a cut leaves of a secret at either end, and what begins before the end of an excerpt", () => {
    const plain = HttpSecrets.make(new Map([["TOKEN", "0123456789abcdef"]]))
    assert.strictEqual(plain.excerpt("said 01234567", 100), "said [secret TOKEN]")
    assert.strictEqual(plain.excerpt("89abcdef was said", 100), "[secret TOKEN] was said")
    assert.strictEqual(plain.excerpt("said 0123456789abcdef, I think", 10), "said [secret TOKEN]")
    assert.strictEqual(plain.excerpt("said nothing", 4), "said")
  })

  it("is left as it is where it says nothing of a secret", () => {
    const text = 'a%20b \\u0041 &amp; + é 𝄞 {"a":1}'
    assert.strictEqual(secrets.hides(text), text)
  })
})

describe("a failure's message", () => {
  it.live.each([
    [490, "0123456789abcdef-0123456789abcdef"],
    [2_040, "0123456789abcdef-0123456789abcdef"],
    [0, `${"0123456789abcdef".repeat(250)}`]
  ] as const)("shows no beginning of a secret that comes after %s characters", ([before, value]) =>
    Effect.scoped(
      Effect.gen(function* () {
        const server = yield* httpStub.make
        // Line breaks before it do not count for the excerpt: what is cut is not where it seems to be.
        const lead = before > 500 ? `${"\n".repeat(before - 495)}${"x".repeat(495)}` : "x".repeat(before)
        server.answer((_request, response) =>
          response.writeHead(403, { "content-type": "text/plain" }).end(`${lead}${value}${"y".repeat(100)}`)
        )
        process.env.S_TEST_CUT = value
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            delete process.env.S_TEST_CUT
          })
        )
        const request = { url: server.endpoint, headers: { authorization: { env: "S_TEST_CUT" } } }
        yield* play(
          {
            jobs: [],
            workflows: { asks: { steps: [{ id: "ask", type: "http", request }] } },
            settings: { httpAllow: [`127.0.0.1:${server.port}`] }
          },
          () =>
            Effect.gen(function* () {
              const { failure } = yield* ran("asks")
              assert.include(failure?.message, "answered 403")
              const log = JSON.stringify((yield* history).map(({ payload }) => payload))
              assert.notInclude(log, value.slice(0, 4))
            })
        )
      })
    )
  )
})
