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
import * as RequestTelemetry from "./RequestTelemetry.ts"
import * as EdgeRules from "./EdgeRules.ts"
import { bodyTooLarge } from "./Rules.ts"
import { elsewhere, prefix } from "./Routes.ts"

/**
 * The outermost rules, for every request: what no route takes, what a handler did not foresee, and the headers of
 * every answer. Pages of other origins have no business here, except those of `corsOrigins` (exact: `https://host`).
 */
export const layer = (corsOrigins: ReadonlyArray<string>) => {
  const forOrigins = corsOrigins.length === 0 ? null : EdgeRules.cors(corsOrigins)
  return HttpRouter.middleware(
    (httpEffect) =>
      Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
        const refusal = EdgeRules.refusalOf(request)
        const asked = refusal === undefined ? httpEffect : problem(refusal)
        const answered = Effect.catchCause(asked, (cause) => recover(request, cause))
        const shared = forOrigins === null ? answered : forOrigins(request, answered)
        return RequestTelemetry.around(
          request,
          Effect.map(shared, (response) => withHeaders(request, response))
        )
      }),
    { global: true }
  )
}

/** Milliseconds are not worth more: the log is away, or an actor moves to another process. */
const retryAfterSeconds = "1"

/** A year: browsers come back over TLS only. */
const hstsMaxAgeS = 31_536_000

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
  return HttpServerResponse.setHeaders(response, {
    ...securityHeaders,
    // A page knows which of its own parts it needs; it says so itself.
    ...(isPage(response) ? { "content-security-policy": pagePolicy(response), ...pageReferrer(response) } : {}),
    ...(EdgeRules.isTls(request) ? { "strict-transport-security": `max-age=${hstsMaxAgeS}` } : {}),
    ...(response.status === 401 ? { "www-authenticate": 'Bearer realm="kintsugi"' } : {}),
    ...(response.status === 503 ? { "retry-after": retryAfterSeconds } : {}),
    // What is left of a body that is too large is not worth reading.
    ...(response.status === 413 && request.headers["transfer-encoding"] !== undefined ? { connection: "close" } : {})
  })
}

const isPage = ({ headers }: HttpServerResponse.HttpServerResponse): boolean =>
  /^text\/html\b/.test(headers["content-type"] ?? "")

/** Its own policy, and whatever it says, nobody frames it and no form leaves this server. */
const pagePolicy = ({ headers }: HttpServerResponse.HttpServerResponse): string => {
  const own = headers["content-security-policy"] ?? "default-src 'none'; style-src 'unsafe-inline'"
  const always = ["frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"]
  return [own, ...always.filter((rule) => !own.includes(rule.split(" ")[0]!))].join("; ")
}

/** A page whose forms are to be known as its own tells this server, and nobody else, where they come from. */
const pageReferrer = ({ headers }: HttpServerResponse.HttpServerResponse) =>
  headers["referrer-policy"] === "same-origin" ? { "referrer-policy": "same-origin" } : {}

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
