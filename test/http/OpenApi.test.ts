import { assert, describe, it } from "@effect/vitest"
import { OpenApi } from "effect/http-api"
import { Api } from "../../src/http/api/Api.ts"

interface Operation {
  readonly operationId: string
  readonly parameters?: ReadonlyArray<{ readonly name: string }>
  readonly security: ReadonlyArray<unknown>
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>
}

const document = OpenApi.fromApi(Api)
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item as Record<string, Operation>).map(([method, operation]) => ({
    route: `${method.toUpperCase()} ${path}`,
    operation
  }))
)

const open = ["GET /livez", "GET /readyz", "GET /openapi.json", "GET /docs"]
const routes = [
  "PUT /api/v1/workflows/{slug}",
  "GET /api/v1/workflows",
  "GET /api/v1/workflows/{slug}",
  "POST /api/v1/workflows/{slug}/run",
  "POST /api/v1/workflows/{runId}/recover",
  "GET /api/v1/runs",
  "GET /api/v1/runs/{id}",
  "GET /api/v1/runs/{id}/events",
  "POST /api/v1/runs/{id}/cancel",
  "POST /api/v1/runs/{id}/recover",
  "GET /api/v1/recoveries",
  "GET /api/v1/recoveries/{id}",
  "GET /api/v1/recoveries/{id}/chain",
  "POST /api/v1/recoveries/plan",
  "POST /api/v1/recoveries/{id}/retry",
  "POST /api/v1/recoveries/{id}/cancel",
  "POST /api/v1/assets/{assetId}/produced",
  "GET /api/v1/admin/attention",
  "POST /api/v1/admin/attention/{id}/mute",
  "POST /api/v1/admin/attention/{id}/unmute",
  "GET /api/v1/admin/queue-health",
  "GET /api/v1/admin/stores",
  "GET /api/v1/admin/projections",
  "POST /api/v1/admin/projections/{name}/rebuild",
  "POST /api/v1/admin/projections/{name}/skip",
  "POST /api/v1/admin/redact",
  "GET /api/v1/notifications",
  "GET /api/v1/notifications/deliveries",
  "POST /api/v1/notifications/deliveries/{id}/retry",
  "POST /api/v1/notifications/{id}/read",
  "GET /api/v1/events",
  "GET /api/v1/events/stream",
  "POST /api/v1/backfills",
  "GET /api/v1/backfills",
  "GET /api/v1/backfills/{id}",
  "POST /api/v1/backfills/{id}/pause",
  "POST /api/v1/backfills/{id}/resume",
  "POST /api/v1/backfills/{id}/cancel",
  "POST /api/v1/bulk",
  "GET /api/v1/bulk",
  "GET /api/v1/bulk/{id}",
  "POST /api/v1/bulk/{id}/cancel",
  "POST /api/v1/integrity/checks",
  "GET /api/v1/integrity/findings",
  "POST /api/v1/integrity/recover",
  "POST /api/v1/assets/{assetId}/provenance",
  "GET /api/v1/stores/{store}/objects",
  "GET /api/v1/bus/dead-letters",
  "POST /api/v1/bus/dead-letters/{id}/retry",
  "POST /api/v1/bus/dead-letters/{id}/discard",
  "POST /api/v1/admin/tokens",
  "GET /api/v1/admin/tokens",
  "GET /api/v1/admin/tokens/{id}",
  "POST /api/v1/admin/tokens/{id}/rotate",
  "DELETE /api/v1/admin/tokens/{id}",
  "GET /metrics",
  "GET /api/v1/runs/{id}/diff",
  "POST /api/v1/runs/{id}/steps/{stepId}/retry",
  "POST /api/v1/runs/{id}/steps/{stepId}/skip",
  "GET /api/v1/runs/{id}/checkpoints",
  "POST /api/v1/runs/{id}/restore",
  "POST /api/v1/runs/{id}/replay",
  "POST /api/v1/runs/{id}/fork",
  ...["runs/{id}", "workflows/{slug}", "recoveries/{id}"].flatMap((one) => [
    `POST /api/v1/${one}/pause`,
    `POST /api/v1/${one}/resume`
  ]),
  "GET /api/v1/assets",
  "GET /api/v1/assets/{assetId}",
  "GET /api/v1/lineage",
  "GET /api/v1/workflows/{slug}/assets",
  "GET /api/v1/workflows/{slug}/assets/{assetId}/history",
  "GET /api/v1/workflows/{slug}/assets/{assetId}/history/{generation}/diff",
  "GET /api/v1/workflows/{slug}/assets/{assetId}/partitions",
  "GET /api/v1/workflows/{slug}/auto-materialize",
  "GET /api/v1/workflows/{slug}/assets/{assetId}/parameters",
  "PUT /api/v1/workflows/{slug}/assets/{assetId}/parameters",
  "POST /api/v1/workflows/{slug}/assets/{assetId}/stale",
  "DELETE /api/v1/workflows/{slug}/assets/{assetId}/stale",
  "GET /api/v1/workflows/{slug}/assets/{assetId}/partitions/{key}/parameters",
  "PUT /api/v1/workflows/{slug}/assets/{assetId}/partitions/{key}/parameters",
  "POST /api/v1/workflows/{slug}/assets/{assetId}/partitions/{key}/stale",
  "DELETE /api/v1/workflows/{slug}/assets/{assetId}/partitions/{key}/stale",
  ...open
]

