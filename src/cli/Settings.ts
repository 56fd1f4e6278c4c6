import { Redacted, Result } from "effect"
import { resolve } from "node:path"
import type { RedisAddress } from "../bus/RedisUrl.ts"
import * as RedisUrl from "../bus/RedisUrl.ts"
import * as AdminToken from "./AdminToken.ts"
import type { ReceiverSettings } from "../openlineage/Receiver.ts"
import type { TelemetrySettings } from "../telemetry/TelemetrySettings.ts"
import * as OpenLineageSettings from "./OpenLineageSettings.ts"
import * as SecuritySettings from "./SecuritySettings.ts"
import type { SigningSettings } from "./Signing.ts"
import * as SettingText from "./SettingText.ts"
import * as TelemetryEnv from "./TelemetryEnv.ts"
import type { Given, SettingInvalid } from "./SettingText.ts"

/** Where the database is; both are kept because the data directory holds more than the embedded database. */
export interface DatabaseSettings {
  /** Absolute; it need not exist yet. */
  readonly dataDir: string
  /** A server of the user's; null: the embedded one under `dataDir`. */
  readonly databaseUrl: Redacted.Redacted | null
  /** The flag or variable by which the URL was given: what its faults are told by. */
  readonly databaseSetting: string
}

/** Everything that `serve` is told by flags and environment (CONTRACT, section 1), with defaults filled in. */
export interface Settings extends DatabaseSettings {
  /** Absolute path of the app module; null: no app. */
  readonly app: string | null
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** From the environment; null: the one in the data directory. */
  readonly adminToken: Redacted.Redacted | null
  readonly recovery: boolean
  /** Steps that execute at once in this process. */
  readonly concurrency: number
  /** How long SIGTERM lets running attempts finish, in ms. */
  readonly drainMs: number
  /** Crashes in a row that end a step with `crash_loop`. */
  readonly crashLimit: number
  readonly storeSettleMs: number
  /** The server of the event bus; null: the bus of this process alone. */
  readonly redis: RedisAddress | null
  /** Who is sent OpenLineage run events; null: nobody. */
  readonly openLineage: ReceiverSettings | null
  /** What is exported of the process's own doings, and how its log is shown. */
  readonly telemetry: TelemetrySettings
  readonly security: SecuritySettings.SecuritySettings
  /** The materializer's pacing, in ms. */
  readonly materializer: {
    readonly baseBackoffMs: number
    readonly maxBackoffMs: number
    readonly refreshIntervalMs: number
  }
  /** Who signs the log, and how often. */
  readonly signing: SigningSettings
  /** Between two checks of all assets, ms; 0: none by the clock; null: as the app says. */
  readonly integrityIntervalMs: number | null
  /** Lines for the user about settings that are accepted, and not acted on yet or not wise. */
  readonly notices: ReadonlyArray<string>
}

/** Where a server is that a command speaks to. */
export interface ClientSettings {
  readonly url: string
  /** From flag or environment; null: the one in the data directory. */
  readonly token: Redacted.Redacted | null
  readonly dataDir: string
  /** PEM file of an authority that is believed beside the system's; null: none. */
  readonly caFile: string | null
}

const dayMs = 86_400_000
const timerMsMax = 2_147_483_647

