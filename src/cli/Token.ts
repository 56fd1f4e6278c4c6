import { Console, Effect, Schema } from "effect"
import * as Remote from "./Remote.ts"
import type { ClientSettings } from "./Settings.ts"

const nullable = Schema.NullOr(Schema.String)
const Token = Schema.Struct({
  ...{ id: Schema.String, name: Schema.String, role: Schema.String, prefix: Schema.String, status: Schema.String },
  ...{ expiresAt: nullable, previousUntil: nullable, lastUsedAt: nullable },
  ...{ createdAt: Schema.String, createdBy: Schema.String },
  ...{ rotatedAt: nullable, revokedAt: nullable, revokedBy: nullable }
})
type Token = typeof Token.Type
const One = Schema.Struct({ data: Token })
const WithSecret = Schema.Struct({ data: Schema.Struct({ ...Token.fields, token: nullable }) })
const Page = Schema.Struct({ data: Schema.Array(Token), nextCursor: nullable })

const base = "/admin/tokens"
const placeOf = (id: string) => `${base}/${encodeURIComponent(id)}`
/** Tokens that the server is asked for at once, its limit. */
const pageSize = 500

export interface Issue {
  readonly name: string
  readonly role: string
  readonly expiresAt: string | undefined
}

/** Issues a token and prints its secret, which nobody can show again. */
export const create = Effect.fn("Token.create")(function* (settings: ClientSettings, asked: Issue, json: boolean) {
  const remote = yield* Remote.connect(settings)
  const { expiresAt, ...rest } = asked
  const body = expiresAt === undefined ? rest : { ...rest, expiresAt }
  yield* tellSecret((yield* remote.call(WithSecret, "POST", base, body)).data, json)
})

export interface Rotate {
  readonly id: string
  /** How long the secret before is still taken, ms. */
  readonly overlapMs: number | undefined
  readonly expiresAt: string | undefined
}

/** Gives a token a new secret and prints it. */
export const rotate = Effect.fn("Token.rotate")(function* (settings: ClientSettings, asked: Rotate, json: boolean) {
  const remote = yield* Remote.connect(settings)
  const { id, ...rest } = asked
  const body = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
  yield* tellSecret((yield* remote.call(WithSecret, "POST", `${placeOf(id)}/rotate`, body)).data, json)
})

export const list = Effect.fn("Token.list")(function* (settings: ClientSettings, json: boolean) {
  const remote = yield* Remote.connect(settings)
  const all: Array<Token> = []
  let cursor: string | null = null
  do {
    const more: string = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`
    const page: typeof Page.Type = yield* remote.call(Page, "GET", `${base}?limit=${pageSize}${more}`)
    all.push(...page.data)
    cursor = page.nextCursor
  } while (cursor !== null)
  if (json) return yield* Console.log(JSON.stringify(all))
  if (all.length === 0) return yield* Console.log("no token was issued yet: kintsugi token create NAME --role viewer")
  const rows = all.map(({ expiresAt, id, lastUsedAt, name, prefix, role, status }) => [
    ...[id, role, status, `${prefix}…`, expiresAt ?? "never", lastUsedAt ?? "never", name]
  ])
  const lines = table([["id", "role", "status", "token", "expires", "last used", "name"], ...rows])
  for (const line of lines) yield* Console.log(line)
})

export const show = Effect.fn("Token.show")(function* (settings: ClientSettings, id: string, json: boolean) {
  const remote = yield* Remote.connect(settings)
  const { data } = yield* remote.call(One, "GET", placeOf(id))
  if (json) return yield* Console.log(JSON.stringify(data))
  const told = Object.entries(data).map(([field, value]) => [field, value ?? "-"])
  for (const line of table(told)) yield* Console.log(line)
})

export const revoke = Effect.fn("Token.revoke")(function* (
  settings: ClientSettings,
  { id, reason }: { readonly id: string; readonly reason: string | undefined },
  json: boolean
) {
  const remote = yield* Remote.connect(settings)
  const why = reason === undefined ? "" : `?reason=${encodeURIComponent(reason)}`
  const { data } = yield* remote.call(One, "DELETE", `${placeOf(id)}${why}`)
  yield* Console.log(json ? JSON.stringify(data) : `token ${data.id} (${data.name}) is ${data.status}`)
})

/** The secret alone is on stdout, so that a script can keep it without it ever being shown. */
const tellSecret = Effect.fnUntraced(function* (data: Token & { readonly token: string | null }, json: boolean) {
  if (json) return yield* Console.log(JSON.stringify(data))
  const until = data.expiresAt === null ? "it does not expire" : `it expires at ${data.expiresAt}`
  yield* Console.error(`token ${data.id} (${data.name}) has the role ${data.role}; ${until}. Shown only now:`)
  yield* Console.log(data.token ?? "")
})

const table = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd()
  )
}
