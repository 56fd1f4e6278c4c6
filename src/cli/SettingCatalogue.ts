import * as RedisUrl from "../bus/RedisUrl.ts"
import { rateLimitsDefault } from "../http/RateLimits.ts"
import type { Described } from "./SettingText.ts"
import { telemetry } from "./TelemetryCatalogue.ts"

// Every setting once: what reads it, what `--help` says of it and docs/CONFIGURATION.md come from here. A new one is one
// entry, read by `SettingText.wholeNumber`, `SettingText.choice` or `SettingText.find`.

const dayMs = 86_400_000
const timerMsMax = 2_147_483_647

const ms = (variable: string, otherwise: number, minimum: number, maximum: number, meaning: string) =>
  ({ kind: "whole", unit: "milliseconds", variable, otherwise, minimum, maximum, meaning }) as const
const whole = (variable: string, otherwise: number, minimum: number, maximum: number, meaning: string) =>
  ({ kind: "whole", variable, otherwise, minimum, maximum, meaning }) as const

/** Where things are. */
export const places = {
  app: {
    kind: "text",
    ...{ variable: "KINTSUGI_APP", flag: "app", metavar: "FILE", right: "a path", otherwise: null },
    meaning: "App module, TypeScript or JavaScript"
  },
  host: {
    kind: "text",
    ...{ variable: "KINTSUGI_HOST", flag: "host", metavar: "HOST", otherwise: "127.0.0.1" },
    right: "a host name or an address such as 127.0.0.1",
    meaning: "Address to listen on"
  },
  port: {
    ...whole("KINTSUGI_PORT", 4000, 0, 65_535, "Port to listen on, 0 for a free one"),
    ...{ flag: "port", metavar: "PORT" }
  },
  dataDir: {
    kind: "text",
    ...{ variable: "KINTSUGI_DATA_DIR", flag: "data-dir", metavar: "DIR", right: "a path", otherwise: ".kintsugi" },
    meaning: "Folder for everything that is kept"
  },
  databaseUrl: {
    kind: "text",
    ...{ variable: "DATABASE_URL", flag: "database-url", metavar: "URL", otherwise: null, secret: true },
    right: "a URL such as postgres://user:password@host:5432/database",
    meaning: "PostgreSQL to use in place of the embedded one under the data directory"
  },
  redis: {
    kind: "text",
    ...{ variable: "REDIS_URL", flag: "redis-url", metavar: "URL|inline", otherwise: "inline", secret: true },
    right: RedisUrl.right,
    meaning: "Event bus: a Redis server, or inline for none"
  },
  cluster: {
    kind: "text",
    ...{ variable: "KINTSUGI_CLUSTER", flag: "cluster", metavar: "HOST:PORT", otherwise: null },
    right: "left out: this release serves with one process",
    meaning: "Serve with several processes; refused in this release"
  }
} as const satisfies Readonly<Record<string, Described>>

/** Who may come in. */
export const access = {
  adminToken: {
    kind: "text",
    ...{ variable: "KINTSUGI_ADMIN_TOKEN", otherwise: null, secret: true },
    right: "visible ASCII characters without spaces; fewer than 16 can be guessed",
    meaning: "The admin's token; without it the server keeps one of its own in the data directory"
  }
} as const satisfies Readonly<Record<string, Described>>

const limitMax = 1_000_000

/** Who else is let in, how often, and over what. */
export const security = {
  perSecond: whole(
    ...(["KINTSUGI_RATE_LIMIT_PER_SECOND", rateLimitsDefault.perSecond, 0, limitMax] as const),
    "Requests of one caller each second; 0: any number"
  ),
  burst: {
    ...whole(
      ...(["KINTSUGI_RATE_LIMIT_BURST", rateLimitsDefault.burst, 1, limitMax] as const),
      "Requests of one caller at once"
    ),
    absent: "twice the rate"
  },
  failuresPerMinute: whole(
    ...(["KINTSUGI_SIGN_IN_FAILURES_PER_MINUTE", rateLimitsDefault.failuresPerMinute, 0, limitMax] as const),
    "Wrong credentials from one address each minute; 0: any number"
  ),
  issuer: {
    kind: "text",
    ...{ variable: "KINTSUGI_OIDC_ISSUER", otherwise: null },
    right: "an https URL (http only for this machine itself)",
    meaning: "Issuer whose tokens are believed; needs an audience"
  },
  audience: {
    kind: "text",
    ...{ variable: "KINTSUGI_OIDC_AUDIENCE", otherwise: null, right: "a text" },
    meaning: "Audience that its tokens must name; needed with an issuer"
  },
  roleClaim: {
    kind: "text",
    ...{ variable: "KINTSUGI_OIDC_ROLE_CLAIM", otherwise: "roles", right: "a name" },
    meaning: "Claim that holds viewer, operator or admin"
  },
  jwksUrl: {
    kind: "text",
    ...{ variable: "KINTSUGI_OIDC_JWKS_URL", otherwise: null },
    right: "an https URL (http only for this machine itself)",
    meaning: "Where its keys are; without it the issuer is asked"
  },
  corsOrigins: {
    kind: "text",
    ...{ variable: "KINTSUGI_CORS_ORIGINS", otherwise: null },
    right: "origins such as https://status.example.org, separated by commas, without a path and never *",
    meaning: "Pages that may read answers; without it none of another origin"
  },
  tlsCert: {
    kind: "text",
    ...{ variable: "KINTSUGI_TLS_CERT", otherwise: null, right: "a path" },
    meaning: "PEM file of the certificate with its chain; needs the key"
  },
  tlsKey: {
    kind: "text",
    ...{ variable: "KINTSUGI_TLS_KEY", otherwise: null, right: "a path" },
    meaning: "PEM file of the certificate's key"
  }
} as const satisfies Readonly<Record<string, Described>>

