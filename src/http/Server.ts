import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Context, Deferred, Duration, Effect, Layer, type Redacted, Schema } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { createServer } from "node:http"
import { createServer as createTlsServer } from "node:https"
import type { Socket } from "node:net"
import * as AdminPage from "./admin/AdminPage.ts"
import * as AdminHandlers from "./AdminHandlers.ts"
import * as AnnouncementsHandlers from "./AnnouncementsHandlers.ts"
import { Admission, type RateLimits, rateLimitsDefault } from "./Admission.ts"
import { Api } from "./api/Api.ts"
import * as AssetsHandlers from "./AssetsHandlers.ts"
import * as AttentionHandlers from "./AttentionHandlers.ts"
import * as AuthenticateLive from "./AuthenticateLive.ts"
import * as AuthorizationLive from "./AuthorizationLive.ts"
import * as BackfillsHandlers from "./BackfillsHandlers.ts"
import * as BulkHandlers from "./BulkHandlers.ts"
import * as Connections from "./Connections.ts"
import * as DeadLettersHandlers from "./DeadLettersHandlers.ts"
import * as DeliveriesHandlers from "./DeliveriesHandlers.ts"
import { Draining } from "./Draining.ts"
import * as Edge from "./Edge.ts"
import * as EventsHandlers from "./EventsHandlers.ts"
import * as IntegrityHandlers from "./IntegrityHandlers.ts"
import * as NotificationsHandlers from "./NotificationsHandlers.ts"
import * as ProjectionsHandlers from "./ProjectionsHandlers.ts"
import * as ProvenanceHandlers from "./ProvenanceHandlers.ts"
import * as RecoveriesHandlers from "./RecoveriesHandlers.ts"
import { routerConfig } from "./Routes.ts"
import * as Rules from "./Rules.ts"
import * as RedactionsHandlers from "./RedactionsHandlers.ts"
import * as RunsHandlers from "./RunsHandlers.ts"
import type { OidcSettings } from "./Oidc.ts"
import * as SteeringHandlers from "./SteeringHandlers.ts"
import * as SystemHandlers from "./SystemHandlers.ts"
import * as TokensHandlers from "./TokensHandlers.ts"
import * as WorkflowAssetsHandlers from "./WorkflowAssetsHandlers.ts"
import * as WorkflowsHandlers from "./WorkflowsHandlers.ts"

/** Who is let in, and how often. */
export interface RouteOptions {
  /** The admin token. */
  readonly token: Redacted.Redacted
  /** Who else is believed to know who somebody is; default: nobody. */
  readonly oidc?: OidcSettings | null
  /** Default: `rateLimitsDefault`. */
  readonly rateLimits?: RateLimits
  /** Origins of pages that may read answers, exact; default: none. */
  readonly corsOrigins?: ReadonlyArray<string>
}

export interface ServerOptions extends RouteOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** Serve over TLS with this certificate (chain) and its key, PEM; default: without. */
  readonly tls?: Tls | null
  /** How long requests in flight may take to finish when the server stops, ms; at most 15 s, the default. */
  readonly finishWithinMs?: number
}

export interface Tls {
  readonly cert: Buffer
  readonly key: Buffer
}

/** The server could not listen: one line that names the flag to change. */
export class ListenFailed extends Schema.TaggedError<ListenFailed>()("ListenFailed", {
  message: Schema.String,
  cause: Schema.Defect()
}) {}

/** Where the server really listens. */
export class Listening extends Context.Service<
  Listening,
  { readonly host: string; readonly port: number; readonly url: string }
>()("kintsugi/http/Listening") {}

/** Every route, with its rules; needs the engine, the log, the reads and a router. */
export const routes = ({ corsOrigins = [], oidc = null, rateLimits = rateLimitsDefault, token }: RouteOptions) =>
  Layer.mergeAll(HttpApiBuilder.layer(Api), AdminPage.layer, Edge.layer(corsOrigins)).pipe(
    Layer.provide([
      WorkflowsHandlers.layer,
      RunsHandlers.layer,
      RecoveriesHandlers.layer,
      AnnouncementsHandlers.layer,
      AdminHandlers.layer,
      AttentionHandlers.layer,
      DeliveriesHandlers.layer,
      BackfillsHandlers.layer,
      BulkHandlers.layer,
      DeadLettersHandlers.layer,
      IntegrityHandlers.layer,
      ProvenanceHandlers.layer,
      ProjectionsHandlers.layer,
      SteeringHandlers.layer,
      NotificationsHandlers.layer,
      EventsHandlers.layer,
      SystemHandlers.layer,
      AssetsHandlers.layer,
      TokensHandlers.layer,
      RedactionsHandlers.layer,
      WorkflowAssetsHandlers.layer
    ]),
    Layer.provide([AuthorizationLive.layer, Rules.layerRequestRules, Rules.layerBodyRules]),
    Layer.provide(Admission.layer(rateLimits)),
    Layer.provide(AuthenticateLive.layer({ adminToken: token, oidc }))
  )