/** All settings of `serve` and `demo`, or the first that is wrong. */
export const all = (given: Given): Result.Result<Settings, SettingInvalid> =>
  read(() => {
    refuseLater(given)
    const app = SettingText.find(given, "KINTSUGI_APP", "app")
    return {
      ...databaseOf(given),
      app: app === undefined ? null : resolve(pathOf(app)),
      host: host(given),
      port: SettingText.wholeNumber(given, {
        ...{ variable: "KINTSUGI_PORT", flag: "port", otherwise: 4000 },
        ...{ minimum: 0, maximum: 65_535 }
      }),
      adminToken: token(given),
      recovery: onOff(given, "KINTSUGI_RECOVERY", true),
      concurrency: number(given, "KINTSUGI_CONCURRENCY", 16, 1, 10_000),
      drainMs: milliseconds(given, "KINTSUGI_DRAIN_MS", 10_000, 0, dayMs),
      crashLimit: number(given, "KINTSUGI_CRASH_LIMIT", 10, 1, 1_000_000),
      storeSettleMs: milliseconds(given, "KINTSUGI_STORE_SETTLE_MS", 2_000, 0, dayMs),
      redis: redis(given),
      openLineage: OpenLineageSettings.read(given),
      telemetry: TelemetryEnv.read(given),
      security: SecuritySettings.read(given),
      materializer: materializer(given),
      signing: signing(given),
      integrityIntervalMs:
        SettingText.find(given, "KINTSUGI_INTEGRITY_INTERVAL_MS") === undefined
          ? null
          : milliseconds(given, "KINTSUGI_INTEGRITY_INTERVAL_MS", 0, 0, timerMsMax),
      notices: notices(given)
    }
  })

/** What commands that need the database are told. */
export const database = (given: Given): Result.Result<DatabaseSettings, SettingInvalid> => read(() => databaseOf(given))

/** What commands that speak to a running server are told. */
export const client = (given: Given): Result.Result<ClientSettings, SettingInvalid> =>
  read(() => {
    const found = SettingText.find(given, "KINTSUGI_URL", "url")
    const url = found?.text ?? "http://127.0.0.1:4000"
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
      throw SettingText.invalid(found?.name ?? "--url", "a URL such as http://127.0.0.1:4000", url)
    }
    return {
      url: url.replace(/\/+$/, ""),
      token: token(given, "token"),
      dataDir: dataDir(given),
      caFile: caFile(given)
    }
  })

// ------------------------------------------------------------------ reading

/** A first pause beyond the longest one would never be kept. */
const materializer = (given: Given) => {
  const base = "ASSET_MATERIALIZER_BASE_BACKOFF_MS"
  const max = "ASSET_MATERIALIZER_MAX_BACKOFF_MS"
  const baseBackoffMs = milliseconds(given, base, 120_000, 1, timerMsMax)
  const maxBackoffMs = milliseconds(given, max, 1_800_000, 1, timerMsMax)
  if (baseBackoffMs > maxBackoffMs) {
    throw SettingText.find(given, base) === undefined
      ? SettingText.invalid(max, `at least ${base} (${baseBackoffMs})`, String(maxBackoffMs))
      : SettingText.invalid(base, `at most ${max} (${maxBackoffMs})`, String(baseBackoffMs))
  }
  const refreshIntervalMs = milliseconds(given, "ASSET_MATERIALIZER_REFRESH_INTERVAL_MS", 600_000, 1, timerMsMax)
  return { baseBackoffMs, maxBackoffMs, refreshIntervalMs }
}

/** The readers throw, so that each setting is one expression; here the first fault becomes the answer. */
const read = <A>(settings: () => A): Result.Result<A, SettingInvalid> => {
  try {
    return Result.succeed(settings())
  } catch (thrown) {
    if (thrown instanceof SettingText.SettingInvalid) return Result.fail(thrown)
    throw thrown
  }
}

const number = (given: Given, variable: string, otherwise: number, minimum: number, maximum: number): number =>
  SettingText.wholeNumber(given, { variable, otherwise, minimum, maximum })

const milliseconds = (given: Given, variable: string, otherwise: number, minimum: number, maximum: number): number =>
  SettingText.wholeNumber(given, { variable, otherwise, minimum, maximum, unit: "milliseconds" })

const onOff = (given: Given, variable: string, otherwise: boolean): boolean => {
  const found = SettingText.find(given, variable)
  if (found === undefined) return otherwise
  if (found.text === "on") return true
  if (found.text === "off") return false
  throw SettingText.invalid(found.name, "on or off", found.text)
}

const databaseOf = (given: Given): DatabaseSettings => {
  const found = SettingText.find(given, "DATABASE_URL", "database-url")
  return {
    dataDir: dataDir(given),
    databaseUrl: found === undefined ? null : databaseUrl(found),
    databaseSetting: found?.name ?? "DATABASE_URL"
  }
}

