import { Effect } from "effect"
import { once } from "node:events"
import { createServer, type IncomingMessage, type Server } from "node:http"
import { createRequire } from "node:module"
import type { AddressInfo } from "node:net"
import { gunzipSync } from "node:zlib"

/** Protobuf classes made from OpenTelemetry's own schema, by other people than those who wrote our encoder. */
const { opentelemetry } = createRequire(import.meta.url)(
  "@opentelemetry/otlp-transformer/build/src/generated/root.js"
) as { readonly opentelemetry: { readonly proto: { readonly collector: Record<string, { readonly v1: Messages }> } } }
interface Messages {
  readonly [message: string]: {
    readonly decode: (bytes: Uint8Array) => object
    readonly toObject: (message: object, options: object) => unknown
  }
}

interface Attribute {
  readonly key: string
  readonly value: { readonly stringValue?: string; readonly intValue?: string | number; readonly boolValue?: boolean }
}

export interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string
  readonly name: string
  readonly kind: number
  readonly status: { readonly code?: number; readonly message?: string }
  readonly links: ReadonlyArray<{ readonly traceId: string; readonly spanId: string }>
  readonly attributes: Readonly<Record<string, unknown>>
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
}

export interface Log {
  readonly traceId: string
  readonly spanId: string
  readonly severityText: string
  readonly body: unknown
  readonly attributes: Readonly<Record<string, unknown>>
}

interface Resource {
  readonly attributes?: ReadonlyArray<Attribute>
}
interface RawSpan extends Omit<Span, "links" | "attributes"> {
  readonly links?: Span["links"]
  readonly attributes?: ReadonlyArray<Attribute>
}
interface RawLog extends Omit<Log, "attributes" | "body"> {
  readonly body: { readonly stringValue?: string }
  readonly attributes?: ReadonlyArray<Attribute>
}
interface Point {
  readonly asDouble?: number
  readonly asInt?: number | string
}
export interface ReceivedMetric {
  readonly name: string
  readonly sum?: { readonly dataPoints: ReadonlyArray<Point> }
}
interface Content {
  readonly resourceSpans?: ReadonlyArray<{
    readonly resource: Resource
    readonly scopeSpans: ReadonlyArray<{ readonly spans: ReadonlyArray<RawSpan> }>
  }>
  readonly resourceLogs?: ReadonlyArray<{
    readonly resource: Resource
    readonly scopeLogs: ReadonlyArray<{ readonly logRecords: ReadonlyArray<RawLog> }>
  }>
  readonly resourceMetrics?: ReadonlyArray<{
    readonly resource: Resource
    readonly scopeMetrics: ReadonlyArray<{ readonly metrics: ReadonlyArray<ReceivedMetric> }>
  }>
}

export interface Request {
  readonly path: string
  readonly headers: IncomingMessage["headers"]
  readonly bytes: Buffer
}

type Mode = "take" | "hang" | { readonly status: number; readonly headers?: Readonly<Record<string, string>> }

const id = (value: unknown): string =>
  typeof value === "string"
    ? /^[0-9a-f]*$/.test(value)
      ? value
      : Buffer.from(value, "base64").toString("hex")
    : Buffer.from((value as Uint8Array | undefined) ?? []).toString("hex")

const attributesOf = (list: ReadonlyArray<Attribute> = []) =>
  Object.fromEntries(
    list.map(({ key, value }) => [key, value.stringValue ?? value.boolValue ?? Number(value.intValue)])
  )

/** What a request says, whichever encoding it has. */
const contentOf = (signal: string, { bytes, headers }: Request): Content => {
  if (headers["content-type"]?.startsWith("application/json")) return JSON.parse(bytes.toString("utf8"))
  const of = { traces: "trace", logs: "logs", metrics: "metrics" }[signal]!
  const kind = { traces: "Trace", logs: "Logs", metrics: "Metrics" }[signal]!
  const message = opentelemetry.proto.collector[of]!.v1[`Export${kind}ServiceRequest`]!
  return message.toObject(message.decode(bytes), { longs: String }) as Content
}

/** An OTLP receiver over HTTP that keeps what it takes; it can refuse, hang, and go away and come back at its port. */
export const make = Effect.acquireRelease(
  Effect.promise(async () => {
    const requests: Array<Request> = []
    const tried: Array<string> = []
    let mode: Mode = "take"
    let server: Server
    let port = 0
    const up = async () => {
      server = createServer((request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => {
          tried.push(request.url ?? "")
          if (mode === "hang") return
          if (mode !== "take") return void response.writeHead(mode.status, mode.headers ?? {}).end()
          const raw = Buffer.concat(chunks)
          const bytes = request.headers["content-encoding"] === "gzip" ? gunzipSync(raw) : raw
          requests.push({ path: request.url ?? "", headers: request.headers, bytes })
          response.writeHead(200, { "content-type": "application/json" }).end("{}")
        })
      })
      server.listen(port, "127.0.0.1")
      await once(server, "listening")
      port = (server.address() as AddressInfo).port
    }
    const down = async () => {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    }
    await up()
    const of = (signal: string) =>
      requests
        .filter(({ path }) => path === `/v1/${signal}`)
        .map((request) => ({ request, content: contentOf(signal, request) }))
    const spans = (): ReadonlyArray<Span> =>
      of("traces").flatMap(({ content }) =>
        content.resourceSpans!.flatMap(({ scopeSpans }) =>
          scopeSpans.flatMap((scope) =>
            scope.spans.map((span) => ({
              ...span,
              traceId: id(span.traceId),
              spanId: id(span.spanId),
              parentSpanId: id(span.parentSpanId ?? ""),
              status: span.status ?? {},
              links: (span.links ?? []).map((link) => ({ traceId: id(link.traceId), spanId: id(link.spanId) })),
              attributes: attributesOf(span.attributes)
            }))
          )
        )
      )
    const logs = (): ReadonlyArray<Log> =>
      of("logs").flatMap(({ content }) =>
        content.resourceLogs!.flatMap(({ scopeLogs }) =>
          scopeLogs.flatMap((scope) =>
            scope.logRecords.map((record) => ({
              traceId: id(record.traceId ?? ""),
              spanId: id(record.spanId ?? ""),
              severityText: record.severityText,
              body: record.body.stringValue ?? record.body,
              attributes: attributesOf(record.attributes)
            }))
          )
        )
      )
    const metrics = (): ReadonlyArray<ReceivedMetric> =>
      of("metrics").flatMap(({ content }) =>
        content.resourceMetrics!.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics))
      )
    const resource = (signal: "traces" | "logs" | "metrics") => {
      const { resourceLogs, resourceMetrics, resourceSpans } = of(signal)[0]?.content ?? {}
      const found = { traces: resourceSpans, logs: resourceLogs, metrics: resourceMetrics }[signal]
      return attributesOf(found?.[0]?.resource.attributes)
    }
    return {
      url: () => `http://127.0.0.1:${port}`,
      requests: requests as ReadonlyArray<Request>,
      /** Paths of all that came, taken or not. */
      tried: tried as ReadonlyArray<string>,
      spans,
      logs,
      metrics,
      resource,
      turn: (to: Mode) => {
        mode = to
      },
      up,
      down
    }
  }),
  ({ down }) => Effect.promise(() => down().catch(() => undefined))
)

export type OtlpReceiver = Effect.Success<typeof make>
