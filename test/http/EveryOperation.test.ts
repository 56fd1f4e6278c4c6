import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { OpenApi } from "effect/http-api"
import { Api } from "../../src/http/api/Api.ts"
import { token } from "../chaos/serverProcess.ts"
import { type RawAnswer, type RawRequest, rawRequest } from "./rawRequest.ts"
import { type WholeServer, wholeServer } from "./wholeServer.ts"

interface JsonSchema {
  readonly type?: string
  readonly maximum?: number
  readonly description?: string
  readonly [keyword: string]: unknown
}

interface Parameter {
  readonly name: string
  readonly in: "path" | "query" | "header"
  readonly schema: JsonSchema
}

interface Operation {
  readonly method: string
  readonly path: string
  readonly name: string
  readonly parameters: ReadonlyArray<Parameter>
  readonly body?: JsonSchema
}

/** Every operation as the API's own document lists it, so that none can be forgotten here. */
const operations = Object.entries(OpenApi.fromApi(Api).paths).flatMap(([path, item]) =>
  Object.entries(item as Record<string, object>).map(([method, found]): Operation => {
    const { parameters = [], requestBody } = found as {
      readonly parameters?: ReadonlyArray<Parameter>
      readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: JsonSchema }>> }
    }
    const body = requestBody?.content["application/json"]?.schema
    const name = `${method.toUpperCase()} ${path}`
    return { method: method.toUpperCase(), path, name, parameters, ...(body === undefined ? {} : { body }) }
  })
)

/** These answer everybody, whatever else they are sent. */
const open = ["/livez", "/readyz", "/openapi.json", "/docs"]
const guarded = operations.filter(({ path }) => !open.includes(path))
const withBody = guarded.filter(({ body }) => body !== undefined)
const paramsOf = (operation: Operation, place: Parameter["in"]) =>
  operation.parameters.filter((parameter) => parameter.in === place)
const queries = guarded.flatMap((operation) =>
  paramsOf(operation, "query").map((parameter) => ({ operation, parameter }))
)
const named = (...names: ReadonlyArray<string>) => queries.filter(({ parameter }) => names.includes(parameter.name))

/** A request with one fault, and what its answer has to be. */
interface Case {
  readonly what: string
  readonly sent: Omit<RawRequest, "target">
  readonly target: string
  readonly status: ReadonlyArray<number>
  readonly code?: string
  /** Place and path of the fault that the answer names. */
  readonly fault?: readonly [place: string, path: string]
  readonly says?: RegExp
}

const bearer = ["authorization", `Bearer ${token}`] as const
const json = ["content-type", "application/json"] as const
const future = "7fffffff-7fffffffffffffff-7fffffffffffffff"
/** So long nothing may take: it would be a hang. Waiting for a position is bounded by 5 s. */
const limitMs = 25_000

const refused = { status: [400], code: "invalid_input" } as const
const about = ({ method, name }: Operation, more: Partial<RawRequest> = {}) => ({
  what: name,
  sent: { method, headers: [bearer], ...more }
})
const withJson = (operation: Operation, body: string | Uint8Array, more: Partial<RawRequest> = {}) =>
  about(operation, { body, headers: [bearer, json], ...more })
const plain = (operation: Operation) => (operation.body === undefined ? about(operation) : withJson(operation, "{}"))

let server: WholeServer
beforeAll(async () => {
  server = await wholeServer()
}, 120_000)
afterAll(() => server?.close())

/** What is wrong with the answer; undefined: nothing. */
const wrong = ({ code, fault, says, status }: Case, answer: RawAnswer): string | undefined => {
  if (!status.includes(answer.status)) return `status ${answer.status}, not ${status.join(" or ")}`
  if (answer.status < 400) return undefined
  if (answer.contentType !== "application/problem+json") return `content type ${answer.contentType}`
  const problem = JSON.parse(answer.text) as {
    readonly code: string
    readonly type: string
    readonly detail?: string
    readonly errors?: ReadonlyArray<{ readonly in: string; readonly path: string; readonly message: string }>
  }
  if (!/^[a-z_]+$/.test(problem.code) || problem.type !== `urn:kintsugi:problem:${problem.code}`) return "no code"
  if (code !== undefined && problem.code !== code) return `code ${problem.code}, not ${code}`
  if (problem.code === "invalid_input" && (problem.errors ?? []).length === 0) return "names no place"
  const faults = (problem.errors ?? []).map((error) => `${error.in} ${error.path}`)
  if (fault !== undefined && !faults.includes(fault.join(" "))) return `names ${faults.join()}, not ${fault.join(" ")}`
  if (says !== undefined && !says.test(answer.text)) return `does not say ${says}`
  return undefined
}

