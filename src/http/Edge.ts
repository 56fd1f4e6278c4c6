import { Cause, Effect, type Types } from "effect"
import {
  Headers,
  HttpRouter,
  HttpServerError,
  HttpServerRequest,
  HttpServerRespondable,
  HttpServerResponse
} from "effect/http"
import { InternalErrorProblem } from "./api/Problems.ts"
import { bodyTooLarge } from "./Rules.ts"
import { elsewhere, prefix } from "./Routes.ts"

/**
 * The outermost rules, for every request: what no route takes, what a handler did not foresee, and the headers of
 * every answer. No CORS: a page of another origin has no business here.
 */
export const layer = HttpRouter.middleware(
  (httpEffect) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
      Effect.catchCause(httpEffect, (cause) => recover(request, cause)).pipe(
        Effect.map((response) => withHeaders(request, response))
      )
    ),
  { global: true }
)

/** Milliseconds are not worth more: the log is away, or an actor moves to another process. */
const retryAfterSeconds = "1"

const securityHeaders = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY"
}

const withHeaders = (
  request: HttpServerRequest.HttpServerRequest,
  response: HttpServerResponse.HttpServerResponse
): HttpServerResponse.HttpServerResponse => {
  const policy = response.headers["content-security-policy"]
  return HttpServerResponse.setHeaders(response, {
    ...securityHeaders,
    // A page has its own, which says how it may be shown.
    ...(policy === undefined ? {} : { "content-security-policy": policy }),
    ...(response.status === 401 ? { "www-authenticate": 'Bearer realm="kintsugi"' } : {}),
    ...(response.status === 503 ? { "retry-after": retryAfterSeconds } : {}),
    // What is left of a body that is too large is not worth reading.
    ...(response.status === 413 && request.headers["transfer-encoding"] !== undefined ? { connection: "close" } : {})
  })
}

const recover = (
  request: HttpServerRequest.HttpServerRequest,
  cause: Cause.Cause<Types.unhandled>
): Effect.Effect<HttpServerResponse.HttpServerResponse, Types.unhandled> => {
  // The client has gone, or the server stops: there is nobody to answer, and nothing went wrong.
  if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
  const error = Cause.squash(cause)
  if (HttpServerError.isHttpServerError(error)) {
    if (error.reason._tag === "RouteNotFound") return Effect.succeed(noRoute(request))
    if (error.reason._tag === "RequestParseError" && error.reason.reason === "BodyTooLarge")
      return problem(bodyTooLarge())
  }
  return Effect.logError("a request ended in a defect", cause).pipe(
    Effect.annotateLogs({ method: request.method, path: request.url.replace(/\?.*$/s, "") }),
    Effect.andThen(problem(new InternalErrorProblem()))
  )
}

const problem = (error: HttpServerRespondable.Respondable) => Effect.orDie(HttpServerRespondable.toResponse(error))

const noRoute = (request: HttpServerRequest.HttpServerRequest): HttpServerResponse.HttpServerResponse => {
  const found = elsewhere(request.url)
  const path = request.url.replace(/\?.*$/s, "")
  switch (found._tag) {
    case "OtherMethods": {
      const allow = found.allow.join(", ")
      if (request.method === "OPTIONS") return HttpServerResponse.empty({ status: 204, headers: { allow } })
      return unrouted(405, "method_not_allowed", "The path has no such method", `${path} takes ${allow}`, { allow })
    }
    case "UnderPrefix":
      return unrouted(308, "moved", "The API lives under its prefix", `Use ${prefix}${path}`, {
        location: `${prefix}${request.url}`
      })
    case "Nothing":
      return unrouted(404, "not_found", "There is no such path", `There is no ${path}`, {})
  }
}

/** A problem of no route: so it is in no route's documentation. */
const unrouted = (
  status: number,
  code: string,
  title: string,
  detail: string,
  headers: Record<string, string>
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.jsonUnsafe(
    { type: `urn:kintsugi:problem:${code}`, title, status, detail, code },
    { status, headers: Headers.fromInput(headers), contentType: "application/problem+json" }
  )
