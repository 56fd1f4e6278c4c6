import { assert, describe, it } from "@effect/vitest"
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { ApiError, makeClient, ServerUnreachable } from "../../src/index.ts"

interface Seen {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: IncomingMessage["headers"]
  readonly body: string
}

/** A server that answers everything with the same, and what it was asked. */
const answering = async (status: number, body: string, use: (url: string, seen: Array<Seen>) => Promise<void>) => {
  const seen: Array<Seen> = []
  const server = createServer(async (request, response) => {
    let text = ""
    for await (const chunk of request) text += chunk
    seen.push({ method: request.method, url: request.url, headers: request.headers, body: text })
    response.writeHead(status, { "content-type": "application/json" }).end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => assert.fail("expected a rejection"),
    (error: unknown) => error
  )

describe("the HTTP client", () => {
  it("sends the token, the idempotency key and the body to the right place", () =>
    answering(202, '{"data":{"id":"r1"},"position":"p"}', async (url, seen) => {
      const client = makeClient({ url: `${url}/`, token: "secret" })
      const run = await client.run("a/b", { parameters: { day: 1 }, partitionKey: "p", idempotencyKey: "k" })

      assert.deepStrictEqual(run, { data: { id: "r1" }, position: "p" })
      const [request] = seen
      assert.strictEqual(`${request?.method} ${request?.url}`, "POST /api/v1/workflows/a%2Fb/run")
      assert.strictEqual(request?.headers.authorization, "Bearer secret")
      assert.strictEqual(request?.headers["idempotency-key"], "k")
      assert.deepStrictEqual(JSON.parse(request?.body ?? ""), { parameters: { day: 1 }, partitionKey: "p" })
    }))

  it("leaves out query parameters that are undefined", () =>
    answering(200, '{"data":[],"nextCursor":null}', async (url, seen) => {
      await makeClient({ url, token: "t" }).listRuns({ status: "failed", limit: 2, workflow: undefined })
      assert.strictEqual(seen[0]?.url, "/api/v1/runs?status=failed&limit=2")
    }))

  it("names partitions of assets in the path, and leaves them out where there are none", () =>
    answering(202, '{"data":{"assetId":"a"},"position":"p"}', async (url, seen) => {
      const client = makeClient({ url, token: "t" })
      await client.markStale("orders", "orders.raw", "2024/01", "wrong rates")
      await client.clearStale("orders", "orders.raw", null)
      await client.setPartitionParameters("orders", "orders.raw", "p", { unit: "g" })
      await client.diffGenerations("orders", "orders.raw", 3, { with: 1, partitionKey: "p" })
      assert.deepStrictEqual(
        seen.map(({ method, url }) => `${method} ${url}`),
        [
          "POST /api/v1/workflows/orders/assets/orders.raw/partitions/2024%2F01/stale",
          "DELETE /api/v1/workflows/orders/assets/orders.raw/stale",
          "PUT /api/v1/workflows/orders/assets/orders.raw/partitions/p/parameters",
          "GET /api/v1/workflows/orders/assets/orders.raw/history/3/diff?with=1&partitionKey=p"
        ]
      )
      assert.deepStrictEqual(JSON.parse(seen[0]!.body), { note: "wrong rates" })
      assert.deepStrictEqual(JSON.parse(seen[2]!.body), { parameters: { unit: "g" } })
    }))

  it("rejects with the server's problem", () =>
    answering(409, '{"status":409,"code":"defined_by_app","detail":"the app defines it"}', async (url) => {
      const error = await rejection(makeClient({ url, token: "t" }).defineWorkflow("a", {}))
      assert.instanceOf(error, ApiError)
      assert.strictEqual(error.status, 409)
      assert.strictEqual(error.code, "defined_by_app")
      assert.strictEqual(error.message, "409 defined_by_app: the app defines it")
    }))

  it("rejects with the text of an answer that is no JSON", () =>
    answering(502, "<html>bad gateway", async (url) => {
      const error = await rejection(makeClient({ url, token: "t" }).getRun("r"))
      assert.instanceOf(error, ApiError)
      assert.match(error.message, /^502: <html>bad gateway/)
    }))

  it("rejects with the real cause when no server answers", async () => {
    const error = await rejection(makeClient({ url: "http://127.0.0.1:1", token: "t" }).queueHealth())
    assert.instanceOf(error, ServerUnreachable)
    assert.match(error.message, /no answer from http:\/\/127\.0\.0\.1:1: .*(ECONNREFUSED|bad port)/)
  })
})
