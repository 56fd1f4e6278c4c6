import { DateTime } from "effect"
import { type Issued, type Status, statusOf } from "./AccessToken.ts"
import type { Role } from "./Role.ts"

/** A token as people see it: everything but its secret and its hash. Times are ISO 8601. */
export interface AccessTokenView {
  readonly id: string
  readonly name: string
  readonly role: Role
  /** The first characters of the secret. */
  readonly prefix: string
  readonly status: Status
  readonly expiresAt: string | null
  /** Until when the secret before the last rotation is taken; null: it is not. */
  readonly previousUntil: string | null
  readonly createdAt: string
  readonly createdBy: string
  readonly rotatedAt: string | null
  readonly revokedAt: string | null
  readonly revokedBy: string | null
}

const time = (epochMs: number): string => DateTime.formatIso(DateTime.makeUnsafe(epochMs))
const iso = (epochMs: number | null) => (epochMs === null ? null : time(epochMs))

export const view = (id: string, token: Issued, now: number): AccessTokenView => {
  const { issuedAt, issuedBy, name, prefix, previous, revokedBy, role } = token
  const isOverlapping = previous !== null && previous.until > now
  return {
    ...{ id, name, role, prefix, status: statusOf(token, now) },
    expiresAt: iso(token.expiresAt),
    previousUntil: iso(isOverlapping ? previous.until : null),
    ...{ createdAt: time(issuedAt), createdBy: issuedBy },
    rotatedAt: iso(token.rotatedAt),
    ...{ revokedAt: iso(token.revokedAt), revokedBy }
  }
}
