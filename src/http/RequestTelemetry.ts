import { Clock, Effect, Metric, type Tracer } from "effect"
import { Headers, HttpServerRequest, type HttpServerResponse } from "effect/http"
import * as Trace from "../eventstore/Trace.ts"
import { templateOf } from "./Routes.ts"

/** Answers, by method, route and status. Errors are those whose status begins with 5. */
const answered = Metric.counter("kintsugi_http_requests_total", {
  description: "Requests that were answered, by method, route and status",
  incremental: true
})

/** To the head of the answer: a stream goes on after it. */
const duration = Metric.histogram("kintsugi_http_request_seconds", {
  description: "Time from a request to the head of its answer, by method and route",
  boundaries: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
})

const inFlight = Metric.gauge("kintsugi_http_requests_in_flight", {
  description: "Requests that have no answer yet"
})

/** Methods that the API has; any other text that a client sends is one label. */
const methods: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])

/** What is asked every few seconds is no trace, unless the asker traces. */
const untraced: ReadonlySet<string> = new Set(["/livez", "/readyz", "/metrics"])

/** Carries an answer through its span, which so ends as an error. */
class ServerFault extends Error {
  override readonly name = "ServerFault"
  readonly response: HttpServerResponse.HttpServerResponse
  constructor(response: HttpServerResponse.HttpServerResponse) {
    super(`answered ${response.status}`)
    this.response = response
    this.stack = `ServerFault: ${this.message}`
  }
}

/** Metrics with their labels are kept: looking them up costs more than counting. Bounded by routes and statuses. */
const keptMax = 4_096
const kept = new Map<string, { readonly count: typeof answered; readonly time: typeof duration }>()

const metricsOf = (method: string, route: string, status: number) => {
  const key = `${method} ${route} ${status}`
  const known = kept.get(key)
  if (known !== undefined) return known
  const made = {
    count: Metric.withAttributes(answered, { method, route, status: String(status) }),
    time: Metric.withAttributes(duration, { method, route })
  }
  if (kept.size < keptMax) kept.set(key, made)
  return made
}

let open = 0

/**
 * Counts and times a request under its route's template, and makes it a span: in the caller's trace when it sent a
 * valid `traceparent`. Handlers find the span's own context in that header, for what they write into the log.
 */
export const around = Effect.fnUntraced(function* <E, R>(
  request: HttpServerRequest.HttpServerRequest,
  answer: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
): Effect.fn.Return<HttpServerResponse.HttpServerResponse, E, R | HttpServerRequest.HttpServerRequest> {
  const clock = yield* Clock.Clock
  const context = yield* Effect.context<never>()
  const method = methods.has(request.method) ? request.method : "other"
  const route = templateOf(request.method, request.url)
  const beganNs = clock.monotonicTimeNanosUnsafe()
  inFlight.updateUnsafe(++open, context)
  const asked = Trace.parse(request.headers.traceparent)
  const isTraced = asked !== undefined || !untraced.has(route)
  return yield* (isTraced ? traced(request, method, route, asked, answer) : answer).pipe(
    Effect.tap(({ status }) =>
      Effect.sync(() => {
        const { count, time } = metricsOf(method, route, status)
        count.updateUnsafe(1, context)
        time.updateUnsafe(Number(clock.monotonicTimeNanosUnsafe() - beganNs) / 1e9, context)
      })
    ),
    Effect.ensuring(Effect.sync(() => inFlight.updateUnsafe(--open, context)))
  )
})

const traced = <E, R>(
  request: HttpServerRequest.HttpServerRequest,
  method: string,
  route: string,
  parent: Tracer.ExternalSpan | undefined,
  answer: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
) =>
  inside(request, answer).pipe(
    Trace.span(`${method} ${route}`, {
      kind: "server",
      ...(parent === undefined ? { root: true } : { parent }),
      // Neither query nor headers: they may hold what is secret.
      attributes: { "http.request.method": method, "http.route": route }
    }),
    Effect.catch((error) => (error instanceof ServerFault ? Effect.succeed(error.response) : Effect.fail(error as E)))
  )

/** What the span is around: handlers find it in the request, and a fault of the server fails it. */
const inside = Effect.fnUntraced(function* <E, R>(
  request: HttpServerRequest.HttpServerRequest,
  answer: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
): Effect.fn.Return<
  HttpServerResponse.HttpServerResponse,
  E | ServerFault,
  Exclude<R, HttpServerRequest.HttpServerRequest>
> {
  const traceparent = yield* Trace.current
  const own =
    traceparent === undefined
      ? request
      : request.modify({ headers: Headers.set(request.headers, "traceparent", traceparent) })
  const response = yield* Effect.provideService(answer, HttpServerRequest.HttpServerRequest, own)
  yield* Effect.annotateCurrentSpan("http.response.status_code", response.status)
  return response.status >= 500 ? yield* Effect.fail(new ServerFault(response)) : response
})
