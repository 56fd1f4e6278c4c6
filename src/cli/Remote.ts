import { Duration, Effect, Redacted, Schema } from "effect"
import { X509Certificate } from "node:crypto"
import { readFile } from "node:fs/promises"
import { getCACertificates, setDefaultCACertificates } from "node:tls"
import * as AdminToken from "./AdminToken.ts"
import type { ClientSettings } from "./Settings.ts"
import { SettingInvalid } from "./SettingText.ts"

/** The server did not answer, or not as it should; `message` is one line that names it. Trying again may help. */
export class RemoteFailed extends Schema.TaggedError<RemoteFailed>()("RemoteFailed", {
  message: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

/** The server refuses what was asked for: every fault, in one line. */
export class RemoteRefused extends Schema.TaggedError<RemoteRefused>()("RemoteRefused", {
  message: Schema.String,
  status: Schema.Int,
  code: Schema.String
}) {}

type Method = "GET" | "POST" | "DELETE"

/** A running server, spoken to over HTTP. */
export interface Remote {
  readonly url: string
  /** One request below `/api/v1`; answers what the schema reads of the body. */
  readonly call: <A>(
    schema: Schema.Decoder<A>,
    method: Method,
    path: string,
    body?: unknown
  ) => Effect.Effect<A, RemoteFailed | RemoteRefused>
}

/** How long an answer may take. Some routes read whole files before they answer. */
const patience = Duration.minutes(3)

/** The server that the settings name, with the token that they give or that the data directory holds. */
export const connect = Effect.fn("Remote.connect")(function* ({
  caFile,
  dataDir,
  token: given,
  url
}: ClientSettings): Effect.fn.Return<Remote, SettingInvalid | AdminToken.AdminTokenUnusable> {
  if (caFile !== null) yield* believe(caFile)
  const token = given ?? (yield* AdminToken.find(dataDir))
  if (token === null) {
    const message = `--token (KINTSUGI_ADMIN_TOKEN): none is given, and ${dataDir} (--data-dir) holds none`
    return yield* new SettingInvalid({ setting: "--token", message })
  }
  return { url, call: (schema, method, path, body) => call(url, token, schema, method, path, body) }
})

/** `fetch` takes no authority of its own, so the process takes it: a command speaks to one server only. */
const believe = (caFile: string) =>
  Effect.tryPromise({
    try: async () => {
      const pem = await readFile(caFile, "utf8")
      // Node takes any text here, and would only ever say that a server's certificate is unknown.
      new X509Certificate(pem)
      setDefaultCACertificates([...getCACertificates("default"), pem])
    },
    catch: (cause) => {
      const why = cause instanceof Error ? cause.message : String(cause)
      const message = `KINTSUGI_CA_FILE: ${caFile} holds no PEM certificate that can be read: ${why}`
      return new SettingInvalid({ setting: "KINTSUGI_CA_FILE", message })
    }
  })

const call = Effect.fnUntraced(function* <A>(
  url: string,
  token: Redacted.Redacted,
  schema: Schema.Decoder<A>,
  method: Method,
  path: string,
  body: unknown
): Effect.fn.Return<A, RemoteFailed | RemoteRefused> {
  const what = `${method} ${url}/api/v1${path}`
  const failed = (why: string, cause?: unknown) =>
    new RemoteFailed({ message: `${what}: ${why}`, ...(cause === undefined ? {} : { cause }) })
  const asked = Effect.tryPromise({
    try: async (signal) => {
      const response = await fetch(`${url}/api/v1${path}`, {
        method,
        signal,
        headers: {
          authorization: `Bearer ${Redacted.value(token)}`,
          ...(body === undefined ? {} : { "content-type": "application/json" })
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) })
      })
      return { status: response.status, text: await response.text() }
    },
    catch: (cause) => failed(`no server answers (${causeOf(cause)}): is --url (KINTSUGI_URL) right?`, cause)
  })
  const { status, text } = yield* Effect.timeoutOrElse(asked, {
    duration: patience,
    orElse: () => Effect.fail(failed(`no answer within ${Duration.toSeconds(patience)} seconds`))
  })
  if (status >= 400) return yield* problem(status, text, failed)
  return yield* Effect.mapError(Schema.decodeUnknownEffect(Schema.fromJsonString(schema))(text), (cause) =>
    failed(`answered something else than it should: ${cause.message}`, cause)
  )
})

const Problem = Schema.fromJsonString(
  Schema.Struct({
    title: Schema.String,
    detail: Schema.optionalKey(Schema.String),
    code: Schema.optionalKey(Schema.String),
    errors: Schema.optionalKey(Schema.Array(Schema.Struct({ path: Schema.String, message: Schema.String })))
  })
)

const problem = (status: number, text: string, failed: (why: string) => RemoteFailed) => {
  const told = Schema.decodeUnknownOption(Problem)(text)
  if (told._tag === "None") return failed(`answered ${status} without saying why`)
  const { code = "", detail, errors = [], title } = told.value
  if (status === 401) {
    const message = "--token (KINTSUGI_ADMIN_TOKEN): the server does not accept this token"
    return new RemoteRefused({ message, status, code })
  }
  const faults = errors.map(({ message, path }) => (path === "" ? message : `${path} ${message}`)).join("; ")
  const message = faults === "" ? (detail ?? title) : faults
  return status >= 500 ? failed(`answered ${status}: ${message}`) : new RemoteRefused({ message, status, code })
}

/** What `fetch` says is always "fetch failed"; the reason is in its cause. */
const causeOf = (error: unknown): string => {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (!(cause instanceof Error)) return String(cause)
  return "code" in cause && typeof cause.code === "string" ? cause.code : cause.message
}
