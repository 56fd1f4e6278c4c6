import { Effect, Layer } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import type { Engine } from "../actors/Engine.ts"
import type { EventStore } from "../eventstore/EventStore.ts"
import { Api } from "./api/Api.ts"
import { NotReadyProblem } from "./api/Problems.ts"
import * as DocsPage from "./DocsPage.ts"
import * as Metrics from "./Metrics.ts"
import { contentType } from "./Prometheus.ts"
import { openApiDocument } from "./OpenApiDocument.ts"
import * as Readiness from "./Readiness.ts"
import type { Reads } from "./Reads.ts"

const system = HttpApiBuilder.group(
  Api,
  "system",
  Effect.fnUntraced(function* (handlers) {
    const context = yield* Effect.context<Engine | EventStore | Reads>()
    const reasons = Effect.provideContext(Readiness.reasons, context)
    return handlers.handleAll({
      live: () => Effect.succeed({ status: "live" as const }),
      ready: Effect.fnUntraced(function* () {
        const found = yield* reasons
        if (found.length === 0) return { status: "ready" as const }
        const detail = found.map(({ message, name }) => `${name}: ${message}`).join("; ")
        return yield* new NotReadyProblem({ detail, reasons: found })
      }),
      docs: () =>
        Effect.sync(() =>
          HttpServerResponse.text(DocsPage.html(), {
            contentType: "text/html; charset=utf-8",
            headers: { "content-security-policy": DocsPage.policy }
          })
        ),
      openApi: () => Effect.sync(() => HttpServerResponse.jsonUnsafe(openApiDocument()))
    })
  })
)

const metrics = HttpApiBuilder.group(
  Api,
  "metrics",
  Effect.fnUntraced(function* (handlers) {
    const context = yield* Effect.context<Engine | EventStore | Reads>()
    return handlers.handleAll({
      metrics: () =>
        Effect.map(Effect.provideContext(Metrics.text, context), (text) =>
          HttpServerResponse.text(text, { contentType })
        )
    })
  })
)

export const layer = Layer.merge(system, metrics)
