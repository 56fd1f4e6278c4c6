import { Effect, Schema } from "effect"

/** How long one request of an http step may take, redirects included, when it does not say: ms. */
export const requestTimeoutDefaultMs = 30_000

const timeoutMsMax = 3_600_000
const orElse = <S extends Schema.Constraint>(schema: S, value: S["Encoded"]): Schema.withDecodingDefaultKey<S> =>
  Schema.withDecodingDefaultKey<S>(Effect.succeed(value))(schema)
const int = (minimum: number, maximum: number) =>
  Schema.Int.check(
    Schema.isBetween({ minimum, maximum }, { message: `must be a whole number from ${minimum} to ${maximum}` })
  )
const textUpTo = (lengthMax: number) => Schema.String.check(Schema.isMaxLength(lengthMax))

/** Variables of this runtime itself: no workflow gets to send them anywhere. */
const ownVariables = /^(?:KINTSUGI_|PG|AWS_|DATABASE_URL$|REDIS_URL$|OPENLINEAGE_|OTEL_)/

const EnvName = Schema.String.check(
  Schema.makeFilter((name: string) => {
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,199}$/.test(name)) return "must be the name of an environment variable"
    return ownVariables.test(name) ? `must not name ${name}, a variable of the runtime itself` : true
  })
)

/** A value that stays in the environment: it is looked up when the request is sent, and stored nowhere. */
export const SecretReference = Schema.Struct({ env: EnvName, prefix: orElse(textUpTo(200), "") })
export type SecretReference = typeof SecretReference.Type

/** Headers that belong to the connection, which the client makes itself. */
const ownHeaders =
  /^(?:host|connection|content-length|transfer-encoding|upgrade|te|trailer|expect|accept-encoding|keep-alive|proxy-.*)$/i

const headersMax = 50

const headerFaults = (headers: Readonly<Record<string, unknown>>) => {
  const names = Object.keys(headers)
  const faults = names.flatMap((name, index) => {
    const twice = names.findIndex((other) => other.toLowerCase() === name.toLowerCase())
    if (twice < index) return [{ path: [name], issue: `is the same header as "${names[twice]}"` }]
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}$/.test(name)) return [{ path: [name], issue: "is no name of a header" }]
    return ownHeaders.test(name) ? [{ path: [name], issue: "is a header that the connection sets itself" }] : []
  })
  return names.length > headersMax ? [`must have at most ${headersMax} headers`, ...faults] : faults
}

/** What an http step asks for. Texts of `url`, `headers` and `body` are templates. */
export const HttpRequest = Schema.Struct({
  method: orElse(Schema.Literals(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]), "GET"),
  url: textUpTo(8000).check(Schema.isNonEmpty()),
  headers: orElse(
    Schema.Record(
      Schema.String,
      Schema.Union([textUpTo(8000), SecretReference]).annotate({ expected: 'a text or {"env": "NAME"}' })
    ).check(Schema.makeFilter(headerFaults)),
    {}
  ),
  body: Schema.optionalKey(Schema.Json),
  timeoutMs: orElse(int(1, timeoutMsMax), requestTimeoutDefaultMs)
})
export type HttpRequest = typeof HttpRequest.Type

/**
 * What counts as an answer. `status`: these and no others; without it 200 to 299. `body`: "auto" is JSON where the answer
 * says so, text otherwise.
 */
export const Expectation = Schema.Struct({
  status: Schema.optionalKey(
    Schema.Array(int(200, 599)).check(Schema.isMinLength(1, { message: "must list at least one status" }))
  ),
  body: orElse(Schema.Literals(["auto", "json", "text"]), "auto")
})
export type Expectation = typeof Expectation.Type

/** A produced asset that the answer holds. `partitionKey` and `payload` are templates that may also name `response`. */
export const HttpAsset = Schema.Struct({
  assetId: textUpTo(200),
  partitionKey: Schema.optionalKey(textUpTo(2000)),
  payload: orElse(Schema.Json, "{{ response.body }}")
})
export type HttpAsset = typeof HttpAsset.Type
