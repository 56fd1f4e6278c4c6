import { Clock, Effect } from "effect"
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto"
import { readFile } from "node:fs/promises"
import { createSecureContext } from "node:tls"
import type { Tls } from "../http/Server.ts"
import type { SecuritySettings } from "./SecuritySettings.ts"
import { SettingInvalid } from "./SettingText.ts"

const certSetting = "KINTSUGI_TLS_CERT"
const keySetting = "KINTSUGI_TLS_KEY"

/**
 * The certificate and key of the settings, read and tried: whatever the server could stumble over later is told now,
 * by the setting that is wrong. Null: without TLS.
 */
export const load = Effect.fn("TlsFiles.load")(function* (
  files: SecuritySettings["tls"]
): Effect.fn.Return<Tls | null, SettingInvalid> {
  if (files === null) return null
  const cert = yield* attempt(certSetting, files.certFile, "cannot be read", () => readFile(files.certFile))
  const key = yield* attempt(keySetting, files.keyFile, "cannot be read", () => readFile(files.keyFile))
  const parsed = yield* attempt(
    certSetting,
    files.certFile,
    "holds no PEM certificate",
    () => new X509Certificate(cert)
  )
  const own: KeyObject = yield* attempt(keySetting, files.keyFile, "holds no PEM key without a passphrase", () =>
    createPrivateKey(key)
  )
  if (!parsed.checkPrivateKey(own)) {
    return yield* invalid(keySetting, files.keyFile, `is not the key of the certificate ${files.certFile}`)
  }
  yield* attempt(certSetting, files.certFile, "cannot be served", () => createSecureContext({ cert, key }))
  if (parsed.validToDate.getTime() < (yield* Clock.currentTimeMillis)) {
    yield* Effect.logWarning(`${certSetting}: ${files.certFile} ended on ${parsed.validTo}; clients will refuse it`)
  }
  return { cert, key }
})

const invalid = (setting: string, file: string, what: string) =>
  new SettingInvalid({ setting, message: `${setting}: ${file} ${what}` })

const attempt = <A>(setting: string, file: string, what: string, run: () => A | Promise<A>) =>
  Effect.tryPromise({
    try: async () => run(),
    catch: (cause) => invalid(setting, file, `${what}: ${cause instanceof Error ? cause.message : String(cause)}`)
  })
