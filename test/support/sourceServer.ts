import { Effect } from "effect"
import type { ServerResponse } from "node:http"
import * as httpStub from "../capabilities/httpStub.ts"

/** One call of a webhook as its server sees it. */
export interface Call {
  readonly key: string
  readonly path: string
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: Readonly<Record<string, unknown>>
}

/** A real server whose webhook answers what the test says: 202 until told otherwise. Closed with the scope. */
export const make = Effect.gen(function* () {
  const server = yield* httpStub.make
  const calls: Array<Call> = []
  let answer: (response: ServerResponse, count: number) => void = (response) => response.writeHead(202).end()
  server.answer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const { headers, url = "" } = request
      const body = JSON.parse(Buffer.concat(chunks).toString()) as Call["body"]
      calls.push({ key: String(headers["idempotency-key"]), path: `${request.method} ${url}`, headers, body })
      answer(response, calls.length)
    })
  })
  return {
    endpoint: server.endpoint,
    allow: [`127.0.0.1:${server.port}`],
    calls,
    /** `count`: calls so far, with this one. */
    answer: (next: (response: ServerResponse, count: number) => void) => {
      answer = next
    }
  }
})
