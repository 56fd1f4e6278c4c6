import { setTimeout } from "node:timers/promises"

/** What a slow instrument or a slow network would cost; ends early when the attempt is to end. */
export const pause = async (delayMs: number, signal: AbortSignal): Promise<void> => {
  if (delayMs > 0) await setTimeout(delayMs, undefined, { signal })
}

/** `stepDelayMs`: how long a step stops after its first read, in ms; default 0. */
export interface Paced {
  readonly stepDelayMs: number
}
