import { Clock, Duration, Effect, Redacted } from "effect"
import { createHmac } from "node:crypto"
import type { HttpAccess } from "../capabilities/HttpAccess.ts"
import { exchange } from "../capabilities/HttpExchange.ts"
import * as UrlSecrets from "../capabilities/UrlSecrets.ts"
import { type Channel, ChannelAway, type Message, MessageRefused } from "./Channel.ts"

export interface WebhookSettings {
  readonly url: Redacted.Redacted
  readonly secret: Redacted.Redacted
}

/** `Kintsugi-Signature: v1=<hex>`: HMAC-SHA256 over the timestamp, a full stop and the body, byte for byte. */
export const signatureOf = (secret: string, timestamp: string, body: string): string =>
  `v1=${createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex")}`

const answerWithin = Duration.seconds(15)
const answerBytesMax = 16_384
/** How much of an answer a delivery quotes, in UTF-16 units. */
const quotedMax = 300

/** Answers that are about the message; all others are about the receiver, its address or its key. */
const refusals: ReadonlySet<number> = new Set([400, 410, 413, 422])
/** To follow these would send the message without its body. */
const losesBody: ReadonlySet<number> = new Set([301, 302, 303])
const isTaken = (status: number) => status >= 200 && status < 300

/** Posts a message as JSON; each attempt is signed anew, with the time at which it is sent. */
export const send = (access: HttpAccess, { secret, url }: WebhookSettings): Channel["send"] =>
  Effect.fnUntraced(function* (message: Message) {
    const now = yield* Clock.currentTimeMillis
    const timestamp = String(Math.floor(now / 1000))
    const body = JSON.stringify(message)
    const address = new URL(Redacted.value(url))
    // The path may be the secret, as with the hooks of chat services; so may what it redirects to.
    const visited: Array<URL> = [address]
    const shown = (text: string) => UrlSecrets.make(visited).shown(text)
    const away = (what: string, cause?: unknown) =>
      new ChannelAway({ message: shown(what), ...(cause === undefined ? {} : { cause }) })
    const response = yield* exchange(access, {
      method: "POST",
      url: address,
      headers: {
        "content-type": "application/json",
        "content-length": String(Buffer.byteLength(body)),
        "user-agent": "kintsugi",
        "kintsugi-notification-id": message.id,
        "kintsugi-timestamp": timestamp,
        "kintsugi-signature": signatureOf(Redacted.value(secret), timestamp, body)
      },
      secret: new Set(),
      body: Buffer.from(body),
      accepts: (status) => isTaken(status) || losesBody.has(status),
      bytesMax: answerBytesMax,
      // Of what is sent only the address has to be hidden in an answer: the key only signs.
      beyondBytes: UrlSecrets.make(visited).lengthMax,
      visits: (next) => void visited.push(next)
    }).pipe(
      Effect.mapError((failure) => away(failure.message)),
      Effect.timeoutOrElse({
        duration: answerWithin,
        orElse: () => Effect.fail(away(`${address.href} gave no answer within ${Duration.toMillis(answerWithin)} ms`))
      })
    )
    if (isTaken(response.status)) return
    const text = UrlSecrets.make(visited).excerpt(Buffer.from(response.body).toString("utf8"), quotedMax)
    const told = shown(`${response.url.href} answered ${response.status}: ${text}`)
    return yield* refusals.has(response.status)
      ? new MessageRefused({ message: told })
      : new ChannelAway({ message: told })
  })
