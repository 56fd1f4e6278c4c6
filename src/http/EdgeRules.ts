import { Effect } from "effect"
import { HttpMiddleware, type HttpServerRequest, HttpServerResponse } from "effect/http"
import type { IncomingMessage } from "node:http"
import { TLSSocket } from "node:tls"
import { InvalidInputProblem } from "./api/Problems.ts"
import { bodyBytesMax, bodyTooLarge } from "./Rules.ts"
import * as UrlText from "./UrlText.ts"

/** Headers of which Node keeps the first, or the last, or both: a proxy may have looked at the other one. */
const single = ["authorization", "content-type", "host", "last-event-id"]

/** Node's own request; undefined for one that came from no server. */
const incoming = ({ source }: HttpServerRequest.HttpServerRequest): IncomingMessage | undefined =>
  "rawHeaders" in source ? (source as IncomingMessage) : undefined

/** What is wrong with a request before any route is asked; undefined: nothing. */
export const refusalOf = (request: HttpServerRequest.HttpServerRequest) => {
  // Every route: also one that takes no body must not be sent a large one.
  if (Number(request.headers["content-length"] ?? 0) > bodyBytesMax) return bodyTooLarge()
  const names = (incoming(request)?.rawHeaders ?? []).filter((_, index) => index % 2 === 0)
  const lower = names.map((name) => name.toLowerCase())
  const twice = single.filter((name) => lower.indexOf(name) !== lower.lastIndexOf(name))
  if (incoming(request)?.httpVersion === "1.1" && !lower.includes("host")) return hostMissing()
  if (twice.length === 0) return urlRefusal(request)
  const errors = twice.map((path) => ({ in: "header" as const, path, message: "must be sent once" }))
  return new InvalidInputProblem({ detail: "A header was sent twice", errors })
}

const urlRefusal = ({ method, url }: HttpServerRequest.HttpServerRequest) => {
  const errors = UrlText.faultsOf(method, url)
  return errors.length === 0 ? undefined : new InvalidInputProblem({ detail: "The URL is not text", errors })
}

/** Node would refuse it by itself, with an answer that says nothing. */
const hostMissing = () =>
  new InvalidInputProblem({
    detail: "A request over HTTP/1.1 says whom it is for",
    errors: [{ in: "header", path: "host", message: "is missing" }]
  })

/** Whether the request came over TLS to this server itself. */
export const isTls = (request: HttpServerRequest.HttpServerRequest): boolean =>
  incoming(request)?.socket instanceof TLSSocket

const corsMaxAgeS = 600

/**
 * Lets pages of these origins, and of no others, read answers. They bring their token in a header: cookies stay at
 * home, so that no page acts for whoever is signed in elsewhere.
 */
export const cors = (origins: ReadonlyArray<string>) => {
  const named = new Set(origins)
  const allow = HttpMiddleware.cors({
    // A function, so that a single origin is not told to everybody.
    allowedOrigins: (origin) => named.has(origin),
    allowedMethods: ["GET", "HEAD", "POST", "PUT", "DELETE"],
    allowedHeaders: ["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "Traceparent"],
    exposedHeaders: ["Location", "Retry-After", "WWW-Authenticate"],
    maxAge: corsMaxAgeS
  })
  return <E, R>(
    { headers: { origin } }: HttpServerRequest.HttpServerRequest,
    answered: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
  ): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R | HttpServerRequest.HttpServerRequest> => {
    if (origin === undefined) return answered
    // Others are told nothing: not even which headers they could read.
    return named.has(origin) ? allow(answered) : Effect.map(answered, HttpServerResponse.setHeader("vary", "Origin"))
  }
}
