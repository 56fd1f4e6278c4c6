import { Schema, SchemaTransformation } from "effect"
import { Finding, Scope } from "./Finding.ts"
import { CheckReason, RepairTarget, Unjudged, Unreadable } from "./IntegrityEvents.ts"
import type { State } from "./IntegrityState.ts"

const Known = Schema.Struct({
  ...Finding.fields,
  since: Schema.Int,
  count: Schema.Int,
  check: Schema.Int,
  escalated: Schema.Boolean
})

const asked = { reason: CheckReason, scope: Scope, deep: Schema.Boolean }

const Check = Schema.Struct({
  check: Schema.Int,
  ...asked,
  startedAt: Schema.Int,
  endedAt: Schema.NullOr(Schema.Int),
  cursor: Schema.NullOr(Schema.String),
  looked: Schema.Int,
  inProgress: Schema.Int,
  unreadable: Schema.Array(Unreadable),
  failed: Schema.Array(Unjudged),
  failedCount: Schema.Int,
  omitted: Schema.Int
})

const Repair = Schema.Struct({
  repair: Schema.Int,
  recheckNames: Schema.Array(Schema.String),
  reprocessNames: Schema.Array(Schema.String),
  targets: Schema.Array(RepairTarget),
  requestedAt: Schema.Int
})

type Entries<A> = ReadonlyArray<readonly [string, A]>

/** A map as its entries, in their order. */
const byKey = <A>(value: Schema.Codec<A, A>) =>
  Schema.Array(Schema.Tuple([Schema.String, value])).pipe(
    Schema.decodeTo(
      Schema.ReadonlyMap(Schema.String, value),
      SchemaTransformation.transform({
        decode: (entries: Entries<A>): ReadonlyMap<string, A> => new Map(entries),
        encode: (map: ReadonlyMap<string, A>): Entries<A> => [...map]
      })
    )
  )

/** The state as JSON. */
export const IntegritySnapshot: Schema.Codec<State, unknown> = Schema.Struct({
  checks: Schema.Int,
  generation: Schema.Int,
  queued: Schema.NullOr(Schema.Struct({ ...asked, at: Schema.Int })),
  running: Schema.NullOr(Check),
  last: Schema.NullOr(Check),
  wholeAt: Schema.NullOr(Schema.Int),
  repairs: Schema.Int,
  repair: Schema.NullOr(Repair),
  repairAwaited: Schema.NullOr(Schema.Struct({ check: Schema.Int, claim: Schema.NullOr(Schema.String) })),
  findings: byKey(Known),
  past: byKey(Schema.Struct({ count: Schema.Int, at: Schema.Int }))
})
