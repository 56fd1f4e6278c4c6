import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { temporaryFolder } from "../support/engine.ts"
import { absent } from "../support/redis.ts"
import { campaign } from "./campaign.ts"
import { faultsOf, secretsOf } from "./oracle.ts"
import { plain } from "./requests.ts"
import { neverDone } from "./tally.ts"
import type { RawAnswer } from "./transport.ts"

/** Operations that no request of the fuzzer can succeed with, each with the reason. */
const unreachable: Readonly<Record<string, string>> = absent
  ? {
      "deadLetters.retryDeadLetter": "dead letters need a Redis server, and there is none to start",
      "deadLetters.discardDeadLetter": "dead letters need a Redis server, and there is none to start"
    }
  : {}

const seed = Number(process.env.KINTSUGI_TEST_SEED ?? "11")

describe("the whole surface under bad input", () => {
  it.live(
    "is answered as its document says: no 5xx, no hang, nothing told to who may not know; and the log verifies",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const { faults, tally } = yield* Effect.promise(() =>
          campaign({ seed, requests: 900, seconds: 60, concurrency: 3, folder, say: () => {} })
        )
        assert.deepStrictEqual(faults, [], `npm run fuzz -- --seed ${seed}`)
        assert.isAtLeast(tally.sent, 900)
        // Neither all refused nor all let through.
        for (const status of [200, 202, 400, 401, 403, 404, 409, 413, 415]) {
          assert.property(tally.statuses, String(status))
        }
        const never = neverDone(tally).filter(({ id }) => unreachable[id] === undefined)
        const refusals = never.map(({ id }) => `${id}: ${JSON.stringify(tally.answers[id] ?? {})}`)
        assert.deepStrictEqual(refusals, [], `never answered with success, seed ${seed}`)
      }).pipe(Effect.scoped),
    180_000
  )
})

const tokens = { admin: "a", operator: "o", viewer: "v", wrong: "w" }
const problem = (status: number, code: string, more: object = {}): RawAnswer => ({
  ...{ status, headers: { "content-type": "application/problem+json" }, ms: 1, isLate: false },
  text: JSON.stringify({ type: `urn:kintsugi:problem:${code}`, title: code, status, code, ...more })
})
const list = plain(tokens, "viewer", "GET", "/api/v1/runs")
const ok = (body: unknown): RawAnswer => ({
  ...{ status: 200, headers: { "content-type": "application/json" }, text: JSON.stringify(body), ms: 1, isLate: false }
})

describe("the oracle of the fuzzer", () => {
  const accepted = { data: [], nextCursor: null }
  const rows = [
    ["an answer that fits", list, ok(accepted), null],
    ["a 500", list, problem(500, "internal_error"), "500 internal_error"],
    ["a 503 that nothing asked for", list, problem(503, "unavailable"), "503 unavailable"],
    ["an answer that came too late", list, { ...ok(accepted), isLate: true }, "no whole answer"],
    ["a closed connection", list, { ...ok({}), status: 0 }, "ended without an answer"],
    ["a body beside its schema", list, ok({ data: {} }), "does not fit its schema"],
    ["a status that is not declared", list, problem(418, "teapot"), "does not declare 418"],
    ["a problem without a code", list, { ...problem(400, "x"), text: '{"status":400}' }, "without code"],
    ["a refusal that is no problem", list, { ...problem(400, "x"), headers: {} }, "an error as"],
    ["a token's hash", list, ok({ ...accepted, nextCursor: secretsOf("ktg_secret")[1] }), "shows a token"],
    [
      "a refusal of what is no text",
      plain(tokens, "nobody", "GET", "/nowhere/%ff"),
      problem(400, "invalid_input"),
      null
    ],
    ["what is no text taken", { ...list, target: "/api/v1/runs?workflow=%" }, ok(accepted), "that is no text"],
    ["a list for nobody", { ...list, asker: "nobody" }, ok(accepted), "200 without a valid token"],
    [
      "a 404 for a viewer's command",
      plain(tokens, "viewer", "POST", "/api/v1/runs/x/cancel"),
      problem(404, "not_found", { kind: "run", id: "x" }),
      "404 for viewer, who may not"
    ]
  ] as const

  for (const [what, request, answer, fault] of rows) {
    it(`${fault === null ? "lets pass" : "finds"} ${what}`, () => {
      const found = faultsOf(request, answer, secretsOf("ktg_secret"))
      if (fault === null) assert.deepStrictEqual(found, [])
      else assert.include(found.join("\n"), fault)
    })
  }
})
