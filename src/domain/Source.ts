import { Effect, Schema } from "effect"
import { AssetId, AssetRecovery, Slug } from "./Definition.ts"
import { HttpRequest } from "./HttpStep.ts"

const orElse = <S extends Schema.Constraint>(schema: S, value: S["Encoded"]): Schema.withDecodingDefaultKey<S> =>
  Schema.withDecodingDefaultKey<S>(Effect.succeed(value))(schema)

/** How a source is asked, in one of two ways: a workflow is run whole, or a webhook is called with POST. */
export const SourceRecheck = Schema.Struct({
  workflow: Schema.optionalKey(Slug),
  /** An absolute http(s) URL. Nothing of it but its origin gets into the log. */
  webhook: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(8000))),
  /** Sent with the webhook's call, by the rules of an http step: secrets stay in the environment. */
  headers: HttpRequest.fields.headers
})

/**
 * An asset that comes from outside, and how it is asked for when it is lost, was never there, or is too old. `recovery`
 * bounds that as `produces[].recovery` does for an asset that a workflow makes.
 */
export const Source = Schema.Struct({
  assetId: AssetId,
  recheck: SourceRecheck,
  recovery: orElse(
    Schema.Struct({
      maxAttempts: AssetRecovery.fields.maxAttempts,
      attemptTimeoutMs: AssetRecovery.fields.attemptTimeoutMs
    }),
    {}
  )
})
export type Source = typeof Source.Type
