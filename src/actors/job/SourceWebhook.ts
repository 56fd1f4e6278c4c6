import { Duration, Effect } from "effect"
import { exchange, urlFault } from "../../capabilities/HttpExchange.ts"
import { type Failure, storable } from "../../domain/Failure.ts"
import { requestTimeoutDefaultMs } from "../../domain/HttpStep.ts"
import type { Source } from "../../domain/Source.ts"
import * as UrlSecrets from "../../capabilities/UrlSecrets.ts"
import { type HttpSettings, refusal, secretsOf } from "./HttpStep.ts"

/** What is sent to a source's webhook, as JSON. */
export interface Asked {
  readonly assetId: string
  readonly partitionKey: string | null
  /** 0: it was never there. */
  readonly lostGeneration: number
  readonly recoveryId: string
}

/** Bound of the answer, which is read and not kept: bytes. */
const answerBytesMax = 1024 * 1024

/** Redirects after which a POST becomes a GET: the call would be answered by somebody who was never told. */
const losesBody = (status: number) => status >= 301 && status <= 303

const permanent = (code: string, message: string): Failure => ({ class: "permanent", code, message })

/**
 * Calls the webhook of a source; any status from 200 to 299 means that it was taken. `idempotencyKey` is the same for
 * each call of one attempt. Fails with what came instead, secrets hidden.
 */
export const call = (
  settings: HttpSettings,
  { recheck }: Source,
  asked: Asked,
  idempotencyKey: string
): Effect.Effect<void, Failure> =>
  Effect.gen(function* () {
    const values = new Map<string, string>()
    const lacking = secretsOf(recheck, settings.env, values)
    if (lacking !== undefined) return yield* Effect.fail(permanent("secret_missing", lacking))
    const url = URL.parse(recheck.webhook ?? "")
    const wrong = url === null ? "is no absolute URL" : urlFault(url)
    if (url === null || wrong !== undefined) {
      return yield* Effect.fail(permanent("invalid_url", `the webhook of ${asked.assetId} ${wrong}`))
    }
    url.hash = ""
    const { host, origin } = url
    const visited: Array<URL> = [url]
    /** The URL may be a secret as a whole, as may those of its redirects: only their origins get into the log. */
    const hidden = ({ message, url: failed, ...rest }: Failure): Failure => {
      const { shown } = UrlSecrets.make(visited, values)
      return storable({ ...rest, message: shown(message), url: URL.parse(failed ?? url.href)?.origin ?? origin })
    }
    const headers: Record<string, string> = { accept: "*/*", "content-type": "application/json" }
    const secret = new Set<string>()
    for (const [name, value] of Object.entries(recheck.headers)) {
      const key = name.toLowerCase()
      headers[key] = typeof value === "string" ? value : `${value.prefix}${values.get(value.env) ?? ""}`
      if (typeof value !== "string") secret.add(key)
    }
    headers["idempotency-key"] = idempotencyKey
    const request = {
      method: "POST",
      url,
      headers,
      secret,
      body: Buffer.from(JSON.stringify(asked)),
      accepts: (status: number) => (status >= 200 && status < 300) || losesBody(status),
      bytesMax: answerBytesMax,
      beyondBytes: UrlSecrets.make(visited, values).lengthMax,
      visits: (next: URL) => void visited.push(next)
    }
    const sent = Effect.timeoutOrElse(exchange(settings.access, request), {
      duration: Duration.millis(requestTimeoutDefaultMs),
      orElse: () => {
        const message = `POST ${origin}/… was not answered within ${requestTimeoutDefaultMs} ms`
        return Effect.fail<Failure>({ class: "transient", code: "timeout", message })
      }
    })
    const response = yield* Effect.mapError(sent, hidden)
    if (losesBody(response.status)) {
      const what = `redirects with ${response.status}, which loses what is sent; name the address that it stands for`
      return yield* Effect.fail({ ...permanent("http_redirects", `the webhook at ${host} ${what}`), url: origin })
    }
    const refused = refusal(request, response, UrlSecrets.make(visited, values))
    if (refused !== undefined) return yield* Effect.fail(hidden(refused))
  })
