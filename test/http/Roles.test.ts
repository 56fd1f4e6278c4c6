import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { OpenApi } from "effect/http-api"
import { Api } from "../../src/http/api/Api.ts"
import * as Server from "../../src/http/Server.ts"
import { until } from "../support/engine.ts"
import { send, token as adminToken } from "./Harness.ts"
import { issue, served } from "./realEngine.ts"

const roles = ["viewer", "operator", "admin"]

/** Open to everybody, and nothing else is. */
const open = ["GET /livez", "GET /readyz", "GET /openapi.json", "GET /docs"]

/** Beyond what an operator may do: definitions, tokens, and what cannot be undone in the log and its read models. */
const forAdmins = [
  "PUT /api/v1/workflows/{slug}",
  "POST /api/v1/admin/tokens",
  "GET /api/v1/admin/tokens",
  "GET /api/v1/admin/tokens/{id}",
  "POST /api/v1/admin/tokens/{id}/rotate",
  "DELETE /api/v1/admin/tokens/{id}",
  "POST /api/v1/admin/projections/{name}/rebuild",
  "POST /api/v1/admin/projections/{name}/skip",
  "POST /api/v1/admin/redact"
]

/** Every route of the API as its own document lists it, so that none can be forgotten here. */
const routes = Object.entries(OpenApi.fromApi(Api).paths).flatMap(([path, item]) =>
  Object.keys(item as object).map((method) => ({
    method: method.toUpperCase(),
    path,
    name: `${method.toUpperCase()} ${path}`
  }))
)

const needed = ({ method, name }: (typeof routes)[number]): string | null => {
  if (open.includes(name)) return null
  if (forAdmins.includes(name)) return "admin"
  return method === "GET" ? "viewer" : "operator"
}

/** Status and problem; the body of an answer that has no end is not waited for. */
const ask = Effect.fnUntraced(function* (
  { method, path }: (typeof routes)[number],
  headers: Readonly<Record<string, string>>
) {
  const { url } = yield* Server.Listening
  return yield* Effect.promise(async () => {
    const aborted = new AbortController()
    const place = path.replace("{generation}", "1").replace(/\{\w+\}/g, "nothing")
    const response = await fetch(`${url}${place}`, { method, headers, signal: aborted.signal })
    const problem = response.status === 401 || response.status === 403 ? await response.json() : {}
    aborted.abort()
    return { status: response.status, problem: problem as Readonly<Record<string, unknown>> }
  })
})

describe("every route of the API", () => {
  it("is open, a viewer's, an operator's or an admin's", () => {
    const names = routes.map(({ name }) => name)
    for (const name of [...open, ...forAdmins]) assert.include(names, name)
    assert.isAbove(names.length, 50)
  })

  it("F84: is in the table of roles of docs/SECURITY.md, or in its list of what is open", () => {
    const manual = readFileSync(new URL("../../docs/SECURITY.md", import.meta.url), "utf8")
    const row = (role: string) => manual.split("\n").find((line) => line.startsWith(`| \`${role}\` |`)) ?? ""
    for (const route of routes) {
      const path = route.path.replace("/api/v1", "")
      const verb = path.split("/").findLast((segment) => segment !== "" && !segment.startsWith("{"))
      const role = needed(route)
      if (role === null) assert.include(manual, `\`${route.name}\``)
      if (role === "operator") assert.include(row(role), `\`${verb}\``, route.name)
      if (role === "admin") assert.include(row(role), `${path}\``, route.name)
    }
    for (const page of ["GET /admin", "POST /admin/login", "POST /admin/logout"]) {
      assert.include(manual, `\`${page}\``, "the page is in no document of the API")
    }
  })

  it.live("F84: says in the OpenAPI document which role it needs", () =>
    served(
      {},
      Effect.gen(function* () {
        const { json } = yield* send("GET", "/openapi.json", { token: null })
        const paths = json.paths as Record<string, Record<string, Record<string, unknown>>>
        const told = routes.map(({ method, name, path }) => [
          name,
          paths[path]![method.toLowerCase()]!["x-kintsugi-role"]
        ])
        assert.deepStrictEqual(
          told,
          routes.map((route) => [route.name, needed(route) ?? "none"])
        )
      })
    )
  )

  it.live("F84: lets in the roles that may use it, and tells the others which role they need", () =>
    served(
      {},
      Effect.gen(function* () {
        for (const [rank, role] of roles.entries()) {
          const { id, token } = yield* issue(role)
          for (const route of routes) {
            const { problem, status } = yield* ask(route, { authorization: `Bearer ${token}` })
            const what = `${role}: ${route.name}`
            const least = needed(route)
            if (least === null || roles.indexOf(least) <= rank) {
              // What it says to a request for nothing is another test's.
              assert.notInclude([401, 403, 405, 429], status, what)
              continue
            }
            assert.strictEqual(status, 403, what)
            assert.deepInclude(problem, { code: "forbidden", requiredRole: least, role }, what)
            assert.include(problem.detail, `needs the role ${least}; token:${id} is ${role}`)
          }
        }
      })
    )
  )

  it.live("F84: lets in nobody without a token that is valid now", () =>
    served(
      {},
      Effect.gen(function* () {
        const revoked = yield* issue("admin")
        yield* send("DELETE", `/api/v1/admin/tokens/${revoked.id}`)
        const expired = yield* issue("admin", { expiresAt: new Date(Date.now() + 500).toISOString() })
        const asExpired = { headers: { authorization: `Bearer ${expired.token}` }, token: null }
        yield* until(send("GET", "/api/v1/runs", asExpired), ({ status }) => status === 401, "expired token")
        const basic = `Basic ${Buffer.from(`admin:${adminToken}`).toString("base64")}`
        const strangers: Readonly<Record<string, Readonly<Record<string, string>>>> = {
          "no token": {},
          "an empty one": { authorization: "Bearer " },
          "an unknown one": { authorization: "Bearer ktg_0000000000000000000000000000000000000000000" },
          "half of one": { authorization: `Bearer ${adminToken.slice(0, -1)}` },
          "a revoked one": { authorization: `Bearer ${revoked.token}` },
          "an expired one": { authorization: `Bearer ${expired.token}` },
          "another scheme": { authorization: basic },
          "the token under another scheme": { authorization: `Digest ${adminToken}` },
          "a scheme of the same length": { authorization: `Banana ${adminToken}` },
          "no scheme": { authorization: adminToken },
          "a cookie": { cookie: `token=${adminToken}` }
        }
        for (const route of routes) {
          for (const [who, headers] of Object.entries(strangers)) {
            const { problem, status } = yield* ask(route, headers)
            const what = `${who}: ${route.name}`
            if (needed(route) === null) {
              assert.strictEqual(status, 200, what)
              continue
            }
            assert.strictEqual(status, 401, what)
            assert.strictEqual(problem.code, "unauthorized", what)
          }
        }
      })
    )
  )
})
