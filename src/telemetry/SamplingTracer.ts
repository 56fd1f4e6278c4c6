import { Cause, Context, Exit, Option, Tracer } from "effect"
import { IsDerived, SpanIdentity } from "../eventstore/Trace.ts"
import * as Redaction from "./Redaction.ts"
import { isSampled, type Sampler } from "./Sampler.ts"

/**
 * Our own spans go to `exporter` as the sampler decides, without secrets; those of libraries and named functions are
 * passed through: what runs below them has the nearest span of ours as its parent.
 */
export const make = (exporter: Tracer.Tracer, sampler: Sampler): Tracer.Tracer =>
  Tracer.make({
    span: (options) => {
      const identity = Context.get(options.annotations, SpanIdentity)
      if (identity === null) return passThrough(options)
      const span = exporter.span({ ...options, sampled: true })
      if (identity.traceId !== undefined) Object.defineProperty(span, "traceId", { value: identity.traceId })
      if (identity.spanId !== undefined) Object.defineProperty(span, "spanId", { value: identity.spanId })
      const parentSampled = Option.isSome(options.parent) ? parentSampledOf(options.parent.value) : undefined
      const sampled = isSampled(sampler, span.traceId, parentSampled)
      Object.defineProperty(span, "sampled", { value: sampled })
      return sampled ? redacting(span) : span
    }
  })

const parentSampledOf = (parent: Tracer.AnySpan): boolean | undefined =>
  Context.get(parent.annotations, IsDerived) ? undefined : parent.sampled

type SpanOptions = Parameters<Tracer.Tracer["span"]>[0]

const transparent = Context.make(Tracer.DisablePropagation, true)

/** A span that is none: it has its parent's ids, for the log, and is skipped when a parent is looked for. */
const passThrough = ({ kind, name, parent, startTime }: SpanOptions): Tracer.Span => ({
  _tag: "Span",
  name,
  kind,
  parent,
  spanId: Option.isSome(parent) ? parent.value.spanId : "0".repeat(16),
  traceId: Option.isSome(parent) ? parent.value.traceId : "0".repeat(32),
  annotations: transparent,
  status: { _tag: "Started", startTime },
  attributes: noAttributes,
  links: [],
  sampled: false,
  end: () => {},
  attribute: () => {},
  event: () => {},
  addLinks: () => {}
})

const noAttributes: ReadonlyMap<string, unknown> = new Map()

/** What is said about a failure, or logged meanwhile, may quote an address with its password. */
const redacting = (span: Tracer.Span): Tracer.Span => {
  const end = span.end.bind(span)
  const attribute = span.attribute.bind(span)
  const event = span.event.bind(span)
  span.event = (name, startTime, attributes) =>
    event(Redaction.text(name), startTime, Redaction.deep(attributes) as typeof attributes)
  span.end = (endTime, exit) => end(endTime, Exit.isSuccess(exit) ? exit : Exit.failCause(redacted(exit.cause)))
  span.attribute = (key, value) => attribute(key, typeof value === "string" ? Redaction.text(value) : value)
  return span
}

const redacted = (cause: Cause.Cause<unknown>): Cause.Cause<unknown> => {
  if (Cause.hasInterruptsOnly(cause)) return cause
  const [first] = Cause.prettyErrors(cause)
  const error = new Error(Redaction.text(first?.message ?? "failed"))
  error.name = first?.name ?? "Error"
  if (first?.stack !== undefined) error.stack = Redaction.text(first.stack)
  return Cause.fail(error)
}
