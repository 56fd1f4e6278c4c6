import fc from "fast-check"
import { bodies } from "./commands.ts"
import { type JsonSchema, type Operation, operations, type Parameter } from "./document.ts"
import { placeFor } from "./places.ts"
import type { RawRequest } from "./transport.ts"
import { hostileJson, hostileText, mutated, named, ofSchema } from "./values.ts"
import type { Place, World } from "./world.ts"

export const askers = ["admin", "operator", "viewer", "wrong", "nobody"] as const

/** Who asks: a role with its token, somebody with a wrong token, or nobody. */
export type Asker = (typeof askers)[number]

export interface FuzzRequest extends RawRequest {
  readonly asker: Asker
  /** The bytes themselves are in disorder: the server may refuse them before it looks at the route. */
  readonly isBroken: boolean
}

export type Tokens = Readonly<Record<Exclude<Asker, "nobody">, string>>

type Headers = ReadonlyArray<readonly [string, string]>

/** Each byte that a URL does not take as it is, escaped; half surrogates become replacement characters. */
const escaped = (text: string): string => encodeURIComponent(text.toWellFormed())

/** Escapes that no well-behaved client writes. */
const rawEscapes = fc.constantFrom(
  "%",
  "%zz",
  "%ff",
  "%ed%a0%80",
  "%c0%ae%c0%ae",
  "%00",
  "a%0d%0ab",
  "%2F",
  "+",
  ";a=b"
)

const urlValue = (world: World, { name }: Parameter, path: string): fc.Arbitrary<string> =>
  fc.oneof({ weight: 30, arbitrary: named(world, name, path).map(escaped) }, { weight: 1, arbitrary: rawEscapes })

const words: Readonly<Record<string, ReadonlyArray<string>>> = {
  limit: ["1", "2", "50", "500"],
  depth: ["0", "1", "3"],
  from: ["2020-01-01", "2026-01-01T00:00:00+02:00"],
  to: ["2099-01-01T00:00:00Z", "2030-06-01"],
  channel: ["ops", "picky", "none"],
  reasonCode: ["run_failed", "escalated"]
}

/** What mostly fits: a word of a closed list, a cursor that this list gave, a number where one is meant. */
const queryValue = (world: World, parameter: Parameter, { id, path }: Operation): fc.Arbitrary<string> => {
  const { items, enum: closed } = parameter.schema as { readonly items?: JsonSchema; readonly enum?: unknown }
  const known = words[parameter.name] ?? closed ?? items?.enum
  const usual = Array.isArray(known)
    ? fc.constantFrom(...(known as ReadonlyArray<string>))
    : parameter.name === "cursor"
      ? fc.nat(1_000).map((index) => world.pick(`cursor of ${id}`, index) ?? "no-cursor")
      : null
  if (usual === null) return urlValue(world, parameter, path)
  return fc.oneof(
    { weight: 12, arbitrary: usual.map(escaped) },
    { weight: 1, arbitrary: hostileText.map(escaped) },
    { weight: 1, arbitrary: urlValue(world, parameter, path) }
  )
}

/** `isExact`: nothing but what the operation knows, each once. */
const target = (world: World, operation: Operation, place: Place, isExact = false): fc.Arbitrary<string> => {
  const { parameters, path } = operation
  const inPath = parameters.filter((parameter) => parameter.in === "path")
  const inQuery = parameters.filter((parameter) => parameter.in === "query")
  const placed = ({ name }: Parameter) => (place[name] === undefined ? null : fc.constant(escaped(place[name])))
  const paths = fc.tuple(...inPath.map((parameter) => placed(parameter) ?? urlValue(world, parameter, path)))
  const pairs = inQuery.map((parameter) =>
    fc.tuple(
      fc.constant(parameter.name),
      placed(parameter) ?? queryValue(world, parameter, operation),
      fc.nat(9).map((chance) => {
        if (parameter.required || place[parameter.name] !== undefined) return true
        return chance < (parameter.name === "minPosition" ? 1 : 4)
      })
    )
  )
  const none = fc.constant("none" as const)
  const mayHaveMore = fc.oneof(
    { weight: 20, arbitrary: none },
    { weight: 1, arbitrary: fc.constant("twice" as const) },
    { weight: 1, arbitrary: hostileText }
  )
  const extra = isExact ? none : mayHaveMore
  return fc.tuple(paths, fc.tuple(...pairs), extra).map(([values, query, more]) => {
    const filled = inPath.reduce((text, { name }, index) => text.replace(`{${name}}`, () => values[index]!), path)
    const asked = query.filter(([, , isAsked]) => isAsked).map(([name, value]) => `${name}=${value}`)
    const added = more === "none" ? asked : more === "twice" ? [...asked, ...asked] : [...asked, `${escaped(more)}=1`]
    return added.length === 0 ? filled : `${filled}?${added.join("&")}`
  })
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value) ?? "")