const databaseUrl = ({ name, text }: { readonly name: string; readonly text: string }): Redacted.Redacted => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (
    url === undefined ||
    !/^postgres(ql)?:$/.test(url.protocol) ||
    (url.hostname === "" && !url.searchParams.has("host"))
  ) {
    // The text may hold a password and is not repeated.
    throw SettingText.invalid(name, "a URL such as postgres://user:password@host:5432/database", null)
  }
  return Redacted.make(text)
}

const redis = (given: Given): RedisAddress | null => {
  const found = SettingText.find(given, "REDIS_URL", "redis-url")
  if (found === undefined || found.text === "inline") return null
  const address = RedisUrl.parse(found.text, found.name)
  if (Result.isSuccess(address)) return address.success
  const { message, setting } = address.failure
  throw new SettingText.SettingInvalid({ setting, message })
}

const dataDir = (given: Given): string => {
  const found = SettingText.find(given, "KINTSUGI_DATA_DIR", "data-dir")
  return resolve(found === undefined ? ".kintsugi" : pathOf(found))
}

const caFile = (given: Given): string | null => file(given, "KINTSUGI_CA_FILE")

const signing = (given: Given): SigningSettings => {
  const keyFile = file(given, "KINTSUGI_SIGN_KEY_FILE")
  const interval = SettingText.find(given, "KINTSUGI_SIGN_INTERVAL_MS")
  if (keyFile === null && interval !== undefined) {
    const message = `${interval.name}: nothing is signed without KINTSUGI_SIGN_KEY_FILE; set that too, or leave it out`
    throw new SettingText.SettingInvalid({ setting: interval.name, message })
  }
  return { keyFile, intervalMs: milliseconds(given, "KINTSUGI_SIGN_INTERVAL_MS", 3_600_000, 1_000, dayMs) }
}

/** Absolute path of a file; null: it is not given. */
const file = (given: Given, variable: string): string | null => {
  const found = SettingText.find(given, variable)
  return found === undefined ? null : resolve(pathOf(found))
}

const pathOf = ({ name, text }: { readonly name: string; readonly text: string }): string => {
  if (text === "" || text.includes("\0")) throw SettingText.invalid(name, "a path", text)
  return text
}

const host = (given: Given): string => {
  const found = SettingText.find(given, "KINTSUGI_HOST", "host")
  if (found === undefined) return "127.0.0.1"
  // A name or an address without brackets; whether it is ours is found out when it is listened on.
  if (/^[A-Za-z0-9._:%-]+$/.test(found.text)) return found.text
  throw SettingText.invalid(found.name, "a host name or an address such as 127.0.0.1", found.text)
}

const token = (given: Given, flag?: string): Redacted.Redacted | null => {
  const found = SettingText.find(given, "KINTSUGI_ADMIN_TOKEN", flag)
  if (found === undefined) return null
  // A command sends what it was given: whether the server takes it is the server's answer.
  if (flag !== undefined || AdminToken.isToken(found.text)) return Redacted.make(found.text)
  throw SettingText.invalid(found.name, AdminToken.tokenRule, null)
}

// -------------------------------------------------------------------- later

/** Settings that exist in the contract and have nothing behind them yet: accepting them would be a promise. */
const refuseLater = (given: Given): void => {
  const cluster = SettingText.find(given, "KINTSUGI_CLUSTER", "cluster")
  if (cluster !== undefined) {
    throw new SettingText.SettingInvalid({
      setting: cluster.name,
      message: `${cluster.name}: this release serves with one process, several come later; leave it out`
    })
  }
}

const notices = (given: Given): ReadonlyArray<string> => {
  const admin = SettingText.find(given, "KINTSUGI_ADMIN_TOKEN")
  return admin !== undefined && admin.text.length < AdminToken.lengthSound
    ? [`${admin.name} has fewer than ${AdminToken.lengthSound} characters: a token so short can be guessed`]
    : []
}
