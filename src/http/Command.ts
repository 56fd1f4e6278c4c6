import type { Schema } from "effect"
import { hash } from "node:crypto"
import type { Caller } from "../actors/Engine.ts"
import * as Id from "../domain/Id.ts"
import { canonicalJson } from "../domain/JsonBounds.ts"

/** What of a request makes it the same command: the route (method and template), the ids in its path, its body. */
export interface CommandRequest {
  readonly principal: string
  readonly route: string
  readonly ids: ReadonlyArray<string>
  readonly headers: {
    readonly "idempotency-key"?: string | undefined
    readonly traceparent?: string | undefined
  }
  /** A body that was left out is the empty object. */
  readonly body: unknown
}

/**
 * Who asks, for the engine. With an Idempotency-Key the command has an id, scoped to principal and route, and the hash
 * of its body, so that a repetition finds the first answer and another body under the same key is refused.
 */
export const callerOf = ({ body, headers, ids, principal, route }: CommandRequest): Caller => {
  const key = headers["idempotency-key"]
  const traceparent = validTraceparent(headers.traceparent)
  const reason = reasonOf(body)
  return {
    principal,
    ...(reason === undefined ? {} : { reason }),
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(key === undefined
      ? {}
      : {
          commandId: Id.ofParts("command", principal, route, ...ids, key),
          // The body was parsed from JSON, so it is.
          requestHash: hash("sha256", canonicalJson((body ?? {}) as Schema.Json))
        })
  }
}

/** Why, if the person has said so: in the metadata of what follows, whatever the events themselves say. */
const reasonOf = (body: unknown): string | undefined =>
  typeof body === "object" && body !== null && "reason" in body && typeof body.reason === "string" && body.reason !== ""
    ? body.reason
    : undefined

/** W3C trace context, version 00. Anything else is ignored, as that standard demands: a trace never fails a request. */
const validTraceparent = (header: string | undefined): string | undefined => {
  const parts = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/.exec(header ?? "")
  if (parts === null || /^0+$/.test(parts[1]!) || /^0+$/.test(parts[2]!)) return undefined
  return header
}
