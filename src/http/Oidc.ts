import { Clock, Effect, Exit, Predicate, Redacted, Schema } from "effect"
import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from "jose"
import { type Role, roles } from "../domain/Role.ts"
import type { Identity } from "./Authenticate.ts"
import { UnavailableProblem } from "./api/Problems.ts"

/** An issuer of JSON Web Tokens (OpenID Connect) whose word is taken for who somebody is. */
export interface OidcSettings {
  /** The `iss` of its tokens, as it writes it; its keys are found below it. */
  readonly issuer: string
  /** The `aud` that its tokens must name. */
  readonly audience: string
  /** Path of the claim with the roles, with dots: `realm_access.roles`. A claim of exactly this name comes first. */
  readonly roleClaim: string
  /** Where its keys are; null: as its discovery document says. */
  readonly jwksUrl: string | null
  /** How soon after the last look an unknown key makes it look again, ms; default 10,000. */
  readonly keyCooldownMs?: number
}

/** Signatures that need the issuer's private key. None, and HMAC with a public key for a secret, are no signatures. */
const algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
/** Clocks of two machines differ by less. */
const clockToleranceS = 30
const keyCooldownMsDefault = 10_000
const fetchMs = 5_000
/** After a failed look for keys nobody looks again for as long: a stranger's tokens must not become a stream of requests. */
const awayMs = 2_000
/** Of a subject, as OpenID Connect bounds it: it becomes the principal of events. */
const subjectRule = /^[ -~]{1,255}$/

/** The keys cannot be had now; the token may be good. */
class KeysAway extends Schema.TaggedError<KeysAway>()("KeysAway", { message: Schema.String, cause: Schema.Defect() }) {}

/** Looks for the issuer's keys when the first token comes, so that an issuer that is away keeps no server from starting. */
export const make = (settings: OidcSettings) => {
  const { audience, issuer, keyCooldownMs = keyCooldownMsDefault, roleClaim } = settings
  let keys: JWTVerifyGetKey | null = null
  let awayUntil = 0

  const find = async (): Promise<JWTVerifyGetKey> => {
    const url = settings.jwksUrl ?? (await discover(issuer))
    return createRemoteJWKSet(new URL(url), { cooldownDuration: keyCooldownMs, timeoutDuration: fetchMs })
  }
  /** Whatever goes wrong with the keys themselves is not the token's fault. */
  const keyAt =
    (now: number): JWTVerifyGetKey =>
    async (header, token) => {
      if (now < awayUntil) throw new KeysAway({ message: "they were away a moment ago", cause: null })
      try {
        keys ??= await find()
        return await keys(header, token)
      } catch (cause) {
        if (cause instanceof errors.JWKSNoMatchingKey || cause instanceof errors.JWKSMultipleMatchingKeys) throw cause
        awayUntil = now + awayMs
        throw new KeysAway({ message: cause instanceof Error ? cause.message : String(cause), cause })
      }
    }

  const verify = async (token: string, now: number): Promise<JWTPayload> => {
    const rules = {
      ...{ issuer, audience, algorithms, clockTolerance: clockToleranceS },
      ...{ currentDate: new Date(now), requiredClaims: ["exp", "sub"] }
    }
    try {
      return (await jwtVerify(token, keyAt(now), rules)).payload
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
      // Without a key id any of the issuer's keys may be meant.
      for await (const key of error) {
        const tried = await jwtVerify(token, key, rules).catch((cause: unknown) => {
          if (cause instanceof errors.JWSSignatureVerificationFailed) return null
          throw cause
        })
        if (tried !== null) return tried.payload
      }
      return Promise.reject(new errors.JWSSignatureVerificationFailed())
    }
  }

  const identify = Effect.fn("Oidc.identify")(function* (
    credential: Redacted.Redacted
  ): Effect.fn.Return<Identity | null, UnavailableProblem> {
    const token = Redacted.value(credential)
    if (!/^[\w-]+\.[\w-]+\.[\w-]*$/.test(token)) return null
    const now = yield* Clock.currentTimeMillis
    const verified = yield* Effect.exit(Effect.tryPromise({ try: () => verify(token, now), catch: (thrown) => thrown }))
    if (Exit.isSuccess(verified)) {
      const { sub = "" } = verified.value
      if (!subjectRule.test(sub)) return null
      return { principal: `oidc:${sub}`, role: roleOf(verified.value, roleClaim) }
    }
    const error = Exit.findErrorOption(verified)
    if (error._tag === "Some" && error.value instanceof KeysAway) {
      if (error.value.cause !== null) {
        yield* Effect.logWarning(`KINTSUGI_OIDC_ISSUER: the keys of ${issuer} cannot be had: ${error.value.message}`)
      }
      return yield* new UnavailableProblem({ detail: `The keys of ${issuer} cannot be had now; try again` })
    }
    // Which rule the token breaks is the operator's to know, not the stranger's.
    yield* Effect.logDebug("a JSON Web Token was refused", verified.cause)
    return null
  })
  return { identify }
}

const Discovery = Schema.Struct({ issuer: Schema.String, jwks_uri: Schema.String })

/** OpenID Connect Discovery 1.0: the document must name the issuer that it was asked of. */
const discover = async (issuer: string): Promise<string> => {
  const url = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`
  const response = await fetch(url, { signal: AbortSignal.timeout(fetchMs), redirect: "error" })
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}`)
  const found = Schema.decodeUnknownSync(Discovery)(await response.json())
  if (found.issuer !== issuer) throw new Error(`${url} is of the issuer ${JSON.stringify(found.issuer)}`)
  if (!isTrusted(found.jwks_uri)) throw new Error(`${url} names keys without TLS: ${found.jwks_uri}`)
  return found.jwks_uri
}

/** Keys that came without TLS could be anybody's; on the machine itself there is nobody in between. */
export const isTrusted = (url: string): boolean => {
  if (!URL.canParse(url)) return false
  const { hostname, protocol } = new URL(url)
  return protocol === "https:" || (protocol === "http:" && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname))
}

/** The highest role that the claim names: one text with spaces, or a list; null: none that is known. */
const roleOf = (claims: JWTPayload, path: string): Role | null => {
  const claim = Object.hasOwn(claims, path)
    ? claims[path]
    : path
        .split(".")
        .reduce<unknown>((at, key) => (isObject(at) && Object.hasOwn(at, key) ? at[key] : undefined), claims)
  const names: ReadonlyArray<unknown> = typeof claim === "string" ? claim.split(" ") : Array.isArray(claim) ? claim : []
  return roles.findLast((role) => names.includes(role)) ?? null
}

const isObject = (value: unknown): value is Record<string, unknown> => Predicate.isObject(value)
