import type { Json, JsonObject } from "./JobContext.ts"

/** The server refused, or something between refused in its place: its problem (RFC 9457) as it was sent. */
export class ApiError extends Error {
  readonly _tag = "ApiError"
  override readonly name = "ApiError"
  readonly status: number
  /** The server's stable word for the problem; null when the answer was not a problem of ours. */
  readonly code: string | null
  readonly problem: JsonObject

  constructor(status: number, problem: JsonObject) {
    const { code, detail, title } = problem
    super(
      `${status}${typeof code === "string" ? ` ${code}` : ""}: ${textOf(detail) ?? textOf(title) ?? "no reason given"}`
    )
    this.status = status
    this.code = textOf(code) ?? null
    this.problem = problem
  }
}

/** No answer came: the server is not there, or the connection broke. `cause` says which. */
export class ServerUnreachable extends Error {
  readonly _tag = "ServerUnreachable"
  override readonly name = "ServerUnreachable"

  constructor(url: string, cause: unknown) {
    super(`no answer from ${url}: ${reasonOf(cause)}`, { cause })
  }
}

export interface ClientOptions {
  /** Default: `http://127.0.0.1:4000`. */
  readonly url?: string
  readonly token: string
  /** Default: the platform's. */
  readonly fetch?: typeof fetch
}

export interface RequestOptions {
  readonly query?: { readonly [name: string]: string | number | boolean | undefined }
  readonly body?: unknown
  /** The same key makes a repeated POST the same command. */
  readonly idempotencyKey?: string
  readonly signal?: AbortSignal
}

/** Answer of a command: what came of it, and the position from which reads show it. */
export interface Accepted {
  readonly data: JsonObject
  readonly position: string
}

export interface ListPage {
  readonly data: ReadonlyArray<JsonObject>
  /** For the next page's `cursor`; null on the last. */
  readonly nextCursor: string | null
}

/** A client of the HTTP API (`/api/v1`). Every function rejects with `ApiError` or `ServerUnreachable`. */
export interface Client {
  /** Any endpoint: `path` is what comes after `/api/v1`, its parts encoded. Answers the JSON, or null for no content. */
  readonly request: (method: string, path: string, options?: RequestOptions) => Promise<Json>
  readonly defineWorkflow: (slug: string, definition: unknown) => Promise<JsonObject>
  readonly run: (
    workflow: string,
    options?: { readonly parameters?: JsonObject; readonly partitionKey?: string; readonly runKey?: string } & Pick<
      RequestOptions,
      "idempotencyKey"
    >
  ) => Promise<Accepted>
  readonly getRun: (id: string) => Promise<JsonObject>
  readonly listRuns: (query?: RequestOptions["query"]) => Promise<ListPage>
  readonly cancelRun: (id: string, reason?: string) => Promise<Accepted>
  readonly recoverRun: (id: string) => Promise<Accepted>
  readonly getRecovery: (id: string) => Promise<JsonObject>
  readonly listRecoveries: (query?: RequestOptions["query"]) => Promise<ListPage>
  readonly planRecovery: (assetId: string, partitionKey?: string) => Promise<JsonObject>
  readonly queueHealth: () => Promise<JsonObject>
  /** What differs in run `id` from run `with`. */
  readonly diffRuns: (id: string, withId: string) => Promise<JsonObject>
  readonly listAssets: (query?: RequestOptions["query"]) => Promise<ListPage>
  readonly getAsset: (assetId: string, query?: RequestOptions["query"]) => Promise<JsonObject>
  /** `query`: assetId, partitionKey, direction, depth. */
  readonly lineage: (query?: RequestOptions["query"]) => Promise<JsonObject>
  readonly listWorkflowAssets: (workflow: string, query?: RequestOptions["query"]) => Promise<ListPage>
  readonly assetHistory: (workflow: string, assetId: string, query?: RequestOptions["query"]) => Promise<ListPage>
  /** `query`: with (default: the generation before), partitionKey. */
  readonly diffGenerations: (
    workflow: string,
    assetId: string,
    generation: number,
    query?: RequestOptions["query"]
  ) => Promise<JsonObject>
  readonly listPartitions: (workflow: string, assetId: string, query?: RequestOptions["query"]) => Promise<ListPage>
  readonly autoMaterialize: (workflow: string, query?: RequestOptions["query"]) => Promise<ListPage>
  /** `partitionKey` null: of an asset, or of runs, without partitions. */
  readonly getPartitionParameters: (
    workflow: string,
    assetId: string,
    partitionKey: string | null
  ) => Promise<JsonObject>
  readonly setPartitionParameters: (
    workflow: string,
    assetId: string,
    partitionKey: string | null,
    parameters: JsonObject
  ) => Promise<Accepted>
  readonly markStale: (
    workflow: string,
    assetId: string,
    partitionKey: string | null,
    note: string
  ) => Promise<Accepted>
  readonly clearStale: (workflow: string, assetId: string, partitionKey: string | null) => Promise<Accepted>
}

