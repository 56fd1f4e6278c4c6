import { Clock, Duration, Effect, Result, type Schema } from "effect"
import type { HttpAccess } from "../../capabilities/HttpAccess.ts"
import { classifyStatus } from "../../capabilities/httpClassification.ts"
import { excerptBytesMax, exchange, type Request, type Response, urlFault } from "../../capabilities/HttpExchange.ts"
import type { StepDefinition } from "../../domain/Definition.ts"
import { type Failure, storable } from "../../domain/Failure.ts"
import type { HttpRequest } from "../../domain/HttpStep.ts"
import * as Template from "../../domain/Template.ts"
import * as HttpSecrets from "../../capabilities/HttpSecrets.ts"
import { resultBytesMax } from "./Results.ts"

/** What http steps of an app may do, and where their secrets are. */
export interface HttpSettings {
  readonly access: HttpAccess
  readonly env: (name: string) => string | undefined
}

/** A failure, and how long the service wants to be left alone, ms. */
export interface HttpFailed {
  readonly failure: Failure
  readonly retryAfterMs: number | undefined
}

/** Longest time for which a service's `Retry-After` is believed: one hour. */
const retryAfterMaxMs = 3_600_000

/** How much of an answer that does not count its failure says, in UTF-16 units. */
const excerptLengthMax = 500

/** Headers of an answer that its step's result has. */
const keptHeaders = ["content-type", "etag", "last-modified", "location"]

const permanent = (code: string, message: string): Failure => ({ class: "permanent", code, message })

/**
 * One attempt of an http step. Answers what a job would (`{ result }`): status, headers and body of the answer, and the
 * produced assets. Secrets are in what is sent and nowhere else.
 */
export const perform = Effect.fnUntraced(function* (options: {
  readonly step: StepDefinition
  readonly request: HttpRequest
  readonly context: Template.Context
  readonly idempotencyKey: string
  /** Sent along, so that the service's own trace is one with the run's. */
  readonly traceparent: string | undefined
  readonly settings: HttpSettings
}): Effect.fn.Return<{ readonly result: unknown }, HttpFailed> {
  const { context, request, settings, step } = options
  const values = new Map<string, string>()
  const lacking = secretsOf(request, settings.env, values)
  const secrets = HttpSecrets.make(values)
  const hidden = (failure: Failure, retryAfterMs?: number): HttpFailed => {
    // Before anything bounds it: what is left of a secret after a cut would not be known for one.
    const { message, url, ...rest } = failure
    const shown = {
      ...rest,
      message: secrets.hides(message),
      ...(url === undefined ? {} : { url: secrets.hides(url) })
    }
    return { failure: storable(shown), retryAfterMs }
  }
  if (lacking !== undefined) return yield* Effect.fail(hidden(permanent("secret_missing", lacking)))
  const rendered = render(step, request, context, values, options)
  if (Result.isFailure(rendered)) return yield* Effect.fail(hidden(rendered.failure))
  const timeout = {
    duration: Duration.millis(request.timeoutMs),
    orElse: () => {
      const { method, url } = rendered.success
      const message = `${method} ${url.href} was not answered within its timeoutMs (${request.timeoutMs})`
      return Effect.fail<Failure>({ class: "transient", code: "timeout", message, url: url.href })
    }
  }
  const response = yield* Effect.mapError(
    Effect.timeoutOrElse(exchange(settings.access, { ...rendered.success, beyondBytes: secrets.lengthMax }), timeout),
    (failure) => hidden(failure)
  )
  const now = yield* Clock.currentTimeMillis
  const refused = refusal(rendered.success, response, secrets)
  if (refused !== undefined) return yield* Effect.fail(hidden(refused, retryAfterOf(refused, response, now)))
  const body = bodyOf(step, rendered.success, response)
  if (Result.isFailure(body)) return yield* Effect.fail(hidden(body.failure))
  const headers = Object.fromEntries(
    keptHeaders.flatMap((name) => {
      const value = response.headers[name]
      return value === undefined ? [] : [[name, secrets.hides(value)] as const]
    })
  )
  const answer = { status: response.status, headers, body: secrets.hidesDeep(body.success) }
  const assets = assetsOf(step, answer, context)
  if (Result.isFailure(assets)) return yield* Effect.fail(hidden(assets.failure))
  return { result: { ...answer, assets: assets.success } }
})

