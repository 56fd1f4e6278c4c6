import type { Effect, Tracer } from "effect"
import type { Append } from "./EventStore.ts"
import * as Trace from "./Trace.ts"

/** Commands that one batch is linked to at most. */
const linksMax = 32

/**
 * The write of a batch as a span, when commands of a sampled trace are in it: in the trace of the first, with links to
 * the others. A batch that nobody traces costs one look at each append's first event.
 */
export const batch = <A, E, R>(
  appends: ReadonlyArray<Append>,
  write: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const asked: Array<Tracer.ExternalSpan> = []
  for (const { events } of appends) {
    const { traceparent } = events[0].metadata
    if (traceparent === undefined || asked.length > linksMax) continue
    const span = Trace.parse(traceparent)
    if (span?.sampled === true) asked.push(span)
  }
  const [parent, ...others] = asked
  if (parent === undefined) return write
  return Trace.span("append", {
    parent,
    kind: "client",
    links: others.map((span) => ({ span, attributes: {} })),
    attributes: {
      "db.system.name": "postgresql",
      "kintsugi.append.count": appends.length,
      "kintsugi.append.events": appends.reduce((sum, { events }) => sum + events.length, 0)
    }
  })(write) as Effect.Effect<A, E, R>
}
