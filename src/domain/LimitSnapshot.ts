import { Schema, SchemaTransformation } from "effect"
import type * as Limit from "./Limit.ts"
import * as WaitQueue from "./WaitQueue.ts"

/** Who waits, in the order of the queue: no two have the same arrival, so the order says all. */
const Queue = Schema.Array(
  Schema.Struct({ holder: Schema.String, priority: Schema.Int, arrival: Schema.Int, leaseMs: Schema.Int })
).pipe(
  Schema.decodeTo(
    Schema.declare<WaitQueue.WaitQueue>((input): input is WaitQueue.WaitQueue => isQueue(input)),
    SchemaTransformation.transform({
      decode: (entries: ReadonlyArray<WaitQueue.Entry>) => entries.reduce(WaitQueue.add, WaitQueue.empty),
      encode: WaitQueue.entries
    })
  )
)

const isQueue = (input: unknown): boolean => typeof input === "object" && input !== null && "byHolder" in input

/** A Limit's state as JSON. */
export const LimitSnapshot: Schema.Codec<Limit.State, unknown> = Schema.Struct({
  capacity: Schema.Int,
  holders: Schema.Array(Schema.Struct({ holder: Schema.String, leaseUntil: Schema.Int })),
  queue: Queue,
  arrivals: Schema.Int
})
