import type { FailureClass } from "../domain/Failure.ts"

/** What is known of an error that the S3 client threw. A HEAD's error has only its status: the rest is in a body. */
export interface S3Facts {
  /** `body`: the answer had begun, and the error came while its body was read. */
  readonly phase: "request" | "body"
  readonly name: string
  /** The store's own word for it (`NoSuchKey`), when it answered in S3's XML. */
  readonly s3Code: string | undefined
  readonly status: number | undefined
  /** Node's code (`ECONNRESET`). */
  readonly errno: string | undefined
  readonly message: string
}

/**
 * One situation of an S3 store. `confirm`: the error alone does not tell the object from the store, so the bucket is
 * asked; if it does not answer, the failure is the store's. When it is the bucket's own answer that reads so, the
 * class is `asRoot`.
 */
export interface S3Row {
  readonly situation: string
  readonly matches: (facts: S3Facts) => boolean
  readonly class: FailureClass
  readonly code: string
  readonly confirm?: { readonly asRoot: FailureClass }
}

const s3Code =
  (...codes: ReadonlyArray<string>) =>
  (facts: S3Facts): boolean =>
    codes.includes(facts.s3Code ?? facts.name)

const errno =
  (...errnos: ReadonlyArray<string>) =>
  (facts: S3Facts): boolean =>
    facts.errno !== undefined && errnos.includes(facts.errno)

const status =
  (...statuses: ReadonlyArray<number>) =>
  (facts: S3Facts): boolean =>
    facts.status !== undefined && statuses.includes(facts.status)

const unnamed = (facts: S3Facts): boolean => facts.s3Code === undefined

const away = { asRoot: "store_unavailable" } as const
const refused = { asRoot: "permanent" } as const

/** What each error means; first match wins, the last row takes the rest. */
export const rows: ReadonlyArray<S3Row> = [
  {
    situation: "we interrupted it",
    matches: (facts) => facts.name === "AbortError",
    class: "transient",
    code: "aborted"
  },
  {
    situation: "the body stops coming",
    matches: (facts) => facts.phase === "body" && facts.name === "TimeoutError",
    class: "transient",
    code: "stalled"
  },
  {
    situation: "the body ends early",
    matches: (facts) => facts.phase === "body" && (errno("ECONNRESET", "EPIPE")(facts) || facts.name === "Truncated"),
    class: "transient",
    code: "truncated"
  },
  {
    situation: "the body does not have its checksum",
    matches: (facts) => facts.message.startsWith("Checksum mismatch"),
    class: "transient",
    code: "checksum_mismatch"
  },
  {
    situation: "too large to read",
    matches: (facts) => facts.name === "TooLarge",
    class: "permanent",
    code: "too_large"
  },
  { situation: "no such bucket", matches: s3Code("NoSuchBucket"), class: "store_unavailable", code: "bucket_missing" },
  { situation: "no such object", matches: s3Code("NoSuchKey"), class: "asset_missing", code: "not_found" },
  {
    situation: "HEAD finds nothing, an object or the bucket",
    matches: (facts) => status(404, 410)(facts),
    class: "asset_missing",
    code: "not_found",
    // An S3 store says which of the two is absent; a bare 404 to the bucket's probe comes from something else.
    confirm: away
  },
  {
    situation: "the store asks to slow down",
    matches: (facts) => s3Code("SlowDown", "Throttling", "TooManyRequests")(facts) || status(429)(facts),
    class: "store_unavailable",
    code: "slow_down"
  },
  {
    situation: "the credentials have expired",
    matches: s3Code("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"),
    class: "store_unavailable",
    code: "credentials_expired"
  },
  {
    situation: "the clocks differ too much",
    matches: s3Code("RequestTimeTooSkewed"),
    class: "store_unavailable",
    code: "clock_skew"
  },
  {
    situation: "the store waited too long for us",
    matches: (facts) => s3Code("RequestTimeout")(facts) || status(408)(facts),
    class: "transient",
    code: "request_timeout",
    confirm: away
  },
  {
    situation: "an error of the server",
    matches: (facts) => facts.status !== undefined && facts.status >= 500,
    class: "transient",
    code: "server_error",
    confirm: away
  },
  {
    situation: "wrong access key or secret",
    matches: s3Code("InvalidAccessKeyId", "SignatureDoesNotMatch"),
    class: "permanent",
    code: "bad_credentials"
  },
  { situation: "archived", matches: s3Code("InvalidObjectState"), class: "permanent", code: "archived" },
  {
    situation: "HEAD is refused, for whatever reason",
    matches: (facts) => unnamed(facts) && status(400, 401, 403)(facts),
    class: "permanent",
    code: "access_denied",
    confirm: refused
  },
  { situation: "access denied", matches: status(401, 403), class: "permanent", code: "access_denied" },
  { situation: "another region's bucket", matches: status(301, 307, 308), class: "permanent", code: "wrong_region" },
  { situation: "a condition failed", matches: status(412), class: "permanent", code: "precondition_failed" },
  { situation: "a range beyond the object", matches: status(416), class: "permanent", code: "invalid_range" },
  {
    situation: "any other refusal",
    matches: (facts) => facts.status !== undefined && facts.status >= 300,
    class: "permanent",
    code: "refused"
  },
  {
    situation: "connection refused",
    matches: errno("ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EHOSTDOWN", "EADDRNOTAVAIL"),
    class: "store_unavailable",
    code: "connection_refused"
  },
  {
    situation: "no such host",
    matches: errno("ENOTFOUND", "EAI_AGAIN"),
    class: "store_unavailable",
    code: "unknown_host"
  },
  {
    situation: "connection lost before the answer",
    matches: (facts) => errno("ECONNRESET", "EPIPE")(facts),
    class: "transient",
    code: "connection_reset",
    confirm: away
  },
  {
    situation: "no answer in time",
    matches: (facts) => facts.name === "TimeoutError" || errno("ETIMEDOUT")(facts),
    class: "transient",
    code: "timed_out",
    confirm: away
  },
  {
    situation: "no credentials",
    matches: (facts) => facts.name === "CredentialsProviderError",
    class: "permanent",
    code: "no_credentials"
  },
  {
    situation: "no region",
    matches: (facts) => facts.message.startsWith("Region is missing"),
    class: "permanent",
    code: "no_region"
  },
  { situation: "anything else", matches: () => true, class: "transient", code: "unrecognized", confirm: away }
]

/** The first row that fits. */
export const classify = (facts: S3Facts): S3Row => rows.find((row) => row.matches(facts))!

/** What can be read off an error of the client, whatever its kind. */
export const factsOf = (cause: unknown, phase: S3Facts["phase"]): S3Facts => {
  const field = (from: unknown, name: string): unknown =>
    typeof from === "object" && from !== null ? Reflect.get(from, name) : undefined
  const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined)
  const httpStatus = field(field(cause, "$metadata"), "httpStatusCode")
  return {
    phase,
    name: text(field(cause, "name")) ?? "",
    s3Code: text(field(cause, "Code")),
    status: typeof httpStatus === "number" ? httpStatus : undefined,
    errno: text(field(cause, "code")),
    message: text(field(cause, "message")) ?? String(cause)
  }
}
