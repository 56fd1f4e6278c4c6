import type { RateLimits } from "../http/Admission.ts"
import { isTrusted, type OidcSettings } from "../http/Oidc.ts"
import { security } from "./SettingCatalogue.ts"
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

/** Throws `SettingInvalid` for the first that is wrong. */
export const read = (given: Given): SecuritySettings => {
  const perSecond = SettingText.wholeNumber(given, security.perSecond)
  // Twice the rate, however high or low it is.
  const { maximum } = security.burst
  const burst = Math.min(maximum, Math.max(1, perSecond * 2))
  return {
    oidc: oidc(given),
    rateLimits: {
      perSecond,
      burst: SettingText.wholeNumber(given, { ...security.burst, otherwise: burst }),
      failuresPerMinute: SettingText.wholeNumber(given, security.failuresPerMinute)
    },
    corsOrigins: corsOrigins(given),
    tls: tls(given)
  }
}

const oidc = (given: Given): OidcSettings | null => {
  const issuer = SettingText.textOf(given, security.issuer)
  const audience = SettingText.textOf(given, security.audience)
  const roleClaim = SettingText.textOf(given, security.roleClaim)
  const jwksUrl = SettingText.textOf(given, security.jwksUrl)
  if (issuer === undefined) {
    const alone = audience ?? roleClaim ?? jwksUrl
    if (alone !== undefined) throw missing(security.issuer.variable, alone.name)
    return null
  }
  // Without it a token that the issuer gave out for another service would be let in here.
  if (audience === undefined) throw missing(security.audience.variable, issuer.name)
  for (const url of [issuer, jwksUrl]) {
    if (url === undefined || isTrusted(url.text)) continue
    throw SettingText.invalid(url.name, security.issuer.right, url.text)
  }
  return {
    issuer: issuer.text,
    audience: audience.text,
    roleClaim: roleClaim?.text ?? security.roleClaim.otherwise,
    jwksUrl: jwksUrl?.text ?? null
  }
}

const corsOrigins = (given: Given): ReadonlyArray<string> => {
  const found = SettingText.textOf(given, security.corsOrigins)
  if (found === undefined) return []
  const origins = found.text.split(",").map((origin) => origin.trim())
  for (const origin of origins) {
    if (URL.canParse(origin) && /^https?:/.test(origin) && new URL(origin).origin === origin) continue
    throw SettingText.invalid(found.name, security.corsOrigins.right, origin)
  }
  return origins
}

const tls = (given: Given): SecuritySettings["tls"] => {
  const cert = SettingText.textOf(given, security.tlsCert)
  const key = SettingText.textOf(given, security.tlsKey)
  if (cert === undefined && key === undefined) return null
  if (cert === undefined) throw missing(security.tlsCert.variable, security.tlsKey.variable)
  if (key === undefined) throw missing(security.tlsKey.variable, security.tlsCert.variable)
  return { certFile: cert.text, keyFile: key.text }
}

const missing = (setting: string, because: string) =>
  new SettingText.SettingInvalid({ setting, message: `${setting}: is needed when ${because} is set` })
