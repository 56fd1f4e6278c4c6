import { Context, Effect, Exit, Option, References, Tracer } from "effect"
import type { NewEvent } from "../eventstore/EventStore.ts"
import * as Trace from "../eventstore/Trace.ts"

/** What an actor's own span says once it has ended: from the request of a run or a recovery to its end. */
export interface Ended {
  readonly name: string
  readonly attributes: Readonly<Record<string, unknown>>
  /** Epoch ms. */
  readonly startedAt: number
  readonly endedAt: number
  /** The message of the failure that it ended with. */
  readonly failure?: string | undefined
}

/** Contexts of others that the log links to an actor: who else asked for it, and what resumed its steps. */
interface Linked {
  /** The step that the event is about; undefined: the actor as a whole. */
  readonly stepId: string | undefined
  readonly span: Tracer.ExternalSpan
}

/** Events that end an actor with a span of its own. */
const endTypes = /^(?:Run|Recovery)(?:Succeeded|Failed|Canceled)$/

/** Others that are linked at most: as many as a trace view shows. */
const linksMax = 64

/** For an activity: links to what resumed this step of its actor. */
export const StepLinks: Context.Reference<(stepId: string) => ReadonlyArray<Tracer.SpanLink>> = Context.Reference<
  (stepId: string) => ReadonlyArray<Tracer.SpanLink>
>("kintsugi/actors/ActorTrace/StepLinks", { defaultValue: () => () => [] })

export interface ActorTrace {
  /** What the actor's events say of traces: the first `version` of them is the stream's `firstVersion`. */
  readonly see: (events: ReadonlyArray<NewEvent>, firstVersion: number) => void
  /** The same context with the actor's trace for its activities, and its id for their log lines. */
  readonly within: <R>(context: Context.Context<R>) => Context.Context<R>
  /** The actor has ended: its own span is complete. */
  readonly end: (ended: Ended) => void
}

/**
 * The trace of one actor. It begins where the actor was asked for (`traceparent` of its first event), else with an id
 * of its own; the actor's span has an id that follows from its name. So it goes on after a crash and in another
 * process, from the log alone. Without tracing it does nothing.
 */
export const make = (category: string, actorId: string, context: Context.Context<never>): ActorTrace => {
  const isOn = Trace.isOn(context)
  const annotated = (within: Context.Context<never>) =>
    category === "run" || category === "recovery"
      ? Context.add(within, References.CurrentLogAnnotations, {
          ...Context.get(within, References.CurrentLogAnnotations),
          [`${category}Id`]: actorId
        })
      : within
  if (!isOn) return { see: () => {}, within: (given) => annotated(given) as typeof given, end: () => {} }

  const tracer = Context.get(context, Tracer.Tracer)
  const links: Array<Linked> = []
  let origin: string | undefined
  let ends = 0
  let root: Tracer.ExternalSpan | null = null

  const spanOf = (options: {
    readonly name: string
    readonly startedAt: number
    readonly identity: Trace.Identity
  }) => {
    const parent = Trace.parse(origin)
    return tracer.span({
      name: options.name,
      parent: parent === undefined ? Option.none() : Option.some(parent),
      annotations: Context.make(Trace.SpanIdentity, options.identity),
      links: links.map(({ span }) => ({ span, attributes: {} })),
      startTime: BigInt(options.startedAt) * nanosPerMilli,
      kind: "internal",
      root: parent === undefined,
      sampled: true
    })
  }

  const identity = () => {
    const { spanId, traceId } = Trace.rootOf(category, actorId, origin)
    return { spanId, traceId }
  }

  /** The context of the actor's own span, and whether the sampler keeps it. */
  const rootNow = () => {
    if (root !== null) return root
    const { sampled } = spanOf({ name: category, startedAt: 0, identity: identity() })
    root = Tracer.externalSpan({ ...identity(), sampled })
    return root
  }

  const stepLinks = (stepId: string) =>
    links.flatMap((linked) => (linked.stepId === stepId ? [{ span: linked.span, attributes: {} }] : []))

  return {
    see: (events, firstVersion) => {
      events.forEach(({ metadata, payload, type }, index) => {
        if (endTypes.test(type)) ends++
        const { traceparent } = metadata
        if (traceparent === undefined) return
        if (firstVersion + index === 1) origin = traceparent
        const span = Trace.parse(traceparent)
        if (firstVersion + index === 1 || span === undefined || links.length >= linksMax) return
        links.push({ stepId: (JSON.parse(payload) as { readonly stepId?: string }).stepId, span })
      })
    },
    within: (given) =>
      Context.add(annotated(given), Tracer.ParentSpan, rootNow()).pipe(
        Context.add(StepLinks, stepLinks)
      ) as typeof given,
    end: ({ attributes, endedAt, failure, name, startedAt }) => {
      // One that was recovered and ends again has a second span, below the first.
      const ofEnd = ends <= 1 ? identity() : { traceId: rootNow().traceId }
      const span = spanOf({ name, startedAt, identity: ofEnd })
      for (const [key, value] of Object.entries(attributes)) span.attribute(key, value)
      const exit = failure === undefined ? Exit.void : Exit.fail(new StepFailed(failure))
      span.end(BigInt(endedAt) * nanosPerMilli, exit)
    }
  }
}

/** A failure as a span tells it. */
export class StepFailed extends Error {
  override readonly name = "Failure"
  constructor(message: string) {
    super(message)
    // Where it was noticed says nothing about where it happened.
    this.stack = `Failure: ${message}`
  }
}

const nanosPerMilli = 1_000_000n

/** The metadata of a message to another actor: the trace that it belongs to. */
export const metadata: Effect.Effect<{ readonly traceparent?: string }> = Effect.map(Trace.current, (traceparent) =>
  traceparent === undefined ? {} : { traceparent }
)