const hostileBytes: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 6, arbitrary: hostileJson.map(json) },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom<Array<string>>("{", "[", '{"a":1', "nul", '"\\ud800"', "\ufeff{}", '{"a":1,"a":2}', "{}{}", "1e999")
      .map((text) => Buffer.from(String(text)))
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom("ff", "7b22c328223a317d", "fffe7b007d00", "00").map((hex) => Buffer.from(hex, "hex"))
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(50_000, 400_000).map((depth) => Buffer.from("[".repeat(depth) + "]".repeat(depth)))
  },
  { weight: 1, arbitrary: fc.constantFrom(1_048_560, 1_048_576, 1_048_577).map((size) => json("x".repeat(size - 2))) }
)

const noBody = fc.constant(Buffer.alloc(0))

/** A body that is mostly accepted; undefined: the operation takes none. */
const validBody = (world: World, { body, id, path }: Operation, place: Place): fc.Arbitrary<unknown> | undefined => {
  if (body === null) return undefined
  const bySchema = ofSchema(world, body, "", path)
  const known = bodies[id]?.(world, place)
  if (known === undefined) return bySchema
  return fc.oneof({ weight: 4, arbitrary: known }, { weight: id === "workflows.define" ? 0 : 1, arbitrary: bySchema })
}

const bodyOf = (world: World, operation: Operation, place: Place): fc.Arbitrary<Buffer> => {
  const valid = validBody(world, operation, place)
  if (valid === undefined) return noBody
  return fc.oneof(
    { weight: 8, arbitrary: valid.map(json) },
    { weight: 4, arbitrary: valid.chain(mutated).map(json) },
    { weight: 1, arbitrary: hostileBytes },
    { weight: 1, arbitrary: noBody }
  )
}

/** What becomes of a request that is in order. Most stay as they are. */
type Twist = (request: FuzzRequest) => FuzzRequest

const broken =
  (change: (request: FuzzRequest) => Partial<FuzzRequest>): Twist =>
  (request) => ({ ...request, ...change(request), isBroken: true })

const again = (name: string, value: string): Twist =>
  broken(({ headers }) => ({ headers: [...headers, [name, value] as const] }))

const withoutLength = (headers: Headers): Headers => headers.filter(([name]) => !/^content-length$/i.test(name))

const twists: fc.Arbitrary<Twist> = fc.oneof(
  { weight: 40, arbitrary: fc.constant<Twist>((request) => request) },
  {
    weight: 3,
    arbitrary: fc.constantFrom<Array<Twist>>(
      again("Authorization", "Bearer wrong"),
      again("Content-Type", "text/plain"),
      again("Host", "elsewhere"),
      again("Idempotency-Key", "second"),
      // More is promised than comes, so the sender goes away: else the server may wait for it.
      broken(({ headers }) => ({ headers: [...headers, ["Content-Length", "1"]], isCut: true })),
      broken(({ headers }) => ({ headers: [...headers, ["Transfer-Encoding", "chunked"]], isCut: true })),
      broken(({ headers }) => ({ headers: [...headers, ["Transfer-Encoding", "gzip, identity"]], isCut: true })),
      again("X-Long", "x".repeat(20_000)),
      again("X-Control", "a\u0001b"),
      again("Cookie", "kintsugi_session=; __proto__=1"),
      broken(({ body }) => ({ body: body.subarray(0, body.byteLength >> 1), isCut: true })),
      broken(({ headers }) => ({ headers: [...withoutLength(headers), ["Content-Length", "-1"]] })),
      broken(({ headers }) => ({ headers: [...withoutLength(headers), ["Content-Length", "99999999999"]] })),
      broken(({ body, headers }) => ({
        headers: [...withoutLength(headers), ["Transfer-Encoding", "chunked"]],
        body: Buffer.concat([Buffer.from(`${body.byteLength.toString(16)}\r\n`), body, Buffer.from("\r\n0\r\n\r\n")])
      })),
      broken(({ headers }) => ({ headers: headers.filter(([name]) => name !== "Host") })),
      broken(({ target }) => ({ target: `${target}${target.includes("?") ? "&" : "?"}limit=1&limit=2&__proto__=3` }))
    )
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom("HEAD", "OPTIONS", "PATCH", "DELETE", "PUT", "POST", "GET", "PROPFIND", "M-SEARCH")
      .map((method): Twist => broken(() => ({ method })))
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom("text/plain", "application/json; charset=latin1", "application/x-www-form-urlencoded", "", "a/b/c")
      .map(
        (type): Twist =>
          ({ headers, ...request }) => ({
            ...request,
            headers: headers.map(([name, value]) =>
              name === "Content-Type" ? ([name, type] as const) : ([name, value] as const)
            )
          })
      )
  }
)

