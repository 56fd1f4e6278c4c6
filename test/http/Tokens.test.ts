import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { history, until } from "../support/engine.ts"
import { type Sent, send } from "./Harness.ts"
import { issue, served, tokenOf } from "./realEngine.ts"

const tokens = "/api/v1/admin/tokens"
const post = (path: string, body: object, sent: Sent = {}) =>
  send("POST", path, { body: JSON.stringify(body), ...sent })
const statusWith = (token: string) => Effect.map(send("GET", "/api/v1/admin/stores", { token }), ({ status }) => status)

describe("API tokens", () => {
  it.live("F84: one is shown once, and what is kept of it opens no door", () =>
    served(
      {},
      Effect.gen(function* () {
        const made = yield* post(tokens, { role: "viewer", name: "grafana" })
        assert.strictEqual(made.status, 202, made.text)
        const { id, prefix, token } = tokenOf(made)
        assert.match(token ?? "", /^ktg_[\w-]{43}$/)
        assert.strictEqual(prefix, token?.slice(0, 12))
        assert.deepInclude(tokenOf(made), { role: "viewer", name: "grafana", status: "active", createdBy: "admin" })
        assert.strictEqual(yield* statusWith(token ?? ""), 200)

        const one = yield* send("GET", `${tokens}/${id}`)
        const all = yield* send("GET", tokens)
        const audit = JSON.stringify(yield* history)
        for (const text of [one.text, all.text, audit]) assert.notInclude(text, String(token).slice(12))
        assert.isString(tokenOf(one).lastUsedAt)
        const stored = (yield* history).find(({ type }) => type === "TokenIssued")
        const { hash } = JSON.parse(stored?.payload ?? "{}") as { readonly hash: string }
        assert.strictEqual(yield* statusWith(hash), 401)
        assert.strictEqual(yield* statusWith(prefix), 401)
      })
    )
  )

  it.live("F84: a revoked one ends at once, and stays in the list", () =>
    served(
      {},
      Effect.gen(function* () {
        const { id, token } = yield* issue("admin")
        assert.strictEqual(yield* statusWith(token), 200)
        const revoked = yield* send("DELETE", `${tokens}/${id}?reason=left%20the%20team`)
        assert.deepStrictEqual([revoked.status, tokenOf(revoked).status], [202, "revoked"])
        assert.strictEqual(yield* statusWith(token), 401)
        const again = yield* send("DELETE", `${tokens}/${id}`)
        assert.strictEqual(again.status, 202)
        assert.strictEqual(again.json.position, revoked.json.position)
        const rotated = yield* post(`${tokens}/${id}/rotate`, {})
        assert.deepInclude(rotated.json, { status: 409, code: "illegal_transition", currentStatus: "revoked" })
        const { json } = yield* send("GET", tokens)
        assert.deepStrictEqual(
          (json.data as ReadonlyArray<{ status: string }>).map(({ status }) => status),
          ["revoked"]
        )
        assert.strictEqual((yield* send("GET", `${tokens}/nope`)).status, 404)
        assert.strictEqual((yield* send("DELETE", `${tokens}/nope`)).status, 404)
        assert.strictEqual((yield* post(`${tokens}/nope/rotate`, {})).status, 404)
      })
    )
  )

  it.live("F84: one ends when it expires", () =>
    served(
      {},
      Effect.gen(function* () {
        const past = yield* post(tokens, { role: "viewer", name: "x", expiresAt: "2020-01-01T00:00:00Z" })
        assert.strictEqual(past.status, 400)
        assert.include(past.text, "must be in the future")
        const soon = new Date(Date.now() + 1_500).toISOString()
        const { id, token } = yield* issue("viewer", { expiresAt: soon })
        assert.strictEqual(yield* statusWith(token), 200)
        yield* until(statusWith(token), (status) => status === 401, "expired token")
        const shown = yield* send("GET", `${tokens}/${id}`)
        assert.deepInclude(tokenOf(shown), { status: "expired", expiresAt: soon })
      })
    )
  )

  it.live("F84: rotation gives a new secret, and the old one lasts as long as it was asked to", () =>
    served(
      {},
      Effect.gen(function* () {
        const { id, token: first } = yield* issue("viewer")
        const second = tokenOf(yield* post(`${tokens}/${id}/rotate`, { overlapMs: 1_500 })).token ?? ""
        assert.notStrictEqual(second, first)
        assert.deepStrictEqual([yield* statusWith(first), yield* statusWith(second)], [200, 200])
        yield* until(statusWith(first), (status) => status === 401, "end of the overlap")
        const third = tokenOf(yield* post(`${tokens}/${id}/rotate`, {})).token ?? ""
        assert.deepStrictEqual([yield* statusWith(second), yield* statusWith(third)], [401, 200])
        const long = yield* post(`${tokens}/${id}/rotate`, { overlapMs: 86_400_001 })
        assert.include(long.text, "from 0 to 86400000")
      })
    )
  )

  it.live("F84: a repeated command makes no second token, and shows no secret again", () =>
    served(
      {},
      Effect.gen(function* () {
        const headers = { "idempotency-key": "once" }
        const first = yield* post(tokens, { role: "viewer", name: "x" }, { headers })
        const again = yield* post(tokens, { role: "viewer", name: "x" }, { headers })
        assert.strictEqual(tokenOf(again).id, tokenOf(first).id)
        assert.isNull(tokenOf(again).token)
        assert.strictEqual((yield* post(tokens, { role: "admin", name: "x" }, { headers })).status, 422)
        const issued = (yield* history).filter(({ streamName }) => streamName.startsWith("token-"))
        assert.lengthOf(issued, 1)
      })
    )
  )

  it.live("F84: the log says who issued, rotated and revoked", () =>
    served(
      {},
      Effect.gen(function* () {
        const boss = yield* issue("admin")
        const { id } = tokenOf(yield* post(tokens, { role: "viewer", name: "x" }, { token: boss.token }))
        yield* post(`${tokens}/${id}/rotate`, {}, { token: boss.token })
        yield* send("DELETE", `${tokens}/${id}?reason=over`, { token: boss.token })
        const told = (yield* history)
          .filter(({ streamName }) => streamName === `token-${id}`)
          .map(({ metadata, payload, type }) => [type, metadata.principal, JSON.parse(payload).by])
        const by = `token:${boss.id}`
        assert.deepStrictEqual(
          told,
          ["TokenIssued", "TokenRotated", "TokenRevoked"].map((type) => [type, by, by])
        )
      })
    )
  )

  it.live("F84: who reads the log sees the token's events, and no hash of its secret", () =>
    served(
      {},
      Effect.gen(function* () {
        const reader = yield* issue("viewer")
        const { id } = yield* issue("operator")
        yield* post(`${tokens}/${id}/rotate`, {})
        const hashes = (yield* history)
          .filter(({ streamName }) => streamName === `token-${id}`)
          .map(({ payload }) => String(JSON.parse(payload).hash))
        assert.match(hashes.join(" "), /^[0-9a-f]{64} [0-9a-f]{64}$/)
        const listed = yield* until(
          send("GET", "/api/v1/events?category=token", { token: reader.token }),
          ({ text }) => text.includes("TokenRotated"),
          "rotation in the list"
        )
        assert.include(listed.text, `"stream":"token-${id}"`)
        assert.include(listed.text, '"name":"operator"')
        for (const hash of hashes) assert.notInclude(listed.text, hash)
        // The chain's own hash of the event is there as ever.
        assert.strictEqual(listed.text.match(/"hash":/g)?.length, 3)
      })
    )
  )

  it.live("F84: wrong input is told with its path", () =>
    served(
      {},
      Effect.gen(function* () {
        const bad: ReadonlyArray<readonly [object, string]> = [
          [{ name: "x" }, "role"],
          [{ role: "root", name: "x" }, "role"],
          [{ role: "viewer" }, "name"],
          [{ role: "viewer", name: "" }, "name"],
          [{ role: "viewer", name: "x", expiresAt: "tomorrow" }, "expiresAt"],
          [{ role: "viewer", name: "x", scope: "all" }, "scope"]
        ]
        for (const [body, path] of bad) {
          const { json, status, text } = yield* post(tokens, body)
          assert.strictEqual(status, 400, text)
          assert.include(
            (json.errors as ReadonlyArray<{ path: string }>).map((fault) => fault.path),
            path
          )
        }
        const page = yield* Effect.forEach(["a", "b", "c"], (name) => issue("viewer", { name }))
        const first = yield* send("GET", `${tokens}?limit=2`)
        const rest = yield* send("GET", `${tokens}?limit=2&cursor=${String(first.json.nextCursor)}`)
        const ids = [first, rest].flatMap(({ json }) =>
          (json.data as ReadonlyArray<{ id: string }>).map(({ id }) => id)
        )
        assert.sameMembers(
          ids,
          page.map(({ id }) => id)
        )
        assert.isNull(rest.json.nextCursor)
        assert.strictEqual((yield* send("GET", `${tokens}?cursor=nope`)).status, 400)
      })
    )
  )
})
