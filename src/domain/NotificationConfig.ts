import { Schema } from "effect"
import { Slug } from "./Definition.ts"
import { kinds } from "./Notification.ts"

/** A text that may come from the environment, which is where secrets belong. */
export const FromEnv = Schema.Struct({
  env: Schema.String.check(
    Schema.isPattern(/^[A-Za-z_][A-Za-z0-9_]*$/, { message: "must be the name of an environment variable" })
  )
})
export type FromEnv = typeof FromEnv.Type

const rule = (pattern: RegExp, message: string) => Schema.String.check(Schema.isPattern(pattern, { message }))
const between = (minimum: number, maximum: number, what: string) =>
  Schema.Int.check(
    Schema.isBetween({ minimum, maximum }, { message: `must be a whole number ${what} from ${minimum} to ${maximum}` })
  )

const common = {
  /** Sent one by one in any minute, at most; what is more goes out as one digest. Default 20. */
  perMinute: Schema.optionalKey(between(1, 600, "of notifications")),
  /** How long one is tried before it is a dead letter, ms: an hour to 7 days, default a day. */
  giveUpAfterMs: Schema.optionalKey(between(3_600_000, 604_800_000, "of ms"))
}

export const WebhookConfig = Schema.Struct({
  type: Schema.Literal("webhook"),
  /** Public hosts only, unless `http.allow` has the host. */
  url: Schema.Union([rule(/^https?:\/\/[^\s@]+$/, "must be an http or https URL without user and password"), FromEnv]),
  /** Signs each request. */
  secret: FromEnv,
  ...common
})
export type WebhookConfig = typeof WebhookConfig.Type

const Address = rule(/^[^\s<>@,;:"]+@[^\s<>@,;:"]+$/, "must be an e-mail address such as ops@example.org")

export const EmailConfig = Schema.Struct({
  type: Schema.Literal("email"),
  host: rule(/^[A-Za-z0-9[\]:._-]+$/, "must be a host name or address"),
  /** Default: 465 with `tls: "implicit"`, else 587. */
  port: Schema.optionalKey(between(1, 65_535, "")),
  /** `starttls` (default) demands it of the server, `implicit` is TLS from the first byte. */
  tls: Schema.optionalKey(Schema.Literals(["starttls", "implicit", "none"])),
  user: Schema.optionalKey(Schema.Union([Schema.NonEmptyString, FromEnv])),
  password: Schema.optionalKey(FromEnv),
  from: Address,
  to: Schema.NonEmptyArray(Address),
  ...common
})
export type EmailConfig = typeof EmailConfig.Type

export const ChannelConfig = Schema.Union([WebhookConfig, EmailConfig])
export type ChannelConfig = typeof ChannelConfig.Type

const ChannelName = rule(/^[a-z0-9][a-z0-9-]{0,62}$/, "must be 1 to 63 lower-case letters, digits and -")

export const Route = Schema.Struct({
  /** Only of this workflow. */
  workflow: Schema.optionalKey(Slug),
  kinds: Schema.optionalKey(Schema.NonEmptyArray(Schema.Literals(kinds))),
  to: Schema.NonEmptyArray(Schema.String)
})
export type Route = typeof Route.Type

/** An app's `notifications`. Without routes every channel gets everything. */
export const NotificationConfig = Schema.Struct({
  channels: Schema.Record(ChannelName, ChannelConfig),
  routes: Schema.optionalKey(Schema.NonEmptyArray(Route))
})
export type NotificationConfig = typeof NotificationConfig.Type

/** Faults that the shape alone does not show, each with its path below `notifications`. */
export const faults = ({
  channels,
  routes = [] as never
}: NotificationConfig): ReadonlyArray<{ readonly path: string; readonly message: string }> => [
  ...Object.entries(channels).flatMap(([name, channel]) => {
    if (channel.type !== "email") return []
    const path = `notifications.channels.${name}`
    const found = []
    if ((channel.user === undefined) !== (channel.password === undefined))
      found.push({ path, message: "must have both user and password, or neither" })
    if (channel.user !== undefined && channel.tls === "none")
      found.push({ path: `${path}.tls`, message: 'must not be "none" where a password is sent' })
    return found
  }),
  ...routes.flatMap(({ to }, index) =>
    to.flatMap((name, place) =>
      Object.hasOwn(channels, name)
        ? []
        : [
            {
              path: `notifications.routes[${index}].to[${place}]`,
              message: `no channel is named ${JSON.stringify(name)}; there are: ${Object.keys(channels).join(", ") || "none"}`
            }
          ]
    )
  )
]

/** The channels that a notification goes to. */
export const channelsOf = (
  { channels, routes }: NotificationConfig,
  { kind, workflow }: { readonly kind: string; readonly workflow: string | null }
): ReadonlyArray<string> => {
  if (routes === undefined) return Object.keys(channels)
  const matching = routes.filter(
    (route) =>
      (route.workflow === undefined || route.workflow === workflow) &&
      (route.kinds === undefined || (route.kinds as ReadonlyArray<string>).includes(kind))
  )
  return [...new Set(matching.flatMap(({ to }) => to))]
}
