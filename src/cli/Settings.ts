import { Redacted, Result } from "effect"
import { resolve } from "node:path"
import type { RedisAddress } from "../bus/RedisUrl.ts"
import * as RedisUrl from "../bus/RedisUrl.ts"
import * as AdminToken from "./AdminToken.ts"
import * as Catalogue from "./SettingCatalogue.ts"
import type { ReceiverSettings } from "../openlineage/Receiver.ts"
import type { TelemetrySettings } from "../telemetry/TelemetrySettings.ts"
import * as OpenLineageSettings from "./OpenLineageSettings.ts"
import * as SecuritySettings from "./SecuritySettings.ts"
import type { SigningSettings } from "./Signing.ts"
import * as SettingText from "./SettingText.ts"
import * as TelemetryEnv from "./TelemetryEnv.ts"
import type { Given, SettingInvalid } from "./SettingText.ts"
import * as UnknownVariables from "./UnknownVariables.ts"

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

/** All settings of `serve` and `demo`, or the first that is wrong. */
export const all = (given: Given): Result.Result<Settings, SettingInvalid> =>
  read(() => {
    refuseLater(given)
    const app = SettingText.textOf(given, Catalogue.places.app)
    return {
      ...databaseOf(given),
      app: app === undefined ? null : resolve(pathOf(app)),
      host: host(given),
      port: SettingText.wholeNumber(given, Catalogue.places.port),
      adminToken: token(given),
      recovery: SettingText.choice(given, Catalogue.execution.recovery) === "on",
      concurrency: SettingText.wholeNumber(given, Catalogue.execution.concurrency),
      drainMs: SettingText.wholeNumber(given, Catalogue.execution.drainMs),
      crashLimit: SettingText.wholeNumber(given, Catalogue.execution.crashLimit),
      storeSettleMs: SettingText.wholeNumber(given, Catalogue.execution.storeSettleMs),
      redis: redis(given),
      openLineage: OpenLineageSettings.read(given),
      telemetry: TelemetryEnv.read(given),
      security: SecuritySettings.read(given),
      materializer: materializer(given),
      signing: signing(given),
      integrityIntervalMs:
        SettingText.textOf(given, Catalogue.integrity.intervalMs) === undefined
          ? null
          : SettingText.wholeNumber(given, Catalogue.integrity.intervalMs),
      notices: notices(given)
    }
  })

/** What commands that need the database are told. */
export const database = (given: Given): Result.Result<DatabaseSettings, SettingInvalid> => read(() => databaseOf(given))

/** What commands that speak to a running server are told. */
export const client = (given: Given): Result.Result<ClientSettings, SettingInvalid> =>
  read(() => {
    const found = SettingText.textOf(given, Catalogue.client.url)
    const url = found?.text ?? Catalogue.client.url.otherwise
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
      throw SettingText.invalid(found?.name ?? "--url", Catalogue.client.url.right, url)
    }
    return {
      url: url.replace(/\/+$/, ""),
      token: token(given, "token"),
      dataDir: dataDir(given),
      caFile: caFile(given)
    }
  })

/** Every fault of what a server is told, not only the first: what was found wrong is left out and the rest judged again. */
export const faults = (given: Given): ReadonlyArray<SettingInvalid> => {
  const found: Array<SettingInvalid> = []
  let rest = given
  while (true) {
    const read = all(rest)
    if (Result.isSuccess(read)) return found
    const { setting } = read.failure
    if (found.some((earlier) => earlier.setting === setting)) return found
    found.push(read.failure)
    const without = (texts: Given["env"], name: string) =>
      Object.fromEntries(Object.entries(texts).filter(([key]) => key !== name))
    rest = setting.startsWith("--")
      ? { ...rest, flags: without(rest.flags, setting.slice(2)) }
      : { ...rest, env: without(rest.env, setting) }
  }
}

// ------------------------------------------------------------------ reading