/**
 * Serves the API for as long as the layer lives. At the end it takes no new connection, ends the event streams, and
 * lets requests in flight finish for up to `finishWithinMs`.
 */
export const layer = (options: ServerOptions) =>
  Layer.unwrap(
    Effect.map(Deferred.make<void>(), (stopped) => {
      const server = makeServer(options.tls ?? null)
      const connections = Connections.track(server)
      const node = NodeHttpServer.layer(() => server, {
        host: options.host,
        port: options.port,
        gracefulShutdownTimeout: Duration.millis(Math.min(options.finishWithinMs ?? finishMsMax, finishMsMax))
      }).pipe(Layer.catch((error) => Layer.effectContext(Effect.fail(listenFailed(options, error.cause)))))
      const served = HttpRouter.serve(routes(options), {
        routerConfig,
        disableLogger: true,
        disableListenLog: true
      }).pipe(Layer.provide(Layer.succeed(Draining, stopped)))
      // Finalizers run backwards: first the streams and idle connections end, then the server waits for the requests
      // in flight, and what is left after that is abandoned, so that the listener's own close ends.
      const draining = atEnd(Effect.andThen(Deferred.succeed(stopped, undefined), Effect.sync(connections.drain)))
      const abandoning = atEnd(Effect.sync(connections.abandon))
      return draining.pipe(
        Layer.provideMerge(served),
        Layer.provideMerge(listening(options)),
        Layer.provideMerge(abandoning),
        Layer.provide(node)
      )
    })
  )

const atEnd = (effect: Effect.Effect<unknown>) => Layer.effectDiscard(Effect.addFinalizer(() => effect))

const finishMsMax = 15_000

/** Against clients that send slowly: the whole head within 10 s, the whole request within 30 s, 16 KiB of headers. */
const limits = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 2_000,
  maxHeaderSize: 16 * 1024,
  // The edge refuses a request without one, with a reason.
  requireHostHeader: false
}

/** Beyond this many the system would run out of files, the database's among them. */
const connectionsMax = 4_096

const makeServer = (tls: Tls | null) => {
  const server = tls === null ? createServer(limits) : createTlsServer({ ...limits, ...tls, minVersion: "TLSv1.2" })
  server.maxConnections = connectionsMax
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => refuse(error, socket))
  return server
}

const refusals: Readonly<Record<string, readonly [status: number, reason: string, code: string]>> = {
  HPE_HEADER_OVERFLOW: [431, "Request Header Fields Too Large", "headers_too_large"],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "Request Timeout", "request_timeout"]
}

/** What cannot be parsed as a request has no response object; it gets a problem by hand, and the connection ends. */
const refuse = (error: NodeJS.ErrnoException & { readonly reason?: string }, socket: Socket): void => {
  if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy(error)
  const [status, title, code] = refusals[error.code ?? ""] ?? [400, "Bad Request", "malformed_request"]
  const body = JSON.stringify({
    type: `urn:kintsugi:problem:${code}`,
    title,
    status,
    code,
    detail: error.reason ?? title
  })
  const head = [
    `HTTP/1.1 ${status} ${title}`,
    "Content-Type: application/problem+json",
    "Cache-Control: no-store",
    "X-Content-Type-Options: nosniff",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close"
  ]
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`)
}

const listening = ({ host, tls = null }: ServerOptions) =>
  Layer.effect(
    Listening,
    Effect.map(HttpServer.HttpServer, ({ address }) => {
      const port = "port" in address ? address.port : 0
      return {
        host,
        port,
        url: `${tls === null ? "http" : "https"}://${host.includes(":") ? `[${host}]` : host}:${port}`
      }
    })
  )

const listenFailed = ({ host, port }: ServerOptions, cause: unknown): ListenFailed => {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? "unknown"
  const at = `${host}:${port}`
  switch (code) {
    case "EADDRINUSE":
      return new ListenFailed({ message: `${at} is already in use (EADDRINUSE): choose another --port`, cause })
    case "EACCES":
      return new ListenFailed({ message: `${at} may not be used by this user (EACCES): choose another --port`, cause })
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return new ListenFailed({
        message: `${host} is no address of this machine (${code}): choose another --host`,
        cause
      })
    default: {
      const reason = cause instanceof Error ? cause.message : String(cause)
      return new ListenFailed({ message: `cannot listen on ${at} (--host, --port): ${reason}`, cause })
    }
  }
}
