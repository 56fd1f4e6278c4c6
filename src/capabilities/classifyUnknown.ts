import { Predicate } from "effect"
import { type Failure, type FailureClass, storableText } from "../domain/Failure.ts"
import { classifyDuckDb } from "./duckdbClassification.ts"
import { classifyStatus } from "./httpClassification.ts"
import { StoreError } from "./ObjectStore.ts"

/** How far an error's `cause` is followed. */
const causesMax = 5

/**
 * The failure that a thrown value stands for, whoever threw it: a library that a job uses, Node itself, or a store.
 * What is not recognized is `transient`, with its message kept. An error that wraps a recognized one (`cause`) is
 * classified by the one inside, and both messages are kept.
 */
export const classifyUnknown = (error: unknown): Failure => {
  const outer = messageOf(error)
  let current = error
  for (let depth = 0; depth <= causesMax; depth++) {
    const found = recognize(current)
    if (found !== undefined) {
      const message = outer.includes(found.message) ? outer : `${outer}: ${found.message}`
      return { ...found, message: storableText(depth === 0 ? found.message : message) }
    }
    if (!Predicate.hasProperty(current, "cause") || current.cause === undefined) break
    current = current.cause
  }
  return { class: "transient", code: "unrecognized", message: storableText(outer) }
}

const recognize = (error: unknown): Failure | undefined => {
  if (error instanceof StoreError) return error.failure
  if (!Predicate.isObject(error)) return undefined
  return ofAbort(error) ?? ofSystem(error) ?? ofObjectStore(error) ?? ofDuckDb(error) ?? ofHttp(error)
}

const failure = (error: object, failureClass: FailureClass, code: string, more: Partial<Failure> = {}): Failure => ({
  class: failureClass,
  code,
  message: messageOf(error),
  ...more
})

const ofAbort = (error: object): Failure | undefined => {
  const name = text(error, "name")
  if (name === "AbortError") return failure(error, "transient", "aborted")
  return name === "TimeoutError" ? failure(error, "transient", "timed_out") : undefined
}

/** Errors of Node, and of libraries that borrow its `code`. */
const ofSystem = (error: object): Failure | undefined => {
  const code = text(error, "code")
  if (code === "NODE_NOT_FOUND")
    return failure(error, "asset_missing", "node_not_found", keyOf(error, "nodeId", "path"))
  // ENOENT is also how a missing program and a missing socket are reported: those are no assets.
  if (code === "ENOENT" && !/^(?:spawn|connect|uv_)/.test(text(error, "syscall") ?? "")) {
    return failure(error, "asset_missing", "not_found", keyOf(error, "path"))
  }
  return undefined
}

/** Errors of S3 clients: the SDK says `name`, others say `code`; the status is in `$metadata`. */
const ofObjectStore = (error: object): Failure | undefined => {
  const status = statusOf(error)
  const names = [text(error, "name"), text(error, "Code"), text(error, "code")]
  const is = (...wanted: ReadonlyArray<string>) => names.some((name) => name !== undefined && wanted.includes(name))
  const more = { ...statusField(status), ...keyOf(error, "Key", "key") }
  if (is("NoSuchKey")) return failure(error, "asset_missing", "not_found", more)
  if (is("NotFound") && status === 404) return failure(error, "asset_missing", "not_found", more)
  // A bucket that is gone says nothing about the objects; and these three pass by themselves.
  if (is("NoSuchBucket")) return failure(error, "transient", "bucket_missing", more)
  if (is("ExpiredToken", "RequestTimeTooSkewed", "RequestTimeout")) return failure(error, "transient", "refused", more)
  return undefined
}

const ofDuckDb = (error: object): Failure | undefined => {
  const message = messageOf(error)
  const row = classifyDuckDb(message)
  if (row === undefined) return undefined
  const path = /"([^"]+)"/.exec(message)?.[1]
  return failure(error, row.class, row.code, row.code === "not_found" && path !== undefined ? { key: path } : {})
}

const ofHttp = (error: object): Failure | undefined => {
  const status = statusOf(error)
  const row = status === undefined ? undefined : classifyStatus(status)
  return row === undefined
    ? undefined
    : failure(error, row.class, row.code, { ...statusField(status), ...urlOf(error) })
}

/** Where HTTP clients put what was asked and answered: on the error, its response, its reason or its configuration. */
const parts = (error: object): ReadonlyArray<object> =>
  [
    error,
    field(error, "response"),
    field(error, "reason"),
    field(field(error, "reason"), "response"),
    field(error, "$metadata"),
    field(error, "request"),
    field(field(error, "response"), "request"),
    field(error, "config"),
    field(error, "options")
  ].filter(Predicate.isObject)

const statusOf = (error: object): number | undefined => {
  for (const part of parts(error)) {
    for (const name of ["status", "statusCode", "httpStatusCode"]) {
      const value = field(part, name)
      if (typeof value === "number" && Number.isInteger(value) && value >= 300 && value <= 599) return value
    }
  }
  return undefined
}

const statusField = (status: number | undefined): Partial<Failure> => (status === undefined ? {} : { status })

const urlOf = (error: object): Partial<Failure> => {
  for (const part of parts(error)) {
    const value = field(part, "url")
    if (typeof value === "string" || value instanceof URL) return { url: storableText(String(value)) }
  }
  return {}
}

const keyOf = (error: object, ...names: ReadonlyArray<string>): Partial<Failure> => {
  for (const name of names) {
    const value = text(error, name)
    if (value !== undefined) return { key: storableText(value) }
  }
  return {}
}

const field = (from: unknown, name: string): unknown => (Predicate.isObject(from) ? Reflect.get(from, name) : undefined)

const text = (from: object, name: string): string | undefined => {
  const value = field(from, name)
  return typeof value === "string" ? value : undefined
}

const messageOf = (error: unknown): string => {
  if (typeof error === "string") return error
  const message = field(error, "message")
  const name = field(error, "name")
  if (typeof message === "string" && message !== "") return message
  if (typeof name === "string" && name !== "") return name
  try {
    return JSON.stringify(error) ?? String(error)
  } catch {
    return Object.prototype.toString.call(error)
  }
}
