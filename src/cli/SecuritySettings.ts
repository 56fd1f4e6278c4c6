import { type RateLimits, rateLimitsDefault } from "../http/Admission.ts"
import { isTrusted, type OidcSettings } from "../http/Oidc.ts"
import * as SettingText from "./SettingText.ts"
import type { Given } from "./SettingText.ts"

/** Who is let in, how often, and over what. */
export interface SecuritySettings {
  /** null: nobody signs in by an issuer. */
  readonly oidc: OidcSettings | null
  readonly rateLimits: RateLimits
  /** Origins of pages that may read answers. */
  readonly corsOrigins: ReadonlyArray<string>
  /** Files of the certificate (with its chain) and of its key, PEM; null: without TLS. */
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null
}

const limitMax = 1_000_000

/** Throws `SettingInvalid` for the first that is wrong. */
export const read = (given: Given): SecuritySettings => {
  const perSecond = limit(given, "KINTSUGI_RATE_LIMIT_PER_SECOND", rateLimitsDefault.perSecond, 0)
  return {
    oidc: oidc(given),
    rateLimits: {
      perSecond,
      burst: limit(given, "KINTSUGI_RATE_LIMIT_BURST", Math.min(limitMax, Math.max(1, perSecond * 2)), 1),
      failuresPerMinute: limit(given, "KINTSUGI_SIGN_IN_FAILURES_PER_MINUTE", rateLimitsDefault.failuresPerMinute, 0)
    },
    corsOrigins: corsOrigins(given),
    tls: tls(given)
  }
}

const limit = (given: Given, variable: string, otherwise: number, minimum: number): number =>
  SettingText.wholeNumber(given, { variable, otherwise, minimum, maximum: limitMax })

const oidc = (given: Given): OidcSettings | null => {
  const find = (name: string) => SettingText.find(given, `KINTSUGI_OIDC_${name}`)
  const issuer = find("ISSUER")
  const audience = find("AUDIENCE")
  const roleClaim = find("ROLE_CLAIM")
  const jwksUrl = find("JWKS_URL")
  if (issuer === undefined) {
    const alone = audience ?? roleClaim ?? jwksUrl
    if (alone !== undefined) throw missing("KINTSUGI_OIDC_ISSUER", alone.name)
    return null
  }
  // Without it a token that the issuer gave out for another service would be let in here.
  if (audience === undefined) throw missing("KINTSUGI_OIDC_AUDIENCE", issuer.name)
  for (const url of [issuer, jwksUrl]) {
    if (url === undefined || isTrusted(url.text)) continue
    throw SettingText.invalid(url.name, "an https URL (http only for this machine itself)", url.text)
  }
  return {
    issuer: issuer.text,
    audience: audience.text,
    roleClaim: roleClaim?.text ?? "roles",
    jwksUrl: jwksUrl?.text ?? null
  }
}

const corsOrigins = (given: Given): ReadonlyArray<string> => {
  const found = SettingText.find(given, "KINTSUGI_CORS_ORIGINS")
  if (found === undefined) return []
  const origins = found.text.split(",").map((origin) => origin.trim())
  for (const origin of origins) {
    if (URL.canParse(origin) && /^https?:/.test(origin) && new URL(origin).origin === origin) continue
    const right = "origins such as https://status.example.org, separated by commas, without a path and never *"
    throw SettingText.invalid(found.name, right, origin)
  }
  return origins
}

const tls = (given: Given): SecuritySettings["tls"] => {
  const cert = SettingText.find(given, "KINTSUGI_TLS_CERT")
  const key = SettingText.find(given, "KINTSUGI_TLS_KEY")
  if (cert === undefined && key === undefined) return null
  if (cert === undefined) throw missing("KINTSUGI_TLS_CERT", "KINTSUGI_TLS_KEY")
  if (key === undefined) throw missing("KINTSUGI_TLS_KEY", "KINTSUGI_TLS_CERT")
  return { certFile: cert.text, keyFile: key.text }
}

const missing = (setting: string, because: string) =>
  new SettingText.SettingInvalid({ setting, message: `${setting}: is needed when ${because} is set` })
