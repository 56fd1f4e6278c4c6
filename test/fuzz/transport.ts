import { connect } from "node:net"

/** A request as its bytes go out: nothing is corrected, so that what no client library sends can be sent. */
export interface RawRequest {
  readonly method: string
  /** Path and query, as they are put on the line. */
  readonly target: string
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>
  readonly body: Buffer
  /** The sender goes away after the body, although more was promised. */
  readonly isCut: boolean
}

export interface RawAnswer {
  /** 0: the connection ended without an answer. */
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  readonly ms: number
  /** Not whole within the time. */
  readonly isLate: boolean
}

/** Sends it over a connection of its own. A stream without an end is read for `streamMs`, then left. */
export const exchange = (url: string, request: RawRequest, limitMs: number, streamMs = 300): Promise<RawAnswer> =>
  new Promise((resolve) => {
    const { hostname, port } = new URL(url)
    const begun = performance.now()
    const chunks: Array<Buffer> = []
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
    let streaming: NodeJS.Timeout | undefined
    const finish = (isLate: boolean) => {
      clearTimeout(late)
      clearTimeout(streaming)
      socket.destroy()
      resolve({ ...parse(Buffer.concat(chunks)), ms: performance.now() - begun, isLate })
    }
    const late = setTimeout(() => finish(true), limitMs)
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk)
      if (streaming === undefined && /^content-type: text\/event-stream/im.test(chunk.toString("latin1"))) {
        streaming = setTimeout(() => finish(false), streamMs)
      }
    })
    // A server that refuses early closes while the body is still under way; what it said counts.
    socket.on("error", () => finish(false))
    socket.on("end", () => finish(false))
    const head = request.headers.map(([name, value]) => `${name}: ${value}\r\n`).join("")
    socket.write(Buffer.from(`${request.method} ${request.target} HTTP/1.1\r\n${head}\r\n`))
    if (request.body.byteLength > 0) socket.write(request.body)
    if (request.isCut) socket.end()
  })

const parse = (bytes: Buffer): Omit<RawAnswer, "ms" | "isLate"> => {
  const split = bytes.indexOf("\r\n\r\n")
  if (split < 0) return { status: 0, headers: {}, text: bytes.toString("utf8") }
  const [line = "", ...rest] = bytes.subarray(0, split).toString("latin1").split("\r\n")
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(line)?.[1] ?? 0)
  // `100 Continue` is no answer yet.
  if (status === 100) return parse(bytes.subarray(split + 4))
  const headers = Object.fromEntries(
    rest.map((entry) => [entry.slice(0, entry.indexOf(":")).toLowerCase(), entry.slice(entry.indexOf(":") + 1).trim()])
  )
  const body = bytes.subarray(split + 4)
  const isChunked = headers["transfer-encoding"]?.includes("chunked") === true
  // Whatever comes behind it answers what the server took for a second request.
  const length = headers["content-length"] === undefined ? body.byteLength : Number(headers["content-length"])
  return { status, headers, text: (isChunked ? unchunked(body) : body.subarray(0, length)).toString("utf8") }
}

const unchunked = (body: Buffer): Buffer => {
  const parts: Array<Buffer> = []
  let at = 0
  while (at < body.byteLength) {
    const end = body.indexOf("\r\n", at)
    if (end < 0) break
    const size = Number.parseInt(body.subarray(at, end).toString("latin1"), 16)
    if (!(size > 0)) break
    parts.push(body.subarray(end + 2, end + 2 + size))
    at = end + 2 + size + 2
  }
  return Buffer.concat(parts)
}

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`

/** A line for a shell that sends it again; bytes and framing that curl cannot send are only hinted at. */
export const curl = (url: string, request: RawRequest, limitChars = 4_000): string => {
  const headers = request.headers
    .filter(([name]) => !/^(host|connection|content-length|transfer-encoding)$/i.test(name))
    .map(([name, value]) => `-H ${quoted(`${name}: ${value.replace(/^Bearer (?!wrong).+/, "Bearer $TOKEN")}`)}`)
  const text = request.body.toString("utf8")
  const data =
    text === "" ? [] : [`--data-binary ${quoted(text.length > limitChars ? `${text.slice(0, 200)}…` : text)}`]
  const cut = request.isCut ? [`# cut off after ${request.body.byteLength} bytes`] : []
  return ["curl --path-as-is -i -X", request.method, quoted(url + request.target), ...headers, ...data, ...cut].join(
    " "
  )
}
