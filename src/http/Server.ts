import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Context, Deferred, Duration, Effect, Layer, type Redacted, Schema } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { createServer } from "node:http"
import type { Socket } from "node:net"
import * as AdminHandlers from "./AdminHandlers.ts"
import * as AnnouncementsHandlers from "./AnnouncementsHandlers.ts"
import { Api } from "./api/Api.ts"
import * as AssetsHandlers from "./AssetsHandlers.ts"
import { Authenticate } from "./Authenticate.ts"
import * as AuthorizationLive from "./AuthorizationLive.ts"
import * as BackfillsHandlers from "./BackfillsHandlers.ts"
import * as BulkHandlers from "./BulkHandlers.ts"
import * as Connections from "./Connections.ts"
import * as DeadLettersHandlers from "./DeadLettersHandlers.ts"
import { Draining } from "./Draining.ts"
import * as Edge from "./Edge.ts"
import * as EventsHandlers from "./EventsHandlers.ts"
import * as NotificationsHandlers from "./NotificationsHandlers.ts"
import * as ProvenanceHandlers from "./ProvenanceHandlers.ts"
import * as RecoveriesHandlers from "./RecoveriesHandlers.ts"
import { routerConfig } from "./Routes.ts"
import * as Rules from "./Rules.ts"
import * as RunsHandlers from "./RunsHandlers.ts"
import * as SteeringHandlers from "./SteeringHandlers.ts"
import * as SystemHandlers from "./SystemHandlers.ts"
import * as WorkflowAssetsHandlers from "./WorkflowAssetsHandlers.ts"
import * as WorkflowsHandlers from "./WorkflowsHandlers.ts"

export interface ServerOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** The one admin token. */
  readonly token: Redacted.Redacted
  /** How long requests in flight may take to finish when the server stops, ms; at most 15 s, the default. */
  readonly finishWithinMs?: number
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
export const routes = (token: Redacted.Redacted) =>
  Layer.merge(HttpApiBuilder.layer(Api), Edge.layer).pipe(
    Layer.provide([
      WorkflowsHandlers.layer,
      RunsHandlers.layer,
      RecoveriesHandlers.layer,
      AnnouncementsHandlers.layer,
      AdminHandlers.layer,
      BackfillsHandlers.layer,
      BulkHandlers.layer,
      DeadLettersHandlers.layer,
      ProvenanceHandlers.layer,
      SteeringHandlers.layer,
      NotificationsHandlers.layer,
      EventsHandlers.layer,
      SystemHandlers.layer,
      AssetsHandlers.layer,
      WorkflowAssetsHandlers.layer
    ]),
    Layer.provide([
      AuthorizationLive.layer.pipe(Layer.provide(Authenticate.layerOneToken(token))),
      Rules.layerRequestRules,
      Rules.layerBodyRules
    ])
  )

/**
 * Serves the API for as long as the layer lives. At the end it takes no new connection, ends the event streams, and
 * lets requests in flight finish for up to `finishWithinMs`.
 */
export const layer = (options: ServerOptions) =>
  Layer.unwrap(
    Effect.map(Deferred.make<void>(), (stopped) => {
      const server = makeServer()
      const connections = Connections.track(server)
      const node = NodeHttpServer.layer(() => server, {
        host: options.host,
        port: options.port,
        gracefulShutdownTimeout: Duration.millis(Math.min(options.finishWithinMs ?? finishMsMax, finishMsMax))
      }).pipe(Layer.catch((error) => Layer.effectContext(Effect.fail(listenFailed(options, error.cause)))))
      const served = HttpRouter.serve(routes(options.token), {
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
        Layer.provideMerge(listening(options.host)),
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
  maxHeaderSize: 16 * 1024
}

/** Beyond this many the system would run out of files, the database's among them. */
const connectionsMax = 4_096

const makeServer = () => {
  const server = createServer(limits)
  server.maxConnections = connectionsMax
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => refuse(error, socket))
  return server
}

const refusals: Readonly<Record<string, readonly [status: number, reason: string, code: string]>> = {
  HPE_HEADER_OVERFLOW: [431, "Request Header Fields Too Large", "headers_too_large"],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "Request Timeout", "request_timeout"]
}

/** What cannot be parsed as a request has no response object; it gets a problem by hand, and the connection ends. */
const refuse = (error: NodeJS.ErrnoException, socket: Socket): void => {
  if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy(error)
  const [status, title, code] = refusals[error.code ?? ""] ?? [400, "Bad Request", "malformed_request"]
  const body = JSON.stringify({ type: `urn:kintsugi:problem:${code}`, title, status, code })
  const head = [
    `HTTP/1.1 ${status} ${title}`,
    "Content-Type: application/problem+json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close"
  ]
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`)
}

const listening = (host: string) =>
  Layer.effect(
    Listening,
    Effect.map(HttpServer.HttpServer, ({ address }) => {
      const port = "port" in address ? address.port : 0
      return { host, port, url: `http://${host.includes(":") ? `[${host}]` : host}:${port}` }
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
