import { Effect, Redacted, Schema } from "effect"
import type { HttpAccess } from "../capabilities/HttpAccess.ts"
import { urlFault } from "../capabilities/HttpExchange.ts"
import type { ChannelConfig, FromEnv, NotificationConfig } from "../domain/NotificationConfig.ts"
import type { Channel } from "./Channel.ts"
import * as Email from "./Email.ts"
import * as Webhook from "./Webhook.ts"

/** A channel cannot be used as it is configured; `message` names the setting, and the variable that is not set. */
export class ChannelUnusable extends Schema.TaggedError<ChannelUnusable>()("ChannelUnusable", {
  message: Schema.String
}) {}

const perMinuteDefault = 20
const giveUpAfterMsDefault = 24 * 3_600_000

/** The channels of an app, with what the environment has of them. */
export const make = (
  { channels }: NotificationConfig,
  access: HttpAccess,
  env: (name: string) => string | undefined
): Effect.Effect<ReadonlyArray<Channel>, ChannelUnusable> =>
  Effect.forEach(Object.entries(channels), ([name, config]) =>
    Effect.map(
      sender(name, config, access, env),
      (send): Channel => ({
        name,
        perMinute: config.perMinute ?? perMinuteDefault,
        giveUpAfterMs: config.giveUpAfterMs ?? giveUpAfterMsDefault,
        send
      })
    )
  )

const sender = Effect.fnUntraced(function* (
  name: string,
  config: ChannelConfig,
  access: HttpAccess,
  env: (name: string) => string | undefined
) {
  const unusable = (field: string, what: string) =>
    new ChannelUnusable({ message: `--app: notifications.channels.${name}.${field}: ${what}` })
  const read = Effect.fnUntraced(function* (field: string, value: string | FromEnv) {
    if (typeof value === "string") return value
    const text = env(value.env)
    if (text === undefined || text === "")
      return yield* unusable(field, `the environment variable ${value.env} is not set`)
    return text
  })
  if (config.type === "webhook") {
    const text = yield* read("url", config.url)
    const url = URL.parse(text)
    const wrong = url === null ? "must be an http or https URL" : urlFault(url)
    if (wrong !== undefined) return yield* unusable("url", wrong)
    const secret = yield* read("secret", config.secret)
    if (secret.length < secretCharsMin)
      return yield* unusable("secret", `must have at least ${secretCharsMin} characters`)
    return Webhook.send(access, { url: Redacted.make(text), secret: Redacted.make(secret) })
  }
  const { from, host, password, port, tls = "starttls", to, user } = config
  const auth =
    user === undefined || password === undefined
      ? null
      : { user: yield* read("user", user), password: Redacted.make(yield* read("password", password)) }
  return Email.send({ host, port: port ?? (tls === "implicit" ? 465 : 587), tls, auth, from, to })
})

/** A key that can be guessed signs nothing. */
const secretCharsMin = 16
