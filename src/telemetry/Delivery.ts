import { Clock, Deferred, Duration, Effect, Metric, Result, type Scope } from "effect"
import { Headers, HttpClient, type HttpClientError, type HttpClientRequest, HttpClientResponse } from "effect/http"

export type Signal = "traces" | "metrics" | "logs"

/** Batches that were not taken by the receiver: it was away longer than the queue lasts, or it refused them. */
export const dropped = Metric.counter("kintsugi_telemetry_dropped_batches_total", {
  description: "Batches of telemetry that were dropped, by signal",
  incremental: true
})

/** Batches that the receiver has taken. */
export const delivered = Metric.counter("kintsugi_telemetry_delivered_batches_total", {
  description: "Batches of telemetry that the receiver has taken, by signal",
  incremental: true
})

export interface DeliveryOptions {
  readonly signal: Signal
  /** Batches that wait at most; one that comes beyond is dropped. */
  readonly batchesMax: number
  /** Of one request, ms. */
  readonly timeoutMs: number
}

const pauseMsMin = 500
const pauseMsMax = 30_000
/** The end of the process does not wait longer for a receiver. */
const lastMsMax = 3_000
/** What OTLP says may be sent again. */
const isAnswerTemporary = (status: number) => status === 429 || status === 502 || status === 503 || status === 504

/**
 * A client that an exporter hands its requests to: each is answered with 200 at once and waits in a bounded queue until
 * the receiver takes it, so a receiver that is away, or that hangs, costs neither memory nor anybody's time. It is sent
 * again as OTLP says; what the receiver refuses for good is dropped and counted.
 */
export const make = Effect.fnUntraced(function* (
  options: DeliveryOptions
): Effect.fn.Return<HttpClient.HttpClient, never, HttpClient.HttpClient | Scope.Scope> {
  const { batchesMax, signal, timeoutMs } = options
  const client = yield* HttpClient.HttpClient
  const clock = yield* Clock.Clock
  const context = yield* Effect.context<never>()
  const queue: Array<HttpClientRequest.HttpClientRequest> = []
  const count = (counter: Metric.Counter<number>) => Metric.withAttributes(counter, { signal }).updateUnsafe(1, context)
  // Both are there from the start, so that a rate of them can be asked for.
  for (const counter of [dropped, delivered]) Metric.withAttributes(counter, { signal }).updateUnsafe(0, context)
  let wake: Deferred.Deferred<void> | null = null
  let idle: Deferred.Deferred<void> | null = null
  let isAway = false

  const send = (request: HttpClientRequest.HttpClientRequest) =>
    client.execute(request).pipe(
      Effect.tap((response) => Effect.ignore(response.arrayBuffer)),
      Effect.timeoutOrElse({ duration: Duration.millis(timeoutMs), orElse: () => Effect.fail("no answer" as const) }),
      Effect.result
    )

  const noteAway = (why: string) => {
    if (isAway) return Effect.void
    isAway = true
    return Effect.logWarning(
      `the receiver of ${signal} takes nothing now (${why}); the newest ${batchesMax} batches wait`
    )
  }
  const noteBack = Effect.suspend(() => {
    if (!isAway) return Effect.void
    isAway = false
    return Effect.logInfo(`the receiver of ${signal} takes what is sent again`)
  })

  const loop = Effect.gen(function* () {
    let pauseMs = pauseMsMin
    while (true) {
      if (queue.length === 0) {
        if (idle !== null) Deferred.doneUnsafe(idle, Effect.void)
        wake = Deferred.makeUnsafe()
        yield* Deferred.await(wake)
      }
      const answer = yield* send(queue[0]!)
      const status = Result.isSuccess(answer) ? answer.success.status : null
      if (status !== null && !isAnswerTemporary(status)) {
        queue.shift()
        pauseMs = pauseMsMin
        if (status >= 200 && status < 300) {
          count(delivered)
          yield* noteBack
        } else {
          count(dropped)
          yield* Effect.logWarning(`the receiver of ${signal} refuses what is sent: HTTP ${status}`)
        }
        continue
      }
      yield* noteAway(Result.isSuccess(answer) ? `HTTP ${status}` : whyOf(answer.failure))
      const asked = Result.isSuccess(answer) ? retryAfterMs(answer.success.headers, clock) : 0
      yield* Effect.sleep(Math.min(Math.max(asked, pauseMs), pauseMsMax))
      pauseMs = Math.min(pauseMs * 2, pauseMsMax)
    }
  }).pipe(Effect.withTracerEnabled(false))

  yield* Effect.forkScoped(loop)
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      if (queue.length === 0) return Effect.void
      idle = Deferred.makeUnsafe()
      return Effect.timeoutOption(Effect.interruptible(Deferred.await(idle)), Math.min(timeoutMs, lastMsMax))
    })
  )

  return HttpClient.make((request) =>
    Effect.sync(() => {
      if (queue.length < batchesMax) queue.push(request)
      else count(dropped)
      if (wake !== null) {
        const sleeping = wake
        wake = null
        Deferred.doneUnsafe(sleeping, Effect.void)
      }
      return HttpClientResponse.fromWeb(request, new Response(null, { status: 200 }))
    })
  )
})

const retryAfterMs = (headers: Headers.Headers, clock: Clock.Clock): number => {
  const text = headers["retry-after"]
  const parsed = text === undefined ? undefined : Headers.parseRetryAfter(text)
  return parsed === undefined || Result.isFailure(parsed)
    ? 0
    : Duration.toMillis(Headers.retryAfterDelay(parsed.success, clock.currentTimeMillisUnsafe()))
}

/** Without the address, which may be one that only insiders should know. */
const whyOf = (error: HttpClientError.HttpClientError | "no answer"): string => {
  if (error === "no answer") return error
  const { cause } = error.reason as { readonly cause?: unknown }
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  const code = (inner as NodeJS.ErrnoException | undefined)?.code
  return code ?? error.reason._tag
}