describe("the OpenAPI document", () => {
  it("holds every route of the API under its full path, and no other", () => {
    assert.sameMembers(
      operations.map(({ route }) => route),
      routes
    )
  })

  it("says that every error is a problem", () => {
    for (const { operation, route } of operations) {
      for (const [status, { content }] of Object.entries(operation.responses)) {
        if (Number(status) < 400) continue
        assert.deepStrictEqual(Object.keys(content ?? {}), ["application/problem+json"], `${route} ${status}`)
      }
    }
  })

  it("demands a bearer token everywhere but where an orchestrator asks", () => {
    for (const { operation, route } of operations) {
      const statuses = Object.keys(operation.responses)
      assert.lengthOf(operation.security, open.includes(route) ? 0 : 1, route)
      assert.strictEqual(statuses.includes("401"), !open.includes(route), route)
    }
  })

  it("names what each command can be answered with", () => {
    const statuses = (route: string) =>
      Object.keys(operations.find((operation) => operation.route === route)!.operation.responses)
    assert.includeMembers(statuses("POST /api/v1/runs/{id}/cancel"), [
      "202",
      "400",
      "404",
      "409",
      "413",
      "415",
      "422",
      "503"
    ])
    assert.includeMembers(statuses("PUT /api/v1/workflows/{slug}"), ["200", "201", "400", "409", "422", "503"])
    assert.includeMembers(statuses("GET /api/v1/runs"), ["200", "400", "401", "500", "503"])
  })

  it("lets every list and count wait for a position, but the listing of a store, which is in no log", () => {
    const elsewhere = "GET /api/v1/stores/{store}/objects"
    const gets = operations.filter(({ route }) => route.startsWith("GET /api/v1/"))
    const takes = (operation: Operation) => (operation.parameters ?? []).some(({ name }) => name === "minPosition")
    const isListed = ({ responses }: Operation) => JSON.stringify(responses["200"]).includes('"nextCursor"')
    const lists = gets.filter(({ operation }) => isListed(operation))
    assert.isAtLeast(lists.length, 10)
    for (const { operation, route } of lists) assert.strictEqual(takes(operation), route !== elsewhere, route)
    const counts = gets.filter(({ operation }) => takes(operation) && !isListed(operation)).map(({ route }) => route)
    assert.includeMembers(counts, ["GET /api/v1/admin/queue-health", "GET /api/v1/lineage"])
    // Who takes it can be behind it.
    for (const { operation, route } of gets.filter(({ operation }) => takes(operation))) {
      assert.include(Object.keys(operation.responses), "503", route)
      assert.include(JSON.stringify(operation.responses["503"]), "ProjectionBehindProblem", route)
    }
  })

  it("is plain JSON without a reference to nowhere", () => {
    const text = JSON.stringify(document)
    const names = Object.keys(document.components.schemas)
    for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) assert.include(names, name)
    assert.includeMembers(names, ["Run", "Step", "Recovery", "Event", "QueueHealth", "Notification"])
  })
})
