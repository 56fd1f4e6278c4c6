import * as http from "node:http"
import * as https from "node:https"
import { Effect } from "effect"
import type { Failure, FailureClass } from "../domain/Failure.ts"
import { guardedLookup, HostNotAllowed, type HttpAccess } from "./HttpAccess.ts"

/** How often one request is redirected, at most. */
export const redirectsMax = 5

/** How much is read of an answer that does not count, for the message, besides `beyondBytes`: bytes. */
export const excerptBytesMax = 2_048

export interface Request {
  readonly method: string
  readonly url: URL
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** Names of headers that go to the first origin only. */
  readonly secret: ReadonlySet<string>
  readonly body?: Uint8Array | undefined
  /** Whether an answer of this status counts. */
  readonly accepts: (status: number) => boolean
  /** Bound of the body of an answer that counts. */
  readonly bytesMax: number
  /** How much further an answer that does not count is read: what begins in its excerpt is to be seen whole. */
  readonly beyondBytes: number
  /** Told each address, the first and those of redirects, before it is connected to. */
  readonly visits?: (url: URL) => void
}

export interface Response {
  readonly status: number
  readonly statusText: string
  /** Where it came from, after redirects. */
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** Headers that are secrets wherever they come from. */
const alwaysSecret: ReadonlySet<string> = new Set(["authorization", "cookie", "proxy-authorization"])

/**
 * Sends a request and follows its redirects; each address is judged by `access` when it is connected to. Fails with a
 * failure whose message names the method and the URL, never a header. Interruption closes the connection.
 */
export const exchange = (access: HttpAccess, request: Request): Effect.Effect<Response, Failure> =>
  Effect.gen(function* () {
    let current = request
    for (let redirected = 0; ; redirected++) {
      current.visits?.(current.url)
      const response = yield* once(access, current)
      const { location } = response.headers
      if (!redirects.has(response.status) || request.accepts(response.status) || location === undefined) return response
      if (redirected === redirectsMax) {
        return yield* Effect.fail(
          fault(current, "permanent", "http_redirects", `redirects more than ${redirectsMax} times`)
        )
      }
      current = yield* redirect(current, response, location)
    }
  })

const fault = (
  { method, url }: Pick<Request, "method" | "url">,
  failureClass: FailureClass,
  code: string,
  what: string
): Failure => ({ class: failureClass, code, message: `${method} ${url.href} ${what}`, url: url.href })

/** What is wrong with the URL of a request, or undefined. */
export const urlFault = (url: URL): string | undefined => {
  if (url.protocol !== "http:" && url.protocol !== "https:")
    return `must begin with http:// or https://, not ${url.protocol}`
  return url.username === "" && url.password === "" ? undefined : "must not hold a user or password: use a header"
}

const redirect = (request: Request, { status }: Response, location: string): Effect.Effect<Request, Failure> => {
  const url = URL.parse(location, request.url.href)
  const wrong = url === null ? "is no URL" : urlFault(url)
  if (url === null || wrong !== undefined) {
    return Effect.fail(fault(request, "permanent", "http_redirects", `is redirected to an address that ${wrong}`))
  }
  const becomesGet = status === 303 ? request.method !== "HEAD" : status < 303 && request.method === "POST"
  const sameOrigin = url.origin === request.url.origin
  const headers = Object.fromEntries(
    Object.entries(request.headers).filter(
      ([name]) =>
        (sameOrigin || !(request.secret.has(name) || alwaysSecret.has(name))) &&
        !(becomesGet && name.startsWith("content-"))
    )
  )
  return Effect.succeed(
    becomesGet ? { ...request, url, headers, method: "GET", body: undefined } : { ...request, url, headers }
  )
}

/** One request to one address, without following anything. */
const once = (access: HttpAccess, request: Request): Effect.Effect<Response, Failure> =>
  Effect.callback<Response, Failure>((resume, interrupted) => {
    const { body, headers, method, url } = request
    const fail = (error: unknown) => resume(Effect.fail(unsent(request, error)))
    try {
      const client = url.protocol === "https:" ? https : http
      // A connection of its own: one that is kept was judged for another request.
      const sent = client.request(
        url,
        {
          method,
          headers: { "accept-encoding": "identity", ...headers },
          agent: false,
          lookup: guardedLookup(access, url)
        },
        (incoming) => read(request, incoming, resume)
      )
      sent.on("error", fail)
      interrupted.addEventListener("abort", () => sent.destroy())
      sent.end(body)
    } catch (error) {
      fail(error)
    }
  })

const read = (
  request: Request,
  incoming: http.IncomingMessage,
  resume: (effect: Effect.Effect<Response, Failure>) => void
): void => {
  const status = incoming.statusCode ?? 0
  const counts = request.accepts(status)
  const bytesMax = counts ? request.bytesMax : excerptBytesMax + request.beyondBytes
  const chunks: Array<Uint8Array> = []
  let bytes = 0
  const done = () =>
    resume(
      Effect.succeed({
        status,
        statusText: incoming.statusMessage ?? "",
        url: request.url,
        headers: flat(incoming.headers),
        body: Buffer.concat(chunks)
      })
    )
  const encoding = incoming.headers["content-encoding"] ?? "identity"
  if (counts && encoding !== "identity") {
    incoming.destroy()
    const what = `answers in the encoding ${encoding}, although identity was asked for`
    resume(Effect.fail(fault(request, "permanent", "http_encoding", what)))
    return
  }
  incoming.on("data", (chunk: Uint8Array) => {
    const left = bytesMax - bytes
    bytes += chunk.byteLength
    if (bytes <= bytesMax) {
      chunks.push(chunk)
      return
    }
    incoming.destroy()
    if (!counts) {
      chunks.push(chunk.subarray(0, left))
      return done()
    }
    const what = `answers with more than ${bytesMax} bytes`
    resume(Effect.fail(fault(request, "permanent", "response_too_large", what)))
  })
  incoming.on("end", done)
  incoming.on("error", (error) => resume(Effect.fail(unsent(request, error))))
}

const flat = (headers: http.IncomingHttpHeaders): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(", ") : value]]
    )
  )

/** Faults of a certificate: another try would meet the same one. */
const certificate = /CERT|ERR_TLS|SELF_SIGNED|UNABLE_TO_/

/** No answer came, or none that can be read. */
const unsent = (request: Request, error: unknown): Failure => {
  if (error instanceof HostNotAllowed) {
    return fault(request, "permanent", "host_not_allowed", `is not allowed: ${error.message}`)
  }
  // Several addresses were tried: the first says as much as the others.
  const cause = error instanceof AggregateError && error.errors.length > 0 ? (error.errors[0] as unknown) : error
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : ""
  const text = cause instanceof Error ? cause.message : String(cause)
  // Node's own checks of what is sent: an invalid character in a header, an unescaped path.
  if (/^ERR_(?:INVALID|HTTP|UNESCAPED)/.test(code)) return fault(request, "permanent", "http_unsendable", `: ${text}`)
  if (certificate.test(code)) return fault(request, "permanent", "http_certificate", `: ${text}`)
  return fault(request, "transient", "http_unreachable", `got no answer: ${text}`)
}
