import { Context, Effect, Option, References, Tracer } from "effect"
import { hash } from "node:crypto"

/**
 * What a span of ours says to the tracer besides its name. Spans without it are those of libraries and of named
 * functions: they are far more, and are not exported.
 */
export interface Identity {
  /** The span's own id where others must know it before it has ended: 16 lower-case hex digits. */
  readonly spanId?: string
  /** The trace's id where it does not come from the span's parent: 32 lower-case hex digits. */
  readonly traceId?: string
}

export const SpanIdentity: Context.Reference<Identity | null> = Context.Reference<Identity | null>(
  "kintsugi/eventstore/Trace/SpanIdentity",
  { defaultValue: () => null }
)

/** Of a context that nobody sent: the tracer samples below it as it does at the root of a trace. */
export const IsDerived: Context.Reference<boolean> = Context.Reference<boolean>("kintsugi/eventstore/Trace/IsDerived", {
  defaultValue: () => false
})

const derived = Context.make(IsDerived, true)

/** Runs the effect inside a span that is exported when tracing is on and the trace is sampled. */
export const span =
  (name: string, options: Tracer.SpanOptions & { readonly spanId?: string } = {}) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>> => {
    const { spanId, ...rest } = options
    const annotations = Context.make(SpanIdentity, spanId === undefined ? {} : { spanId })
    return Effect.withSpan(effect, name, { ...rest, annotations, captureStackTrace: false })
  }

/** W3C trace context, version 00; undefined for anything else: as that standard demands, a trace never fails a request. */
export const parse = (traceparent: string | undefined): Tracer.ExternalSpan | undefined => {
  const parts = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(traceparent ?? "")
  if (parts === null || /^0+$/.test(parts[1]!) || /^0+$/.test(parts[2]!)) return undefined
  const sampled = (Number.parseInt(parts[3]!, 16) & 1) === 1
  return Tracer.externalSpan({ traceId: parts[1]!, spanId: parts[2]!, sampled })
}

export const format = ({ sampled, spanId, traceId }: Tracer.AnySpan): string =>
  `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`

/** The id that the span named by `parts` has in every process, before and after a crash. */
export const spanIdOf = (...parts: ReadonlyArray<string | number>): string => digest("span", parts).slice(0, 16)

/**
 * The context of an actor's own span: in the trace of whoever asked for it, else in one that its id makes. The same
 * after a crash, because both the id and the first event's metadata are in the log.
 */
export const rootOf = (category: string, actorId: string, origin: string | undefined): Tracer.ExternalSpan => {
  const spanId = spanIdOf(category, actorId)
  const asked = parse(origin)
  return asked === undefined
    ? Tracer.externalSpan({ traceId: digest("trace", [category, actorId]), spanId, annotations: derived })
    : Tracer.externalSpan({ traceId: asked.traceId, spanId, sampled: asked.sampled })
}

/** Whether spans are for anybody: the runtime's own tracer makes them and forgets them. */
export const isOn = (context: Context.Context<never>): boolean =>
  Context.get(context, References.TracerEnabled) && Context.get(context, Tracer.Tracer) !== Tracer.nativeTracer

/** The `traceparent` of the span that runs now, for messages and requests to others; undefined without a trace. */
export const current: Effect.Effect<string | undefined> = Effect.map(Effect.context<never>(), (context) => {
  if (!isOn(context)) return undefined
  const found = Context.getOption(context, Tracer.ParentSpan)
  return Option.isSome(found) && isReal(found.value) ? format(found.value) : undefined
})

/** Whether a span has ids that somebody else can use: those of a tracer that is off have not. */
export const isReal = ({ spanId, traceId }: Tracer.AnySpan): boolean =>
  /^[0-9a-f]{32}$/.test(traceId) && !/^0+$/.test(traceId) && /^[0-9a-f]{16}$/.test(spanId)

const digest = (kind: string, parts: ReadonlyArray<string | number>): string =>
  hash("sha256", JSON.stringify([kind, ...parts])).slice(0, 32)
