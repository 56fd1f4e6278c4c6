import { HttpApi, OpenApi } from "effect/http-api"
import { Api } from "./api/Api.ts"
import { Authorization, roleFor } from "./api/Guards.ts"

/** The extension of an operation that names the least role that may call it; `none`: it is open to everybody. */
export const roleField = "x-kintsugi-role"

/** The OpenAPI document of the whole API, with the role that each operation needs. */
export const openApiDocument = (): Record<string, unknown> => {
  const document = OpenApi.fromApi(Api)
  const paths: Record<string, Record<string, unknown>> = structuredClone(document.paths)
  HttpApi.reflect(Api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint }) => {
      const operations = paths[endpoint.path.replace(/:(\w+)/g, "{$1}")]!
      const method = endpoint.method.toLowerCase()
      const role = endpoint.middlewares.has(Authorization) ? roleFor(endpoint) : "none"
      operations[method] = { ...(operations[method] as object), [roleField]: role }
    }
  })
  return { ...document, paths }
}
