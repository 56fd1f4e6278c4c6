import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { ByteSize, Effect, Layer, Option, Redacted } from "effect"
import { HttpIncomingMessage, HttpRouter, type HttpServerRequest, HttpServerResponse, UrlParams } from "effect/http"
import type { TLSSocket } from "node:tls"
import type { Engine } from "../../actors/Engine.ts"
import type { AttentionReads } from "../AttentionReads.ts"
import type { Reads } from "../Reads.ts"
import * as Page from "./Page.ts"
import { Sessions } from "./Sessions.ts"
import { contentSecurityPolicy } from "./Style.ts"
import * as View from "./View.ts"

const cookieName = "kintsugi_admin"
const formBytesMax = 16 * 1024

/**
 * `GET /admin`: the one page for people, rendered here and without any script. It changes nothing but who is signed in:
 * whatever is to be done is a command to copy.
 */
export const layer = Layer.unwrap(
  Effect.gen(function* () {
    const sessions = yield* Sessions
    const context = yield* Effect.context<Engine | AttentionReads | Reads>()
    const sight = Effect.provideContext(View.read, context)

    const show = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
      const id = request.cookies[cookieName]
      const isPerson = !/[?&]refresh=1(?:&|$)/.test(request.url)
      const identity = id === undefined ? null : yield* sessions.find(id, isPerson)
      if (identity === null) return page(Page.login(null), 200)
      return page(Page.overview(yield* sight, identity), 200)
    })

    const signIn = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
      if (isForeign(request)) return page(Page.login("This form must be sent by this page."), 403)
      const form = yield* Effect.option(
        Effect.provideService(request.urlParamsBody, HttpIncomingMessage.MaxBodySize, ByteSize.bytes(formBytesMax))
      )
      const given = Option.flatMap(form, (params) => UrlParams.getFirst(params, "token"))
      const token = Option.getOrElse(given, () => "")
      const address = Option.getOrElse(request.remoteAddress, () => "")
      const outcome = yield* sessions.signIn(Redacted.make(token.trim()), address)
      switch (outcome._tag) {
        case "Wrong":
          return page(Page.login("This token is not valid."), 401)
        case "Later":
          return HttpServerResponse.setHeader(
            page(Page.login("Too many wrong tokens: wait a minute."), 429),
            "retry-after",
            "60"
          )
        case "In":
          return elsewhere(cookie(request, outcome.id, null))
      }
    })

    const signOut = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
      const id = request.cookies[cookieName]
      // What is not sent by this page does not end anybody's session, nor takes the cookie out of the browser.
      if (isForeign(request)) return elsewhere(null)
      if (id !== undefined) yield* sessions.signOut(id)
      return elsewhere(cookie(request, "", 0))
    })

    return Layer.mergeAll(
      HttpRouter.add("GET", "/admin", show),
      HttpRouter.add("POST", "/admin/login", signIn),
      HttpRouter.add("POST", "/admin/logout", signOut)
    )
  })
).pipe(Layer.provide(Sessions.layer))

const page = (text: string, status: number) =>
  HttpServerResponse.text(text, {
    status,
    contentType: "text/html; charset=utf-8",
    // Without a referrer the page's own form would be sent with Origin: null, as one of a hidden site is.
    headers: { "content-security-policy": contentSecurityPolicy, "referrer-policy": "same-origin" }
  })

const elsewhere = (setCookie: string | null) =>
  HttpServerResponse.empty({
    status: 303,
    headers: { location: "/admin", ...(setCookie === null ? {} : { "set-cookie": setCookie }) }
  })

/**
 * Browsers say where a request comes from; a form of another site must not sign anybody in or out. `Sec-Fetch-Site` goes
 * first, because a proxy may have put another Host; over plain http it is not sent, and `Origin` tells.
 */
const isForeign = ({ headers }: HttpServerRequest.HttpServerRequest): boolean => {
  const { host, origin, "sec-fetch-site": site } = headers
  if (site === "same-origin") return false
  if (site !== undefined && site !== "none") return true
  return origin !== undefined && !isOwn(origin, host ?? "")
}

/** The scheme is left out: with TLS at a proxy it is not known here. */
const isOwn = (origin: string, host: string): boolean => {
  if (!URL.canParse(origin)) return false
  const { host: theirs, protocol } = new URL(origin)
  const ours = `${protocol}//${host}`
  return theirs !== "" && URL.canParse(ours) && new URL(ours).host === theirs
}

const cookie = (request: HttpServerRequest.HttpServerRequest, value: string, maxAge: number | null): string =>
  [
    `${cookieName}=${value}`,
    "Path=/admin",
    "HttpOnly",
    "SameSite=Strict",
    ...(isSecure(request) ? ["Secure"] : []),
    ...(maxAge === null ? [] : [`Max-Age=${maxAge}`])
  ].join("; ")

/** Under TLS here, or at the proxy in front: a lie about that only keeps the liar's own cookie from being stored. */
const isSecure = (request: HttpServerRequest.HttpServerRequest): boolean =>
  (NodeHttpServerRequest.toIncomingMessage(request).socket as TLSSocket).encrypted === true ||
  request.headers["x-forwarded-proto"] === "https"
