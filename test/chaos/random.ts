/** Draws that a seed repeats: what the harness does at which turn, not what the machine makes of it. */
export interface Draw {
  /** A whole number of `from` to `to`, both included. */
  readonly between: (from: number, to: number) => number
  readonly chance: (probability: number) => boolean
  readonly oneOf: <A>(values: ReadonlyArray<A>) => A
}

/** Mulberry32: 32 bits of state are plenty for a few thousand draws. */
export const draws = (seed: number): Draw => {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const between: Draw["between"] = (from, to) => from + Math.floor(next() * (to - from + 1))
  return {
    between,
    chance: (probability) => next() < probability,
    oneOf: (values) => values[between(0, values.length - 1)]!
  }
}
