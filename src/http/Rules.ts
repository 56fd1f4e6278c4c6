import { ByteSize, Effect, Layer, type Schema, SchemaIssue, type Types } from "effect"
import { HttpIncomingMessage, type HttpServerError, HttpServerRequest } from "effect/http"
import { type HttpApiEndpoint, HttpApiError } from "effect/http-api"
import { jsonCopy, listedProblems, pathText } from "../domain/JsonBounds.ts"
import { BodyRules, RequestRules } from "./api/Guards.ts"
import {
  BodyTooLargeProblem,
  type Fault,
  InternalErrorProblem,
  InvalidInputProblem,
  UnsupportedMediaTypeProblem
} from "./api/Problems.ts"

/** A request's body has at most this many bytes. */
export const bodyBytesMax = 1024 * 1024

/** The problem for a body beyond `bodyBytesMax`. */
export const bodyTooLarge = () =>
  new BodyTooLargeProblem({ detail: `The body may have at most ${bodyBytesMax} bytes`, maxBytes: bodyBytesMax })

/** Everything that a request's schemas refuse, as one problem; an answer that its own schema refuses is a defect. */
export const layerRequestRules = Layer.succeed(RequestRules, (httpEffect, { endpoint }) =>
  Effect.catch(
    Effect.andThen(noQuery(endpoint), httpEffect),
    (error): Effect.Effect<never, Types.unhandled | InternalErrorProblem | InvalidInputProblem> => {
      if (!HttpApiError.HttpApiSchemaError.is(error)) return Effect.fail(error)
      if (error.kind === "Body" || error.kind === "ResponseHeaders") {
        return Effect.logError(`the answer of ${endpoint.identifier} does not fit its schema`, error.cause).pipe(
          Effect.andThen(Effect.fail(new InternalErrorProblem()))
        )
      }
      return Effect.fail(new InvalidInputProblem({ detail: "The request is not valid", errors: faultsOf(error) }))
    }
  )
)

/** Reads the body before its schema is asked, so that each way in which it can be no JSON has its own answer. */
export const layerBodyRules = Layer.succeed(BodyRules, (httpEffect) =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
    Effect.andThen(checkBody(request), httpEffect).pipe(
      Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(bodyBytesMax))
    )
  )
)

/** A route without a query refuses one, as the others refuse the parameters that they do not know. */
const noQuery = Effect.fnUntraced(function* (endpoint: HttpApiEndpoint.Top) {
  if (endpoint.query !== undefined) return
  const unknown = Object.keys(yield* HttpServerRequest.ParsedSearchParams)
  if (unknown.length === 0) return
  const errors = unknown.map((path) => ({ in: "query" as const, path, message: "is not known here" }))
  return yield* new InvalidInputProblem({ detail: "The request is not valid", errors })
})

const slots = { Params: "path", Query: "query", Headers: "header", Payload: "body" } as const

const format = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    switch (issue._tag) {
      case "MissingKey":
        return "is missing"
      case "UnexpectedKey":
        return "is not known here"
      default:
        return SchemaIssue.defaultLeafHook(issue)
    }
  }
})

const faultsOf = (error: HttpApiError.HttpApiSchemaError): ReadonlyArray<Fault> => {
  const place = slots[error.kind as keyof typeof slots]
  return format(error.cause.issue).issues.map(({ message, path }) => ({
    in: place,
    path: pathText((path ?? []).map((part) => (typeof part === "object" ? part.key : part))),
    message
  }))
}

const invalidBody = (faults: ReadonlyArray<Omit<Fault, "in">>) =>
  new InvalidInputProblem({
    detail: "The body is not valid",
    errors: listedProblems(faults).map((fault) => ({ in: "body" as const, ...fault }))
  })

const jsonType = /^application\/json(\s*;\s*charset\s*=\s*"?utf-8"?)?\s*$/i

const checkBody = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
  if (Number(request.headers["content-length"] ?? 0) > bodyBytesMax) return yield* bodyTooLarge()
  const bytes = yield* Effect.catch(request.arrayBuffer, (error) => Effect.fail(unreadable(error)))
  const type = request.headers["content-type"] ?? ""
  if (bytes.byteLength === 0 && (type === "" || jsonType.test(type))) return
  if (!jsonType.test(type)) {
    return yield* new UnsupportedMediaTypeProblem({ detail: "Send the body with Content-Type: application/json" })
  }
  const text = decodeUtf8(bytes)
  if (text === null) return yield* invalidBody([{ path: "", message: "must be valid UTF-8" }])
  const parsed = parseJson(text)
  if ("fault" in parsed) return yield* invalidBody([{ path: "", message: `must be valid JSON: ${parsed.fault}` }])
  // What needs no body takes none, or an object.
  if (parsed.value === null) return yield* invalidBody([{ path: "", message: "must be a JSON object" }])
  const { problems, value } = jsonCopy(parsed.value)
  if (problems.length > 0) return yield* invalidBody(problems)
  const broken = illFormed(value, [])
  if (broken.length > 0) return yield* invalidBody(broken)
})

/**
 * Where an escape such as `\ud800` stands for half a character: valid JSON, but no text, and the database refuses it
 * where it has to read the string.
 */
const illFormed = (value: Schema.Json, path: ReadonlyArray<PropertyKey>): ReadonlyArray<Omit<Fault, "in">> => {
  const fault = { path: pathText(path), message: "must not contain half a surrogate pair" }
  if (typeof value === "string") return value.isWellFormed() ? [] : [fault]
  if (typeof value !== "object" || value === null) return []
  if (Array.isArray(value)) return value.flatMap((item, index) => illFormed(item, [...path, index]))
  return Object.entries(value).flatMap(([key, item]) =>
    key.isWellFormed() ? illFormed(item, [...path, key]) : [fault]
  )
}

const unreadable = (error: HttpServerError.HttpServerError) =>
  error.reason._tag === "RequestParseError" && error.reason.reason === "BodyTooLarge"
    ? bodyTooLarge()
    : invalidBody([{ path: "", message: "could not be read to its end" }])

const strict = new TextDecoder("utf-8", { fatal: true })

const decodeUtf8 = (bytes: ArrayBuffer): string | null => {
  try {
    return strict.decode(bytes)
  } catch {
    return null
  }
}

const parseJson = (text: string): { readonly value: unknown } | { readonly fault: string } => {
  try {
    return { value: JSON.parse(text) }
  } catch (cause) {
    return { fault: cause instanceof Error ? cause.message : String(cause) }
  }
}
