import { Result, Schema } from "effect"
import { type Decider, nothing } from "./Decider.ts"
import { Role } from "./Role.ts"
import { IllegalTransition } from "./run/RunCommands.ts"

/** The secret before stays valid beside the new one for at most a day, in ms. */
export const overlapMsMax = 86_400_000

// ---------------------------------------------------------------- commands

/** What is kept of a secret: its first characters, to tell it from others, and its SHA-256 in hex. */
export interface Kept {
  readonly prefix: string
  readonly hash: string
}

export type Unstamped =
  | ({
      readonly _tag: "Issue"
      readonly name: string
      readonly role: Role
      /** Epoch ms; null: never. */
      readonly expiresAt: number | null
      readonly by: string
    } & Kept)
  | ({
      readonly _tag: "Rotate"
      /** How long the secret before is still taken, ms. */
      readonly overlapMs: number
      /** The new end of the token; undefined: as before. */
      readonly expiresAt: number | null | undefined
      readonly by: string
    } & Kept)
  | { readonly _tag: "Revoke"; readonly reason: string; readonly by: string }
  | { readonly _tag: "Read" }
export type Command = Unstamped & { readonly now: number }

// ------------------------------------------------------------------ events

const Time = Schema.NullOr(Schema.Int)

/**
 * Stored forever. Add a field only with a decoding default; never rename. Times of the events are in the envelope
 * (`at`). The secret itself is in none of them: 256 random bits, so that their hash tells nothing.
 */
export const Event = Schema.TaggedUnion({
  TokenIssued: {
    ...{ name: Schema.String, role: Role, prefix: Schema.String, hash: Schema.String },
    ...{ expiresAt: Time, by: Schema.String }
  },
  /** `previousUntil`: how long the secret before is still taken; null: it ends with this event. */
  TokenRotated: {
    ...{ prefix: Schema.String, hash: Schema.String, previousUntil: Time },
    ...{ expiresAt: Time, by: Schema.String }
  },
  TokenRevoked: { reason: Schema.String, by: Schema.String }
})
export type Stored = typeof Event.Type
export type Event = Stored & { readonly at: number }

// ------------------------------------------------------------------- state

export interface Issued extends Kept {
  readonly name: string
  readonly role: Role
  readonly expiresAt: number | null
  /** The secret before the last rotation, as long as it is still taken. */
  readonly previous: { readonly hash: string; readonly until: number } | null
  readonly issuedAt: number
  readonly issuedBy: string
  readonly rotatedAt: number | null
  readonly revokedAt: number | null
  readonly revokedBy: string | null
}

/** `version`: events so far; `token` is null before the first. */
export interface State {
  readonly version: number
  readonly token: Issued | null
}

export const initial: State = { version: 0, token: null }

export type Status = "active" | "expired" | "revoked"

export const statusOf = ({ expiresAt, revokedAt }: Issued, now: number): Status => {
  if (revokedAt !== null) return "revoked"
  return expiresAt !== null && expiresAt <= now ? "expired" : "active"
}

/** Whether the secret with this hash opens the door at this time. */
export const admits = (token: Issued, hash: string, now: number): boolean => {
  if (statusOf(token, now) !== "active") return false
  return token.hash === hash || (token.previous?.hash === hash && token.previous.until > now)
}

// ----------------------------------------------------------------- decider

type Decision = Result.Result<ReadonlyArray<Event>, IllegalTransition>

const rotate = (command: Command & { readonly _tag: "Rotate" }, token: Issued): Decision => {
  const { by, hash, now: at, overlapMs, prefix } = command
  const status = statusOf(token, at)
  if (status !== "active") return Result.fail(new IllegalTransition({ command: "rotate", status }))
  const previousUntil = overlapMs === 0 ? null : at + Math.min(overlapMs, overlapMsMax)
  const expiresAt = command.expiresAt === undefined ? token.expiresAt : command.expiresAt
  return Result.succeed([{ _tag: "TokenRotated", prefix, hash, previousUntil, expiresAt, by, at }])
}

/** A token that was never issued takes no command: whoever asked sees that there is none. */
export const decide = (command: Command, { token }: State): Decision => {
  switch (command._tag) {
    case "Issue": {
      if (token !== null) return nothing
      const { now: at, ...issued } = command
      return Result.succeed([{ ...issued, _tag: "TokenIssued", at }])
    }
    case "Rotate":
      return token === null ? nothing : rotate(command, token)
    case "Revoke":
      if (token === null || token.revokedAt !== null) return nothing
      return Result.succeed([{ _tag: "TokenRevoked", reason: command.reason, by: command.by, at: command.now }])
    case "Read":
      return nothing
  }
}

const evolved = (token: Issued | null, event: Event): Issued | null => {
  if (event._tag === "TokenIssued") {
    const { expiresAt, hash, name, prefix, role } = event
    return {
      ...{ name, role, prefix, hash, expiresAt, previous: null },
      ...{ issuedAt: event.at, issuedBy: event.by, rotatedAt: null, revokedAt: null, revokedBy: null }
    }
  }
  if (token === null) return null
  if (event._tag === "TokenRevoked") return { ...token, revokedAt: event.at, revokedBy: event.by, previous: null }
  const { expiresAt, hash, prefix, previousUntil } = event
  const previous = previousUntil === null ? null : { hash: token.hash, until: previousUntil }
  return { ...token, prefix, hash, expiresAt, previous, rotatedAt: event.at }
}

export const evolve = ({ token, version }: State, event: Event): State => ({
  version: version + 1,
  token: evolved(token, event)
})

export const decider: Decider<State, Command, Event, IllegalTransition> = { initial, decide, evolve }
