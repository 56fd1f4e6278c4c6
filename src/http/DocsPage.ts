import { HttpApi, OpenApi } from "effect/http-api"
import { createHash } from "node:crypto"
import { Api } from "./api/Api.ts"
import { roleFor } from "./api/Guards.ts"
import { escape, type JsonSchema, nameOf, typeOf } from "./DocsSchema.ts"

interface Content {
  readonly [type: string]: { readonly schema?: JsonSchema }
}
interface Operation {
  readonly tags?: ReadonlyArray<string>
  readonly description?: string
  readonly parameters?: ReadonlyArray<{
    readonly name: string
    readonly in: string
    readonly required?: boolean
    readonly schema?: JsonSchema
    readonly description?: string
  }>
  readonly requestBody?: { readonly content: Content }
  readonly responses: Readonly<Record<string, { readonly description?: string; readonly content?: Content }>>
  readonly security?: ReadonlyArray<unknown>
}
interface Route {
  readonly method: string
  readonly path: string
  readonly operation: Operation
  readonly role: string
}

const style = `:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:62rem;padding:1.5rem 1rem 6rem}
h1{margin:0}h2{margin:2.5rem 0 .25rem;border-bottom:1px solid #8886;padding-bottom:.25rem}
nav{columns:3;font-size:.9rem;margin:1.5rem 0}nav a{display:block}
details{border:1px solid #8885;border-radius:6px;margin:.5rem 0;padding:.4rem .75rem}
summary{cursor:pointer;overflow-wrap:anywhere}summary code{font-weight:600}
.method{display:inline-block;min-width:4.2rem;font:600 .8rem ui-monospace,monospace}
.GET{color:#2a7d46}.POST{color:#2563c9}.PUT{color:#a35f00}.DELETE{color:#c2302f}
.role{float:right;font-size:.8rem;border:1px solid #8886;border-radius:9px;padding:0 .5rem}
pre{background:#8881;border-radius:6px;padding:.5rem .75rem;overflow-x:auto;white-space:pre-wrap;font-size:.85rem}
table{border-collapse:collapse;font-size:.9rem;width:100%}td,th{text-align:left;padding:.2rem .75rem .2rem 0;vertical-align:top}
tr+tr td{border-top:1px solid #8883}h4{margin:.75rem 0 .2rem}p{margin:.4rem 0}`

/** Only this style, no script and nothing from anywhere else. */
export const policy = `default-src 'none'; style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'`

/** The API as a page for people: made once from the OpenAPI document, complete in itself, without a script. */
export const html = (): string => {
  made ??= page()
  return made
}
let made: string | undefined

const page = (): string => {
  const document = OpenApi.fromApi(Api)
  const roles = rolesOf()
  const routes = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item as unknown as Record<string, Operation>).map(([method, operation]): Route => {
      const route = `${method.toUpperCase()} ${path}`
      const isOpen = operation.security === undefined || operation.security.length === 0
      return { method: method.toUpperCase(), path, operation, role: isOpen ? "open" : (roles.get(route) ?? "viewer") }
    })
  )
  const groups = document.tags.map(({ description = "", name }) => ({
    ...{ name, description },
    routes: routes.filter(({ operation }) => operation.tags?.[0] === name)
  }))
  const schemas = Object.entries(document.components.schemas as Readonly<Record<string, JsonSchema>>)
  const links = groups.map(({ name }) => `<a href="#${anchor(name)}">${escape(name)}</a>`).join("")
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Kintsugi API</title><style>${style}</style></head><body>
<h1>Kintsugi API</h1>
<p>${prose(document.info.description ?? "")}</p>
<p>Send <code>Authorization: Bearer TOKEN</code>. Each route names the least role that may call it:
<code>viewer</code>, <code>operator</code> or <code>admin</code>; <code>open</code> needs no token. The same for programs:
<a href="/openapi.json">openapi.json</a>.</p>
<nav>${links}<a href="#schemas">Schemas</a></nav>
${groups.map(groupOf).join("\n")}
<h2 id="schemas">Schemas</h2>
${schemas.map(([name, schema]) => schemaOf(nameOf(name), schema)).join("\n")}
</body></html>
`
}

/** The least role of each route, by `METHOD /path/{parameter}`. */
const rolesOf = (): ReadonlyMap<string, string> => {
  const roles = new Map<string, string>()
  HttpApi.reflect(Api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint }) =>
      void roles.set(
        `${endpoint.method} ${endpoint.path.replace(/:(\w+)/g, "{$1}").replace(/(.)\/$/, "$1")}`,
        roleFor(endpoint)
      )
  })
  return roles
}

const anchor = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]+/g, "-")
const prose = (text: string): string => escape(text).replace(/`|&#96;/g, "")

const groupOf = (group: {
  readonly name: string
  readonly description: string
  readonly routes: ReadonlyArray<Route>
}) =>
  `<section><h2 id="${anchor(group.name)}">${escape(group.name)}</h2><p>${prose(group.description)}</p>
${group.routes.map(routeOf).join("\n")}</section>`

const routeOf = ({ method, operation, path, role }: Route): string => {
  const parameters = operation.parameters ?? []
  const rows = parameters.map(
    ({ description = "", in: place, name, required, schema }) =>
      `<tr><td><code>${escape(name)}</code></td><td>${place}${required === true ? "" : ", optional"}</td><td>${typeOf(schema)} ${prose(description)}</td></tr>`
  )
  const body = schemaIn(operation.requestBody?.content)
  const answers = Object.entries(operation.responses)
  const good = answers.filter(([status]) => Number(status) < 400)
  const problems = answers.filter(([status]) => Number(status) >= 400)
  return `<details><summary><span class="role">${role}</span><span class="method ${method}">${method}</span><code>${escape(path)}</code></summary>
${operation.description === undefined ? "" : `<p>${prose(operation.description)}</p>`}
${rows.length === 0 ? "" : `<h4>Parameters</h4><table>${rows.join("")}</table>`}
${body === null ? "" : `<h4>Body</h4><pre>${body}</pre>`}
${good.map(([status, { content }]) => `<h4>Answer ${status}</h4><pre>${schemaIn(content) ?? "no body"}</pre>`).join("")}
${problems.length === 0 ? "" : `<h4>Problems</h4><table>${problems.map(problemOf).join("")}</table>`}
</details>`
}

const problemOf = ([status, { content, description = "" }]: readonly [
  string,
  Operation["responses"][string]
]): string => `<tr><td>${status}</td><td>${prose(description)}</td><td>${schemaIn(content) ?? ""}</td></tr>`

const schemaIn = (content: Content | undefined): string | null => {
  const types = Object.entries(content ?? {})
  if (types.length === 0) return null
  return types
    .map(([type, { schema }]) => `${type === "application/json" ? "" : `${escape(type)}: `}${typeOf(schema)}`)
    .join("\n")
}

const schemaOf = (name: string, schema: JsonSchema): string =>
  `<details id="schema-${escape(name)}"><summary><code>${escape(name)}</code></summary>${
    schema.description === undefined ? "" : `<p>${prose(schema.description)}</p>`
  }<pre>${typeOf(schema)}</pre></details>`
