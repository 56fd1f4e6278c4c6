import { Effect, Layer, Redacted } from "effect"
import * as Server from "../../src/http/Server.ts"
import * as Fakes from "./Fakes.ts"

export const token = "correct-horse-battery-staple"

export type ServerSettings = Omit<Server.ServerOptions, "host" | "port" | "token">

/** A real server on a free port, in front of fakes of what lies behind it. */
export const server = (
  state: Fakes.FakeState,
  behind: Layer.Layer<Fakes.Behind> = Fakes.layer(state),
  settings: ServerSettings = {}
) =>
  Server.layer({ host: "127.0.0.1", port: 0, token: Redacted.make(token), ...settings }).pipe(
    Layer.provideMerge(behind)
  )

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly json: Record<string, unknown>
}

export interface Sent {
  readonly headers?: Record<string, string>
  readonly body?: RequestInit["body"]
  /** null: none. */
  readonly token?: string | null
}

/** One request; a string body is sent as JSON unless the headers say otherwise. Redirects are not followed. */
export const send = Effect.fnUntraced(function* (method: string, path: string, sent: Sent = {}) {
  const { url } = yield* Server.Listening
  const bearer = sent.token === undefined ? token : sent.token
  const headers = new Headers({
    ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
    ...(sent.body === undefined || sent.body === null ? {} : { "content-type": "application/json" }),
    ...sent.headers
  })
  return yield* Effect.promise(async (signal): Promise<Answer> => {
    const init: RequestInit & { readonly duplex: "half" } = {
      method,
      headers,
      redirect: "manual",
      signal,
      duplex: "half",
      ...(sent.body === undefined ? {} : { body: sent.body })
    }
    const response = await fetch(`${url}${path}`, init)
    const text = await response.text()
    const isJson = text !== "" && /[/+]json$/.test(response.headers.get("content-type") ?? "")
    return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : {} }
  })
})