/** A first pause beyond the longest one would never be kept. */
const materializer = (given: Given) => {
  const { variable: base } = Catalogue.materializer.baseBackoffMs
  const { variable: max } = Catalogue.materializer.maxBackoffMs
  const baseBackoffMs = SettingText.wholeNumber(given, Catalogue.materializer.baseBackoffMs)
  const maxBackoffMs = SettingText.wholeNumber(given, Catalogue.materializer.maxBackoffMs)
  if (baseBackoffMs > maxBackoffMs) {
    throw SettingText.find(given, base) === undefined
      ? SettingText.invalid(max, `at least ${base} (${baseBackoffMs})`, String(maxBackoffMs))
      : SettingText.invalid(base, `at most ${max} (${maxBackoffMs})`, String(baseBackoffMs))
  }
  const refreshIntervalMs = SettingText.wholeNumber(given, Catalogue.materializer.refreshIntervalMs)
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

const databaseOf = (given: Given): DatabaseSettings => {
  const found = SettingText.textOf(given, Catalogue.places.databaseUrl)
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
    throw SettingText.invalid(name, Catalogue.places.databaseUrl.right, null)
  }
  return Redacted.make(text)
}

const redis = (given: Given): RedisAddress | null => {
  const found = SettingText.textOf(given, Catalogue.places.redis)
  if (found === undefined || found.text === Catalogue.places.redis.otherwise) return null
  const address = RedisUrl.parse(found.text, found.name)
  if (Result.isSuccess(address)) return address.success
  const { message, setting } = address.failure
  throw new SettingText.SettingInvalid({ setting, message })
}

const dataDir = (given: Given): string => {
  const found = SettingText.textOf(given, Catalogue.places.dataDir)
  return resolve(found === undefined ? Catalogue.places.dataDir.otherwise : pathOf(found))
}

const caFile = (given: Given): string | null => file(given, Catalogue.client.caFile.variable)

const signing = (given: Given): SigningSettings => {
  const { intervalMs, keyFile } = Catalogue.signing
  const key = file(given, keyFile.variable)
  const interval = SettingText.textOf(given, intervalMs)
  if (key === null && interval !== undefined) {
    const message = `${interval.name}: nothing is signed without ${keyFile.variable}; set that too, or leave it out`
    throw new SettingText.SettingInvalid({ setting: interval.name, message })
  }
  return { keyFile: key, intervalMs: SettingText.wholeNumber(given, intervalMs) }
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
  const found = SettingText.textOf(given, Catalogue.places.host)
  if (found === undefined) return Catalogue.places.host.otherwise
  // A name or an address without brackets; whether it is ours is found out when it is listened on.
  if (/^[A-Za-z0-9._:%-]+$/.test(found.text)) return found.text
  throw SettingText.invalid(found.name, Catalogue.places.host.right, found.text)
}

const token = (given: Given, flag?: string): Redacted.Redacted | null => {
  const found = SettingText.find(given, Catalogue.access.adminToken.variable, flag)
  if (found === undefined) return null
  // A command sends what it was given: whether the server takes it is the server's answer.
  if (flag !== undefined || AdminToken.isToken(found.text)) return Redacted.make(found.text)
  throw SettingText.invalid(found.name, AdminToken.tokenRule, null)
}

// -------------------------------------------------------------------- later

/** Settings that exist in the contract and have nothing behind them yet: accepting them would be a promise. */
const refuseLater = (given: Given): void => {
  const cluster = SettingText.textOf(given, Catalogue.places.cluster)
  if (cluster !== undefined) {
    throw new SettingText.SettingInvalid({
      setting: cluster.name,
      message: `${cluster.name}: this release serves with one process, several come later; leave it out`
    })
  }
}

const notices = (given: Given): ReadonlyArray<string> => {
  const admin = SettingText.textOf(given, Catalogue.access.adminToken)
  const unknown = UnknownVariables.notice(given)
  return [
    ...(admin !== undefined && admin.text.length < AdminToken.lengthSound
      ? [`${admin.name} has fewer than ${AdminToken.lengthSound} characters: a token so short can be guessed`]
      : []),
    ...(unknown === null ? [] : [unknown])
  ]
}
