import { FindMyWay, type HttpRouter } from "effect/http"
import { HttpApi } from "effect/http-api"
import { Api } from "./api/Api.ts"

export const prefix = "/api/v1"

/** Path parameters are ids and slugs of at most this many characters; a longer one names nothing. */
export const routerConfig = { maxParamLength: 300, caseSensitive: true }

/** What a request that no route takes should be told. */
export type Elsewhere =
  | { readonly _tag: "Nothing" }
  /** The path exists with other methods. */
  | { readonly _tag: "OtherMethods"; readonly allow: ReadonlyArray<string> }
  /** The path exists under `prefix`. */
  | { readonly _tag: "UnderPrefix" }

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const

/** The API's own routes once more: the router answers for one method only, and this for a path. */
const known = (() => {
  const router = FindMyWay.make<string>(routerConfig)
  HttpApi.reflect(Api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint }) => router.on(endpoint.method, endpoint.path as HttpRouter.PathInput, endpoint.path)
  })
  return router
})()

/** The methods of a path, with HEAD and OPTIONS where they follow; empty when there is no such path. */
export const allowed = (url: string): ReadonlyArray<string> => {
  const found = methods.filter((method) => known.find(method, url) !== undefined)
  if (found.length === 0) return found
  return found.includes("GET") ? [...found, "HEAD", "OPTIONS"] : [...found, "OPTIONS"]
}

/** The template of the route that takes a request, as the manual writes it; `none` when there is no such route. */
export const templateOf = (method: string, url: string): string => {
  const found = known.find(method === "HEAD" ? "GET" : (method as (typeof methods)[number]), url)
  return found === undefined ? "none" : found.handler.replace(/:(\w+)/g, "{$1}")
}

export const elsewhere = (url: string): Elsewhere => {
  const allow = allowed(url)
  if (allow.length > 0) return { _tag: "OtherMethods", allow }
  return allowed(`${prefix}${url}`).length > 0 ? { _tag: "UnderPrefix" } : { _tag: "Nothing" }
}