/** Looks the secrets up; answers what is wrong with the first that is not there. */
export const secretsOf = (
  { headers }: Pick<HttpRequest, "headers">,
  env: HttpSettings["env"],
  values: Map<string, string>
): string | undefined => {
  for (const [header, value] of Object.entries(headers)) {
    if (typeof value === "string") continue
    const found = env(value.env)
    if (found === undefined || found === "") {
      return `header ${header} needs the environment variable ${value.env}, which is ${found === undefined ? "not set" : "empty"}`
    }
    values.set(value.env, found)
  }
  return undefined
}

const unresolved = ({ message }: Template.TemplateUnresolved) => permanent("template_unresolved", message)

const render = (
  step: StepDefinition,
  request: HttpRequest,
  context: Template.Context,
  values: ReadonlyMap<string, string>,
  { idempotencyKey, traceparent }: { readonly idempotencyKey: string; readonly traceparent: string | undefined }
): Result.Result<Omit<Request, "beyondBytes">, Failure> =>
  Result.gen(function* () {
    const path = `steps.${step.id}.request`
    const written = yield* renderUrl(request.url, context, `${path}.url`)
    const url = URL.parse(written)
    const wrong = url === null ? "is no absolute URL" : urlFault(url)
    const left = url === null ? undefined : segmentFault(written)
    if (left !== undefined) return yield* Result.fail(permanent("invalid_url", `${path}.url ${left}`))
    if (url === null || wrong !== undefined) {
      // The text is left out: it may be a password that stands there.
      return yield* Result.fail(permanent("invalid_url", `${path}.url ${wrong}`))
    }
    // A fragment is not sent, and so says nothing about what was asked.
    url.hash = ""
    const headers: Record<string, string> = {}
    const secret = new Set<string>()
    for (const [name, value] of Object.entries(request.headers)) {
      const key = name.toLowerCase()
      if (typeof value === "string") {
        const text = yield* Result.mapError(Template.render(value, context, `${path}.headers.${name}`), unresolved)
        headers[key] = typeof text === "string" ? text : JSON.stringify(text)
      } else {
        headers[key] = `${value.prefix}${values.get(value.env) ?? ""}`
        secret.add(key)
      }
    }
    headers.accept ??= "application/json, */*;q=0.5"
    if (request.method !== "GET" && request.method !== "HEAD") headers["idempotency-key"] ??= idempotencyKey
    if (traceparent !== undefined) headers.traceparent ??= traceparent
    let body: Uint8Array | undefined
    if (request.body !== undefined) {
      const sent = yield* Result.mapError(Template.renderDeep(request.body, context, `${path}.body`), unresolved)
      headers["content-type"] ??= typeof sent === "string" ? "text/plain; charset=utf-8" : "application/json"
      body = Buffer.from(typeof sent === "string" ? sent : JSON.stringify(sent))
    }
    const statuses = step.expect?.status
    const accepts = (status: number) =>
      statuses === undefined ? status >= 200 && status < 300 : statuses.includes(status)
    return { method: request.method, url, headers, secret, body, accepts, bytesMax: resultBytesMax }
  })

/**
 * Why a URL would not ask for the path that is written: `.` and `..`, also percent-encoded, are taken for steps through
 * the path wherever they stand alone, so that a value would leave its segment. No encoding of theirs is another segment.
 */