/** Sends all of them, several at once, and tells every one that was answered wrongly. */
const check = async (cases: ReadonlyArray<Case>) => {
  assert.isNotEmpty(cases)
  const faults: Array<string> = []
  const left = [...cases]
  const worker = async () => {
    for (let one = left.shift(); one !== undefined; one = left.shift()) {
      const { sent, target, what } = one
      const answer = await rawRequest(server.url, { ...sent, target: server.fill(target) }, limitMs)
      const fault = wrong(one, answer)
      if (fault !== undefined) faults.push(`${what}: ${fault}: ${answer.text.slice(0, 400)}`)
    }
  }
  await Promise.all(Array.from({ length: 12 }, worker))
  assert.deepStrictEqual(faults, [])
}

const asked = (operation: Operation, query: string) => `${operation.path}?${query}`
const isList = ({ schema }: Parameter) => JSON.stringify(schema).includes('"array"')
/** A required parameter that is not the one asked about. */
const others = (operation: Operation, name: string) =>
  paramsOf(operation, "query").some((parameter) => parameter.name === "with") && name !== "with" ? "&with=x" : ""

describe("every operation of the API", () => {
  it("is in the document with its parameters and bodies", () => {
    assert.isAbove(operations.length, 80)
    assert.isAbove(withBody.length, 35)
    assert.isAbove(queries.length, 80)
    assert.isAtLeast(named("at").length, 6)
    assert.isAtLeast(named("after").length, 2)
  })

  it("refuses a query parameter that it does not know, by name", () =>
    check(
      guarded.map((operation) => ({
        ...plain(operation),
        target: asked(operation, `zzz=1${others(operation, "")}`),
        ...refused,
        fault: ["query", "zzz"]
      }))
    ))

  it("refuses a query parameter that is sent twice, by name, unless it is a list", () =>
    check(
      queries
        .filter(({ parameter }) => !isList(parameter))
        .map(({ operation, parameter: { name } }) => ({
          ...plain(operation),
          what: `${operation.name} ${name}`,
          target: asked(operation, `${name}=1&${name}=2${others(operation, name)}`),
          ...refused,
          fault: ["query", name]
        }))
    ))

  it("refuses text that is no UTF-8 in its path and query, escaped or as bytes", () =>
    check([
      ...guarded
        .filter((operation) => paramsOf(operation, "path").length > 0)
        .flatMap((operation) =>
          ["%ff", "%c3%28", "%ed%a0%80", "\xff"].map((text) => ({
            ...plain(operation),
            what: `${operation.name} ${JSON.stringify(text)}`,
            target: operation.path.replaceAll(/\{\w+\}/g, text),
            status: [400, 404]
          }))
        ),
      ...queries.flatMap(({ operation, parameter: { name } }) =>
        ["%ff", "%c3%28", "%zz", "%"].map((text) => ({
          ...plain(operation),
          what: `${operation.name} ${name}=${text}`,
          target: asked(operation, `${name}=${text}${others(operation, name)}`),
          ...refused,
          fault: ["query", name] as const
        }))
      ),
      ...guarded.map((operation) => ({
        ...plain(operation),
        target: asked(operation, "zzz=\xff"),
        status: [400],
        code: "malformed_request",
        says: /url/i
      }))
    ]))

  it("refuses filters and names of 10,000 characters, by name", () =>
    check([
      ...queries.map(({ operation, parameter, parameter: { name } }) => ({
        ...plain(operation),
        what: `${operation.name} ${name}`,
        target: asked(operation, `${name}=${"x".repeat(10_000)}${others(operation, name)}`),
        ...refused,
        fault: ["query", isList(parameter) ? `${name}[0]` : name] as const
      })),
      ...guarded
        .filter((operation) => paramsOf(operation, "path").length > 0)
        .map((operation) => ({
          ...plain(operation),
          target: operation.path.replaceAll(/\{\w+\}/g, "x".repeat(4_500)),
          status: [400, 404]
        }))
    ]))

  it("refuses a limit that is no count in its bounds", () =>
    check(
      named("limit").flatMap(({ operation }) => {
        const larger: Readonly<Record<string, string>> = { events: "100001", objects: "100001" }
        const beyond = larger[operation.path.split("/").at(-1)!] ?? "1001"
        return ["0", "-1", beyond, "1e9", "1000000000", "5.5", ""].map((limit) => ({
          ...plain(operation),
          what: `${operation.name} limit=${limit}`,
          target: asked(operation, `limit=${limit}`),
          ...refused,
          fault: ["query", "limit"] as const
        }))
      })
    ))

  it("refuses a cursor that it did not give", () =>
    check(
      named("cursor").flatMap(({ operation }) =>
        ["", "nonsense", "e30", "W10", "bnVsbA", "eyJhIjoxfQ", "..", future].map((cursor) => ({
          ...plain(operation),
          what: `${operation.name} cursor=${cursor}`,
          target: asked(operation, `cursor=${cursor}`),
          ...refused,
          fault: ["query", "cursor"] as const
        }))
      )
    ))

  it("refuses what is no position, and a time that is none", () =>
    check(
      named("at", "after", "minPosition").flatMap(({ operation, parameter: { name } }) =>
        ["", "0", "-1", "then", "2024-13-01", "2024-02-30T00:00:00", `${future}0`, future.toUpperCase()].map(
          (text) => ({
            ...plain(operation),
            what: `${operation.name} ${name}=${text}`,
            target: asked(operation, `${name}=${text}${others(operation, name)}`),
            ...refused,
            fault: ["query", name] as const
          })
        )
      )
    ))

  it("refuses a position of the future, and says where the log ends", () =>
    check(
      named("at", "after").map(({ operation, parameter: { name } }) => ({
        ...plain(operation),
        what: `${operation.name} ${name}`,
        target: asked(operation, `${name}=${future}`),
        ...refused,
        fault: ["query", name],
        says: /beyond the end of the log, [0-9a-f]{8}-[0-9a-f]{16}-[0-9a-f]{16}:/
      }))
    ))

  it("waits for a position of the future no longer than it says, and answers that it is behind", () =>
    check(
      named("minPosition").map(({ operation }) => ({
        ...plain(operation),
        target: asked(operation, `minPosition=${future}${others(operation, "")}`),
        status: [503],
        code: "projection_behind"
      }))
    ))

  it("knows nothing of a time before the first event, and says since when it does", () =>
    check(
      named("at").map(({ operation }) => ({
        ...plain(operation),
        target: asked(operation, `at=2001-01-01${operation.path.includes("{assetId}") ? "&partitionKey=a" : ""}`),
        status: operation.path.includes("{") ? [404] : [400],
        code: operation.path.includes("{") ? "not_found" : "invalid_input",
        says: /began|begins|since|first/
      }))
    ))

  it("refuses headers that are sent twice, by name", () =>
    check([
      ...operations.map((operation) => ({
        ...about(operation, { headers: [bearer, bearer] }),
        target: operation.path,
        ...refused,
        fault: ["header", "authorization"] as const
      })),
      ...withBody.map((operation) => ({
        ...withJson(operation, "{}", { headers: [bearer, json, json] }),
        target: operation.path,
        ...refused,
        fault: ["header", "content-type"] as const
      })),
      ...guarded
        .filter((operation) => paramsOf(operation, "header").some(({ name }) => name === "idempotency-key"))
        .map((operation) => ({
          ...plain(operation),
          sent: {
            ...plain(operation).sent,
            headers: [bearer, json, ["idempotency-key", "a"], ["idempotency-key", "b"]]
          },
          target: operation.path,
          ...refused,
          fault: ["header", "idempotency-key"] as const
        }))
    ] as ReadonlyArray<Case>))

  it("refuses a body field that it does not know, by its path", () =>
    check(
      withBody.map((operation) => ({
        ...withJson(operation, '{"zzz":1}'),
        target: operation.path,
        ...refused,
        fault: ["body", "zzz"]
      }))
    ))

  it("refuses a body that is no object, no JSON, or no UTF-8", () =>
    check(
      withBody.flatMap((operation) =>
        ["null", "[]", "5", '"text"', "{", "\u0000", new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])].map(
          (body) => ({
            ...withJson(operation, body),
            what: `${operation.name} ${JSON.stringify(body)}`,
            target: operation.path,
            ...refused,
            fault: ["body", ""] as const
          })
        )
      )
    ))

  it("refuses a body of another content type, and one that says none", () =>
    check(
      withBody.flatMap((operation) =>
        ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", undefined].map(
          (type) => ({
            ...withJson(operation, "{}", { headers: type === undefined ? [bearer] : [bearer, ["content-type", type]] }),
            what: `${operation.name} ${type}`,
            target: operation.path,
            status: [415],
            code: "unsupported_media_type"
          })
        )
      )
    ))

  it("refuses a body over 1 MiB, with its length told or not", () => {
    const body = JSON.stringify({ padding: "x".repeat(1024 * 1024) })
    const tooLarge = { status: [413], code: "body_too_large" }
    return check([
      ...operations
        .filter(({ method }) => method !== "GET")
        .map((operation) => ({ ...withJson(operation, body), target: operation.path, ...tooLarge })),
      ...withBody.map((operation) => ({
        ...withJson(operation, body, { isChunked: true }),
        what: `${operation.name} in chunks`,
        target: operation.path,
        ...tooLarge
      }))
    ])
  })

  // The last: whatever needs nothing to be said is done.
  it("answers a command without a body, or with an empty one, at once: done, or refused with the reason", () =>
    check(
      guarded
        .filter(({ method }) => method !== "GET")
        .flatMap((operation) =>
          [about(operation), about(operation, { body: "" })].map((one) => ({
            ...one,
            target: operation.path,
            status: [200, 202, 400, 404, 409]
          }))
        )
    ))
})
