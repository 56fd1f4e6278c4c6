import { OpenApi } from "effect/http-api"
import { Api } from "../../src/http/api/Api.ts"
import { type Role, roleFor } from "../../src/http/api/Guards.ts"

/** A JSON schema as the document has it. */
export type JsonSchema = { readonly [keyword: string]: unknown }

export interface Parameter {
  readonly name: string
  readonly in: "path" | "query" | "header"
  readonly required: boolean
  readonly schema: JsonSchema
}

/** One operation of the OpenAPI document, with the least role that may call it; null: open to everybody. */
export interface Operation {
  readonly id: string
  readonly method: string
  readonly path: string
  readonly role: Role | null
  readonly parameters: ReadonlyArray<Parameter>
  readonly body: JsonSchema | null
  /** Schemas of the answers by status and media type. */
  readonly responses: Readonly<Record<string, Readonly<Record<string, JsonSchema>>>>
}

type Media = Readonly<Record<string, { readonly schema?: JsonSchema }>>

interface RawOperation {
  readonly operationId: string
  readonly parameters?: ReadonlyArray<Parameter>
  readonly security?: ReadonlyArray<unknown>
  readonly requestBody?: { readonly content: Media }
  readonly responses: Readonly<Record<string, { readonly content?: Media }>>
}

const document = OpenApi.fromApi(Api)

/** What `$ref` of the document's schemas points into. */
export const components = document.components as unknown as JsonSchema

const roleOf = (operationId: string): Role => {
  const [group = "", endpoint = ""] = operationId.split(".")
  const groups: Readonly<Record<string, { readonly endpoints: Readonly<Record<string, unknown>> }>> = Api.groups
  const found = groups[group]?.endpoints[endpoint]
  if (found === undefined) throw new Error(`the document has ${operationId}, the API has not`)
  return roleFor(found as Parameters<typeof roleFor>[0])
}

const schemasOf = (content: Media = {}): Readonly<Record<string, JsonSchema>> =>
  Object.fromEntries(Object.entries(content).map(([type, { schema = {} }]) => [type, schema]))

/** The whole surface, in the order of the document. */
export const operations: ReadonlyArray<Operation> = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item as unknown as Readonly<Record<string, RawOperation>>).map(([method, raw]) => ({
    id: raw.operationId,
    method: method.toUpperCase(),
    path,
    role: (raw.security ?? []).length === 0 ? null : roleOf(raw.operationId),
    parameters: raw.parameters ?? [],
    body: raw.requestBody?.content["application/json"]?.schema ?? null,
    responses: Object.fromEntries(
      Object.entries(raw.responses).map(([status, { content }]) => [status, schemasOf(content)])
    )
  }))
)

/** The schema that a `$ref` of the document means; any other schema is itself. */
export const resolved = (schema: JsonSchema): JsonSchema => {
  const ref = schema.$ref
  if (typeof ref !== "string") return schema
  const schemas = components.schemas as Readonly<Record<string, JsonSchema>>
  return schemas[ref.replace("#/components/schemas/", "")] ?? {}
}