/** How runs are carried out. */
export const execution = {
  recovery: {
    kind: "choice",
    ...{ variable: "KINTSUGI_RECOVERY", choices: ["on", "off"], otherwise: "on" },
    meaning: "Whether what is lost is made again. Off: it is a failure like any other"
  },
  concurrency: whole("KINTSUGI_CONCURRENCY", 16, 1, 10_000, "Steps that execute at once in this process"),
  drainMs: ms("KINTSUGI_DRAIN_MS", 10_000, 0, dayMs, "How long SIGTERM lets running attempts finish"),
  crashLimit: whole("KINTSUGI_CRASH_LIMIT", 10, 1, 1_000_000, "Crashes in a row that end a step with crash_loop"),
  storeSettleMs: ms(
    ...(["KINTSUGI_STORE_SETTLE_MS", 2_000, 0, dayMs] as const),
    "How long a store that answers without its marker is watched before it is believed to be wiped"
  )
} as const satisfies Readonly<Record<string, Described>>

/** Who signs the log, and how often. */
export const signing = {
  keyFile: {
    kind: "text",
    ...{ variable: "KINTSUGI_SIGN_KEY_FILE", otherwise: null, right: "a path" },
    meaning: "PEM file of the Ed25519 private key that signs the log; without it nothing is signed"
  },
  intervalMs: ms(
    ...(["KINTSUGI_SIGN_INTERVAL_MS", 3_600_000, 1_000, dayMs] as const),
    "Between two signatures; needs the key"
  )
} as const satisfies Readonly<Record<string, Described>>

/** How often all assets are looked at. */
export const integrity = {
  intervalMs: {
    ...ms("KINTSUGI_INTEGRITY_INTERVAL_MS", 0, 0, timerMsMax, "Between two checks of all assets, 0: none by the clock"),
    absent: "as the app says"
  }
} as const satisfies Readonly<Record<string, Described>>

/** How automatic runs are paced. */
export const materializer = {
  baseBackoffMs: ms(
    ...(["ASSET_MATERIALIZER_BASE_BACKOFF_MS", 120_000, 1, timerMsMax] as const),
    "Automatic runs of a workflow and partition cool down this long after a failure; doubled for each more"
  ),
  maxBackoffMs: ms(
    ...(["ASSET_MATERIALIZER_MAX_BACKOFF_MS", 1_800_000, 1, timerMsMax] as const),
    "The longest cool-down"
  ),
  refreshIntervalMs: ms(
    ...(["ASSET_MATERIALIZER_REFRESH_INTERVAL_MS", 600_000, 1, timerMsMax] as const),
    "How often the graph of updates is built again although nothing has changed"
  )
} as const satisfies Readonly<Record<string, Described>>

/** Whom runs are told to. */
export const openLineage = {
  url: {
    kind: "text",
    ...{ variable: "OPENLINEAGE_URL", otherwise: null },
    right: "an http or https URL without parameters, such as http://127.0.0.1:5000",
    meaning: "Receiver of OpenLineage events; without it nobody is told"
  },
  endpoint: {
    kind: "text",
    ...{ variable: "OPENLINEAGE_ENDPOINT", otherwise: "api/v1/lineage" },
    right: "a path such as api/v1/lineage",
    meaning: "Path below the receiver's URL"
  },
  apiKey: {
    kind: "text",
    ...{ variable: "OPENLINEAGE_API_KEY", otherwise: null, secret: true },
    right: "visible ASCII characters without spaces",
    meaning: "Bearer token for the receiver"
  },
  namespace: {
    kind: "text",
    ...{ variable: "OPENLINEAGE_NAMESPACE", otherwise: "kintsugi", right: "a name" },
    meaning: "Namespace of the jobs"
  }
} as const satisfies Readonly<Record<string, Described>>

/** What commands need that speak to a running server. */
export const client = {
  url: {
    kind: "text",
    ...{ variable: "KINTSUGI_URL", flag: "url", metavar: "URL", otherwise: "http://127.0.0.1:4000" },
    right: "a URL such as http://127.0.0.1:4000",
    meaning: "Server to speak to"
  },
  token: {
    kind: "text",
    ...{ variable: "KINTSUGI_ADMIN_TOKEN", flag: "token", metavar: "TOKEN", otherwise: null, secret: true },
    right: "the server's token",
    meaning: "Its token; without it the one in the data directory"
  },
  caFile: {
    kind: "text",
    ...{ variable: "KINTSUGI_CA_FILE", otherwise: null, right: "a path" },
    meaning: "PEM file of an authority that is believed beside the system's"
  }
} as const satisfies Readonly<Record<string, Described>>

/** The headings of the reference, and what stands under each. */
export const groups: ReadonlyArray<{
  readonly title: string
  readonly settings: Readonly<Record<string, Described>>
}> = [
  { title: "Places", settings: places },
  { title: "Access", settings: access },
  { title: "Security", settings: security },
  { title: "Execution", settings: execution },
  { title: "Integrity", settings: integrity },
  { title: "Signing", settings: signing },
  { title: "Automatic runs", settings: materializer },
  { title: "OpenLineage", settings: openLineage },
  { title: "Telemetry and log", settings: telemetry },
  { title: "Commands that speak to a server", settings: client }
]
