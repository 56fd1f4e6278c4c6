import { Option } from "effect"
import { Flag } from "effect/cli"
import * as Catalogue from "./SettingCatalogue.ts"
import type { Described, Given } from "./SettingText.ts"

/** A setting's flag. It is text here: `Settings` judges it together with its environment variable. */
const setting = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.optional)

/** The flag of a described setting, with the variable that it overrides and what holds without both. */
const flagOf = (described: Described & { readonly flag: string }) => {
  const { flag, meaning, metavar = flag.toUpperCase(), otherwise, variable } = described
  return setting(flag, metavar, `${meaning} (${variable}${otherwise === null ? "" : `; default ${otherwise}`})`)
}

const dataDir = flagOf(Catalogue.places.dataDir)

/** Where the database is. */
export const database = { "data-dir": dataDir, "database-url": flagOf(Catalogue.places.databaseUrl) }

/** Everything that a server can be told by flags. */
export const server = {
  app: flagOf(Catalogue.places.app),
  host: flagOf(Catalogue.places.host),
  port: flagOf(Catalogue.places.port),
  ...database,
  "redis-url": flagOf(Catalogue.places.redis),
  cluster: flagOf(Catalogue.places.cluster)
}

/** Where the server is that a command speaks to. */
export const client = {
  url: flagOf(Catalogue.client.url),
  token: flagOf(Catalogue.client.token),
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