const commandKeys = fc.oneof(
  { weight: 6, arbitrary: fc.constant(null) },
  { weight: 3, arbitrary: fc.nat(8).map((index) => `again-${index}`) },
  { weight: 1, arbitrary: fc.constantFrom("", " ", "x".repeat(201), "\u00e9", "__proto__", "a b") }
)

const traces = fc.constantFrom(
  null,
  null,
  null,
  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  "00-x-y-z",
  ""
)

const askerOf: fc.Arbitrary<Asker> = fc.oneof(
  { weight: 8, arbitrary: fc.constant<Asker>("admin") },
  { weight: 3, arbitrary: fc.constant<Asker>("operator") },
  { weight: 2, arbitrary: fc.constant<Asker>("viewer") },
  { weight: 1, arbitrary: fc.constantFrom<Array<Asker>>("wrong", "nobody") }
)

/** The request as it goes out when nothing about it is broken. */
export const plain = (
  tokens: Tokens,
  asker: Asker,
  method: string,
  path: string,
  body: Buffer = Buffer.alloc(0),
  more: Headers = []
): FuzzRequest => ({
  ...{ method, target: path, body, asker, isBroken: false, isCut: false },
  headers: [
    ["Host", "127.0.0.1"],
    ["Connection", "close"],
    ...(asker === "nobody" ? [] : [["Authorization", `Bearer ${tokens[asker]}`] as const]),
    ...(body.byteLength === 0 ? [] : [["Content-Type", "application/json"] as const]),
    ...(body.byteLength === 0 ? [] : [["Content-Length", String(body.byteLength)] as const]),
    ...more
  ]
})

/** They keep the world going: what the others need would soon be at its end. */
const movers = ["workflows.startRun", "backfills.requestBackfill", "bulk.requestBulk", "redactions.redact"]
const weighty = operations.filter(({ id }) => movers.includes(id)).flatMap((operation) => [operation, operation])

/** One request against the surface, by what is known of the world now. */
export const request = (world: World, tokens: Tokens): fc.Arbitrary<FuzzRequest> =>
  fc
    .constantFrom(...operations, ...weighty)
    .chain((operation) => {
      const place = fc.oneof(
        { weight: 3, arbitrary: placeFor(world, operation) },
        { weight: 1, arbitrary: fc.constant({}) }
      )
      return place.map((at) => ({ operation, place: at }))
    })
    .chain(({ operation, place }) => {
      const body = bodyOf(world, operation, place)
      const after = operation.parameters.some(({ name }) => name === "last-event-id")
        ? fc.option(named(world, "last-event-id", operation.path), { nil: null })
        : fc.constant(null)
      return fc
        .tuple(askerOf, target(world, operation, place), body, commandKeys, traces, after, twists)
        .map(([asker, to, bytes, key, trace, lastEventId, twist]) => {
          const takesKey = operation.parameters.some(({ name }) => name === "idempotency-key")
          const whole = twist(
            plain(tokens, asker, operation.method, to, bytes, [
              ...(key === null || !takesKey ? [] : [["Idempotency-Key", key] as const]),
              ...(trace === null ? [] : [["traceparent", trace] as const]),
              ...(lastEventId === null ? [] : [["Last-Event-ID", headerText(lastEventId)] as const])
            ])
          )
          return whole.target.length > targetCharsMax ? { ...whole, isBroken: true } : whole
        })
    })

/** A request of an admin to the operation, with a place and a body that should fit, and nothing beside them. */
export const fitting = (world: World, tokens: Tokens, operation: Operation): fc.Arbitrary<FuzzRequest> =>
  placeFor(world, operation).chain((place) => {
    const parameters = operation.parameters.filter(({ name, required }) => required || place[name] !== undefined)
    const body = validBody(world, operation, place)?.map(json) ?? noBody
    return fc
      .tuple(target(world, { ...operation, parameters }, place, true), body)
      .map(([to, bytes]) => plain(tokens, "admin", operation.method, to, bytes))
  })

/** A longer line may be too much for the server's limit of the whole head. */
const targetCharsMax = 8_000

/** Control characters make no header at all; a twist sends one on purpose. */
const headerText = (text: string): string => text.replaceAll(/\p{Cc}/gu, " ")