const segmentFault = (url: string): string | undefined => {
  const [path = ""] = url.split(/[?#]/, 1)
  // Tabs and line breaks are dropped from a URL, and a backslash separates as a slash does.
  const segments = path
    .replace(/[\t\r\n]/g, "")
    .trim()
    .split(/[\\/]/)
    .slice(1)
  return segments.some((segment) => /^(?:\.|%2e){1,2}$/i.test(segment))
    ? 'has "." or ".." as a part of its path, once its values are filled in: such a part would be taken for another path'
    : undefined
}

/** Values within a URL are one part of it each, whatever characters they have; one that begins it is taken as it is. */
const renderUrl = (text: string, context: Template.Context, path: string): Result.Result<string, Failure> =>
  Result.gen(function* () {
    const names = new Set([...Template.roots, ...Object.keys(context)])
    const parts = yield* Result.mapError(Template.parse(text, names), ({ expression, reason }) =>
      permanent("template_unresolved", `${path}: {{ ${expression} }} ${reason}`)
    )
    let url = ""
    for (const [position, part] of parts.entries()) {
      if (typeof part === "string") {
        url += part
        continue
      }
      const value =
        part._tag === "Literal"
          ? part.value
          : yield* Result.mapError(Template.render(`{{ ${part.source} }}`, context, path), unresolved)
      const written = typeof value === "string" ? value : JSON.stringify(value)
      url += position === 0 ? written : encodeURIComponent(written.toWellFormed())
    }
    return url
  })

/** Why an answer does not count, or undefined. */
export const refusal = (
  { accepts, method }: Omit<Request, "beyondBytes">,
  response: Response,
  secrets: HttpSecrets.Secrets
): Failure | undefined => {
  const { body, headers, status, statusText, url } = response
  if (accepts(status)) return undefined
  const row = classifyStatus(status) ?? { class: "permanent" as const, code: "http_unexpected_status" }
  const isText = /^text\/|json/.test(headers["content-type"] ?? "")
  // Only what is known to have been read with all that belongs to it: the rest may begin a secret and not end it.
  const length = Buffer.from(body.subarray(0, excerptBytesMax)).toString("utf8").length
  const text = isText ? secrets.excerpt(Buffer.from(body).toString("utf8"), length).trim() : ""
  const said = text === "" ? "" : `: ${text.slice(0, excerptLengthMax)}`
  const message = `${method} ${url.href} answered ${status}${statusText === "" ? "" : ` ${statusText}`}${said}`
  return { class: row.class, code: row.code, message, status, url: url.href }
}

/** Of a service that asks for a pause: seconds, or a date. */
const retryAfterOf = (failure: Failure, { headers }: Response, now: number): number | undefined => {
  const text = headers["retry-after"]
  if (failure.class !== "transient" || text === undefined) return undefined
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now
  return Number.isFinite(ms) ? Math.min(Math.max(0, Math.round(ms)), retryAfterMaxMs) : undefined
}

const bodyOf = (
  step: StepDefinition,
  { method }: Pick<Request, "method">,
  response: Response
): Result.Result<Schema.Json, Failure> => {
  const { body, headers, status, url } = response
  const expected = step.expect?.body ?? "auto"
  const type = headers["content-type"] ?? ""
  if (method === "HEAD" || (body.byteLength === 0 && (status === 204 || expected !== "json")))
    return Result.succeed(null)
  const text = Buffer.from(body).toString("utf8")
  if (expected === "text" || (expected === "auto" && !/[/+]json\b/i.test(type))) return Result.succeed(text)
  try {
    return Result.succeed(JSON.parse(text) as Schema.Json)
  } catch {
    // The parser's own words quote the text, perhaps cut through something that has to be hidden.
    const message = `${method} ${url.href} answered ${status} with a body that is not JSON (${type || "no content-type"}, ${body.byteLength} bytes)`
    return Result.fail({ ...permanent("invalid_json", message), status, url: url.href })
  }
}

/** The assets as a job would list them: by `assets`, or the body as the payload of the only one. */
const assetsOf = (
  step: StepDefinition,
  response: { readonly status: number; readonly body: Schema.Json },
  context: Template.Context
): Result.Result<ReadonlyArray<unknown>, Failure> =>
  Result.gen(function* () {
    if (step.assets === undefined) return step.produces.map(({ assetId }) => ({ assetId, payload: response.body }))
    const found: Array<unknown> = []
    for (const [index, { assetId, partitionKey, payload }] of step.assets.entries()) {
      const path = `steps.${step.id}.assets[${index}]`
      const names = { ...context, response }
      const key =
        partitionKey === undefined
          ? undefined
          : yield* Result.mapError(Template.render(partitionKey, names, `${path}.partitionKey`), unresolved)
      found.push({
        assetId,
        ...(key === undefined ? {} : { partitionKey: typeof key === "string" ? key : JSON.stringify(key) }),
        payload: yield* Result.mapError(Template.renderDeep(payload, names, `${path}.payload`), unresolved)
      })
    }
    return found
  })
