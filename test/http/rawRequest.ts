import { request } from "node:http"

/** A request of which nothing is corrected: headers may come twice, and the target is put on the line as Latin-1. */
export interface RawRequest {
  readonly method: string
  readonly target: string
  readonly headers?: ReadonlyArray<readonly [name: string, value: string]>
  readonly body?: string | Uint8Array
  /** The body comes in chunks, without a length. */
  readonly isChunked?: boolean
}

export interface RawAnswer {
  /** 0: no answer. */
  readonly status: number
  readonly contentType: string
  readonly text: string
}

/** Answers status 0 and why when there is no answer within `limitMs`. A stream without an end is not read. */
export const rawRequest = (
  url: string,
  { body, headers = [], isChunked = false, method, target }: RawRequest,
  limitMs: number
): Promise<RawAnswer> =>
  new Promise((resolve) => {
    const { host, hostname, port } = new URL(url)
    const bytes = Buffer.from(body ?? "")
    const framing = isChunked
      ? [["transfer-encoding", "chunked"] as const]
      : body === undefined
        ? []
        : [["content-length", String(bytes.byteLength)] as const]
    const sent = request({
      ...{ hostname, port, method, path: target, agent: false, signal: AbortSignal.timeout(limitMs) },
      headers: [["host", host] as const, ...framing, ...headers].flat()
    })
    const silent = (cause: Error) => resolve({ status: 0, contentType: "", text: String(cause) })
    sent.on("error", silent)
    sent.on("response", (response) => {
      const contentType = String(response.headers["content-type"] ?? "")
      const status = response.statusCode ?? 0
      // What is still on its way to a server that has refused already is nobody's concern.
      sent.off("error", silent).on("error", () => {})
      if (contentType.startsWith("text/event-stream")) {
        sent.destroy()
        return resolve({ status, contentType, text: "" })
      }
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("error", silent)
      response.on("end", () => {
        sent.destroy()
        resolve({ status, contentType, text: Buffer.concat(chunks).toString("utf8") })
      })
    })
    sent.end(bytes)
  })
