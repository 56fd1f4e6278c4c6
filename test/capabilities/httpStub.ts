import { Effect, type Scope } from "effect"
import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"

export type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** A server that answers whatever a test says, where a real one cannot be brought to. */
export interface HttpStub {
  readonly endpoint: string
  readonly port: number
  readonly answer: (next: Answer) => void
  /** Requests so far, as `GET /bucket/key`. */
  readonly requests: Array<string>
}

/** Closed with the scope. Answers 500 until told otherwise. */
export const make: Effect.Effect<HttpStub, never, Scope.Scope> = Effect.gen(function* () {
  let answer: Answer = (_request, response) => response.writeHead(500).end()
  const requests: Array<string> = []
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${(request.url ?? "").split("?")[0]}`)
    request.resume()
    answer(request, response)
  })
  yield* Effect.acquireRelease(
    Effect.promise(() => once(server.listen(0, "127.0.0.1"), "listening")),
    () =>
      Effect.promise(async () => {
        server.closeAllConnections()
        server.close()
      })
  )
  const address = server.address()
  if (address === null || typeof address === "string") return yield* Effect.die("the stub has no port")
  const { port } = address
  return {
    endpoint: `http://127.0.0.1:${port}`,
    port,
    answer: (next) => {
      answer = next
    },
    requests
  }
})

/** An error in S3's XML; a HEAD gets the status alone, as from S3. */
export const s3Error =
  (status: number, code: string): Answer =>
  (request, response) => {
    response.writeHead(status, { "content-type": "application/xml" })
    const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${code} said the stub</Message></Error>`
    response.end(request.method === "HEAD" ? undefined : body)
  }

/** One answer for the marker's GET, by which a store is asked whether it is there, and another for all the rest. */
export const unlessProbe =
  (rest: Answer, probe: Answer): Answer =>
  (request, response) =>
    (request.url ?? "").includes("/.kintsugi/store") ? probe(request, response) : rest(request, response)