/** A client of the server at `url`. Nothing is sent before the first call. */
export const makeClient = (options: ClientOptions): Client => {
  const base = `${(options.url ?? "http://127.0.0.1:4000").replace(/\/+$/, "")}/api/v1`
  const send = options.fetch ?? fetch

  const request: Client["request"] = async (method, path, { body, idempotencyKey, query, signal } = {}) => {
    const url = new URL(base + path)
    for (const [name, value] of Object.entries(query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value))
    }
    const [status, text] = await exchange(send, url, {
      method,
      headers: {
        accept: "application/json",
        authorization: `Bearer ${options.token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey })
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal })
    })
    const json = parsed(text)
    if (status >= 200 && status < 300 && json !== undefined) return json
    throw new ApiError(status, isObject(json) ? json : { title: text.slice(0, 200) || "the answer was empty" })
  }

  const single = async (path: string): Promise<JsonObject> => dataOf(await request("GET", path))
  const list = async (path: string, query: RequestOptions["query"]): Promise<ListPage> =>
    (await request("GET", path, query === undefined ? {} : { query })) as unknown as ListPage
  const command = async (path: string, given: RequestOptions = {}): Promise<Accepted> =>
    (await request("POST", path, { body: {}, ...given })) as unknown as Accepted
  const part = encodeURIComponent

  return {
    request,
    defineWorkflow: async (slug, body) => dataOf(await request("PUT", `/workflows/${part(slug)}`, { body })),
    run: (workflow, { idempotencyKey, ...body } = {}) =>
      command(`/workflows/${part(workflow)}/run`, {
        body,
        ...(idempotencyKey === undefined ? {} : { idempotencyKey })
      }),
    getRun: (id) => single(`/runs/${part(id)}`),
    listRuns: (query) => list("/runs", query),
    cancelRun: (id, reason) => command(`/runs/${part(id)}/cancel`, { body: reason === undefined ? {} : { reason } }),
    recoverRun: (id) => command(`/runs/${part(id)}/recover`),
    getRecovery: (id) => single(`/recoveries/${part(id)}`),
    listRecoveries: (query) => list("/recoveries", query),
    planRecovery: async (assetId, partitionKey) =>
      dataOf(
        await request("POST", "/recoveries/plan", {
          body: { assetId, ...(partitionKey === undefined ? {} : { partitionKey }) }
        })
      ),
    queueHealth: () => single("/admin/queue-health"),
    ...assetCalls(request)
  }
}

type AssetCalls =
  | "diffRuns"
  | "listAssets"
  | "getAsset"
  | "lineage"
  | "listWorkflowAssets"
  | "assetHistory"
  | "diffGenerations"
  | "listPartitions"
  | "autoMaterialize"
  | "getPartitionParameters"
  | "setPartitionParameters"
  | "markStale"
  | "clearStale"

const assetCalls = (request: Client["request"]): Pick<Client, AssetCalls> => {
  const part = encodeURIComponent
  const asked = (query: RequestOptions["query"]) => (query === undefined ? {} : { query })
  const single = async (path: string, query?: RequestOptions["query"]) =>
    dataOf(await request("GET", path, asked(query)))
  const list = async (path: string, query: RequestOptions["query"]): Promise<ListPage> =>
    (await request("GET", path, asked(query))) as unknown as ListPage
  const command = async (method: string, path: string, body?: unknown): Promise<Accepted> =>
    (await request(method, path, body === undefined ? {} : { body })) as unknown as Accepted
  const asset = (workflow: string, assetId: string) => `/workflows/${part(workflow)}/assets/${part(assetId)}`
  const partition = (workflow: string, assetId: string, partitionKey: string | null) =>
    `${asset(workflow, assetId)}${partitionKey === null ? "" : `/partitions/${part(partitionKey)}`}`
  return {
    diffRuns: (id, withId) => single(`/runs/${part(id)}/diff`, { with: withId }),
    listAssets: (query) => list("/assets", query),
    getAsset: (assetId, query) => single(`/assets/${part(assetId)}`, query),
    lineage: (query) => single("/lineage", query),
    listWorkflowAssets: (workflow, query) => list(`/workflows/${part(workflow)}/assets`, query),
    assetHistory: (workflow, assetId, query) => list(`${asset(workflow, assetId)}/history`, query),
    diffGenerations: (workflow, assetId, generation, query) =>
      single(`${asset(workflow, assetId)}/history/${generation}/diff`, query),
    listPartitions: (workflow, assetId, query) => list(`${asset(workflow, assetId)}/partitions`, query),
    autoMaterialize: (workflow, query) => list(`/workflows/${part(workflow)}/auto-materialize`, query),
    getPartitionParameters: (workflow, assetId, partitionKey) =>
      single(`${partition(workflow, assetId, partitionKey)}/parameters`),
    setPartitionParameters: (workflow, assetId, partitionKey, parameters) =>
      command("PUT", `${partition(workflow, assetId, partitionKey)}/parameters`, { parameters }),
    markStale: (workflow, assetId, partitionKey, note) =>
      command("POST", `${partition(workflow, assetId, partitionKey)}/stale`, { note }),
    clearStale: (workflow, assetId, partitionKey) =>
      command("DELETE", `${partition(workflow, assetId, partitionKey)}/stale`)
  }
}

const exchange = async (
  send: typeof fetch,
  url: URL,
  init: RequestInit
): Promise<readonly [status: number, text: string]> => {
  try {
    const response = await send(url, init)
    return [response.status, await response.text()]
  } catch (cause) {
    // Whoever aborted knows why.
    if (init.signal?.aborted === true) throw cause
    throw new ServerUnreachable(url.origin, cause)
  }
}

/** Undefined for what is no JSON; no content is null. */
const parsed = (text: string): Json | undefined => {
  if (text === "") return null
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const dataOf = (answer: Json): JsonObject => {
  const data = isObject(answer) ? answer.data : undefined
  if (isObject(data)) return data
  throw new ApiError(200, { title: "the answer has no data" })
}

const textOf = (value: Json | undefined): string | undefined => (typeof value === "string" ? value : undefined)

/** `fetch failed` hides the reason in its cause, which for several addresses is a list. */
const reasonOf = (cause: unknown): string => {
  if (!(cause instanceof Error)) return String(cause)
  if (cause instanceof AggregateError && cause.errors.length > 0) return reasonOf(cause.errors[0])
  return cause.cause === undefined ? cause.message : reasonOf(cause.cause)
}
