/** How OTEL_TRACES_SAMPLER names it. */
export const samplerNames = [
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio"
] as const
export type SamplerName = (typeof samplerNames)[number]

export interface Sampler {
  readonly name: SamplerName
  /** For the samplers by ratio: the share of traces that are kept, 0 to 1. */
  readonly ratio: number
}

/**
 * Whether a span is recorded. By ratio it is the trace's id that decides, so every process, and each after a crash,
 * keeps or leaves the same traces whole. `parentSampled` is undefined at the root of a trace.
 */
export const isSampled = ({ name, ratio }: Sampler, traceId: string, parentSampled: boolean | undefined): boolean => {
  switch (name) {
    case "always_on":
      return true
    case "always_off":
      return false
    case "traceidratio":
      return inRatio(traceId, ratio)
    case "parentbased_always_on":
      return parentSampled ?? true
    case "parentbased_always_off":
      return parentSampled ?? false
    case "parentbased_traceidratio":
      return parentSampled ?? inRatio(traceId, ratio)
  }
}

/** The last 7 bytes of a trace id are random (W3C trace context, level 2): compared as a fraction of their range. */
const inRatio = (traceId: string, ratio: number): boolean => Number.parseInt(traceId.slice(-13), 16) < ratio * 2 ** 52
