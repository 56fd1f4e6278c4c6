import { Option } from "effect"
import { Flag } from "effect/cli"
import type { Given } from "./SettingText.ts"

/** A setting's flag. It is text here: `Settings` judges it together with its environment variable. */
const setting = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.optional)

const dataDir = setting("data-dir", "DIR", "Folder for everything that is kept (KINTSUGI_DATA_DIR; default .kintsugi)")
const databaseUrl = setting(
  "database-url",
  "URL",
  "PostgreSQL to use in place of the embedded one under the data directory (DATABASE_URL)"
)

/** Where the database is. */
export const database = { "data-dir": dataDir, "database-url": databaseUrl }

/** Everything that a server can be told by flags. */
export const server = {
  app: setting("app", "FILE", "App module, TypeScript or JavaScript (KINTSUGI_APP)"),
  host: setting("host", "HOST", "Address to listen on (KINTSUGI_HOST; default 127.0.0.1)"),
  port: setting("port", "PORT", "Port to listen on, 0 for a free one (KINTSUGI_PORT; default 4000)"),
  ...database,
  "redis-url": setting(
    "redis-url",
    "URL|inline",
    "Event bus: a Redis server, or inline for none (REDIS_URL; default inline)"
  ),
  cluster: setting("cluster", "HOST:PORT", "Serve with several processes (KINTSUGI_CLUSTER; not in this release)")
}

/** Where the server is that a command speaks to. */
export const client = {
  url: setting("url", "URL", "Server to speak to (KINTSUGI_URL; default http://127.0.0.1:4000)"),
  token: setting("token", "TOKEN", "Its token (KINTSUGI_ADMIN_TOKEN; default: the one in the data directory)"),
  "data-dir": dataDir
}

/** Where the demo runs. */
export const demo = {
  port: setting("port", "PORT", "Port to listen on (default: a free one)"),
  "data-dir": setting("data-dir", "DIR", "Folder for everything (default: a temporary one, removed at the end)")
}

export const json = Flag.Boolean("json").pipe(Flag.withDescription("Print the result as JSON"), Flag.withDefault(false))

/** The flags that were given, with the environment that they override. */
export const given = (flags: { readonly [flag: string]: Option.Option<string> | boolean }): Given => ({
  flags: Object.fromEntries(
    Object.entries(flags).map(([flag, value]) => [
      flag,
      typeof value === "boolean" ? undefined : Option.getOrUndefined(value)
    ])
  ),
  env: process.env
})
