import type { ValidateFunction } from "ajv"
import { Ajv2020 } from "ajv/dist/2020.js"
import { createHash } from "node:crypto"
import { mayAct } from "../../src/http/api/Guards.ts"
import { bodyBytesMax } from "../../src/http/Rules.ts"
import { templateOf } from "../../src/http/Routes.ts"
import { components, type JsonSchema, type Operation, operations } from "./document.ts"
import type { FuzzRequest } from "./requests.ts"
import type { RawAnswer } from "./transport.ts"

/** Every answer comes within this time, also on a slow machine, ms. */
export const answerMsMax = 10_000

const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: false })
const compiled = new Map<string, ValidateFunction>()

const validator = (key: string, schema: JsonSchema): ValidateFunction => {
  const known = compiled.get(key)
  if (known !== undefined) return known
  const made = ajv.compile({ ...schema, components })
  compiled.set(key, made)
  return made
}

const byRoute = new Map(operations.map((operation) => [`${operation.method} ${operation.path}`, operation]))

/** The operation that the router gives the request to, whatever it was made for; undefined: none. */
export const operationOf = ({ method, target }: FuzzRequest): Operation | undefined => {
  const asked = method === "HEAD" ? "GET" : method
  return byRoute.get(`${asked} ${templateOf(method, target)}`)
}

/** What may come before any route is asked: malformed, too slow, too large. */
const transportStatuses = [400, 408, 413, 431]
/** No such path, method or prefix. */
const unroutedStatuses = [404, 405, 308, 501]

/** What is wrong with the answer; empty: nothing. `secrets`: texts that only their own answer may show. */
export const faultsOf = (request: FuzzRequest, answer: RawAnswer, secrets: ReadonlyArray<string>): Array<string> => {
  if (answer.isLate) return [`no whole answer within ${answerMsMax} ms`]
  if (answer.status === 0) return request.isBroken ? [] : ["the connection ended without an answer"]
  const faults = leaks(answer, secrets)
  const operation = operationOf(request)
  if (!isText(request.target)) return [...faults, ...noTextFaults(request, answer)]
  // What says that it is too large is not read, whoever sends it.
  const isTooLarge = request.body.byteLength > bodyBytesMax && answer.status === 413
  const refusedEarly = isTooLarge || (request.isBroken && transportStatuses.includes(answer.status))
  if (answer.status >= 500) faults.push(...serverFaults(request, answer, operation))
  else if (operation === undefined) faults.push(...unroutedFaults(request, answer))
  else if (!refusedEarly) faults.push(...guardFaults(request, answer, operation), ...statusFaults(answer, operation))
  return [...faults, ...bodyFaults(request, answer, operation)]
}

/** Bytes of a path that are UTF-8, and of a query that are escaped as they should be. */
const isText = (target: string): boolean => {
  const [path = "", ...query] = target.split("?")
  try {
    // An escape that is none is text in a path.
    decodeURIComponent(path.replaceAll(/%(?![0-9a-f]{2})/gi, "%25"))
    decodeURIComponent(query.join("?"))
    return true
  } catch {
    return false
  }
}

/** Refused before anything else is looked at, whoever asks and for whatever. */
const noTextFaults = (request: FuzzRequest, answer: RawAnswer): Array<string> => {
  if (request.isBroken && transportStatuses.includes(answer.status)) return []
  const isTooLarge = request.body.byteLength > bodyBytesMax && answer.status === 413
  const isRefused = answer.status === 400 && (request.method === "HEAD" || codeOf(answer) === "invalid_input")
  return isTooLarge || isRefused ? [] : [`${answer.status} for a URL that is no text`]
}

const leaks = ({ headers, text }: RawAnswer, secrets: ReadonlyArray<string>): Array<string> => {
  const whole = `${JSON.stringify(headers)}${text}`
  return secrets.some((secret) => whole.includes(secret)) ? ["the answer shows a token or its hash"] : []
}

/** What nobody but the holder may see of a token. */
export const secretsOf = (token: string): ReadonlyArray<string> => {
  const digest = createHash("sha256").update(token).digest()
  return [token, digest.toString("hex"), digest.toString("base64").replace(/=+$/, ""), digest.toString("base64url")]
}

/** 503 is for a list that is behind the asked position, and for a process that is not ready: both say why. */
const serverFaults = (request: FuzzRequest, answer: RawAnswer, operation: Operation | undefined): Array<string> => {
  const code = codeOf(answer)
  const isExplained =
    answer.status === 503 &&
    ((code === "projection_behind" && request.target.includes("minPosition=")) || operation?.path === "/readyz")
  const isUnknownMethod = answer.status === 501 && operation === undefined
  return isExplained || isUnknownMethod ? [] : [`${answer.status} ${code}`]
}

const unroutedFaults = ({ body, isBroken, method }: FuzzRequest, { status }: RawAnswer): Array<string> =>
  unroutedStatuses.includes(status) ||
  (status === 413 && body.byteLength > bodyBytesMax) ||
  (isBroken && transportStatuses.includes(status)) ||
  (method === "OPTIONS" && status === 204)
    ? []
    : [`${status} from no route`]

/** Who may not is told so before anything else, and who may is not. */
const guardFaults = ({ asker }: FuzzRequest, { status }: RawAnswer, { id, role }: Operation): Array<string> => {
  if (role === null) return status === 401 || status === 403 ? [`${status} on an open route`] : []
  if (asker === "nobody" || asker === "wrong") return status === 401 ? [] : [`${status} without a valid token`]
  if (!mayAct(asker, role)) return status === 403 ? [] : [`${status} for ${asker}, who may not`]
  // A skip of a step that is not optional takes more than the route does.
  const mayBeForbidden = id === "steering.skipStep" && asker !== "admin"
  return status === 401 || (status === 403 && !mayBeForbidden) ? [`${status} for ${asker}, who may`] : []
}

const statusFaults = ({ status }: RawAnswer, { responses }: Operation): Array<string> =>
  responses[String(status)] === undefined ? [`the document does not declare ${status}`] : []

const typeOf = ({ headers }: RawAnswer): string => headers["content-type"] ?? ""

const bodyFaults = (request: FuzzRequest, answer: RawAnswer, operation: Operation | undefined): Array<string> => {
  if (request.method === "HEAD" || answer.status === 204) return []
  if (!/[/+]json\b/.test(typeOf(answer))) return answer.status >= 400 ? [`an error as ${typeOf(answer)}`] : []
  const body = jsonOf(answer)
  if (body === undefined) return ["the body is no JSON"]
  if (answer.status >= 300) {
    if (!typeOf(answer).startsWith("application/problem+json")) return [`an error as ${typeOf(answer)}`]
    const { code, status, title, type } = body as Readonly<Record<string, unknown>>
    if (typeof code !== "string" || typeof title !== "string" || typeof type !== "string" || status !== answer.status) {
      return ["a problem without code, title, type or its status"]
    }
  }
  const media = operation?.responses[String(answer.status)] ?? {}
  const schema = media[typeOf(answer).split(";")[0] ?? ""]
  if (operation === undefined || schema === undefined || request.isBroken) return []
  const check = validator(`${operation.id} ${answer.status}`, schema)
  if (check(body)) return []
  const { instancePath, message } = check.errors?.[0] ?? {}
  return [`the body does not fit its schema: ${instancePath} ${message}`]
}

export const jsonOf = ({ text }: RawAnswer): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const codeOf = (answer: RawAnswer): string => {
  const body = jsonOf(answer)
  const code = typeof body === "object" && body !== null && "code" in body ? body.code : undefined
  return String(code ?? "without a code")
}
