import { createHash } from "node:crypto"

/** A number in [0, 1) that depends on its seed alone, so that the same day or file always gets the same data. */
export const seeded = (...seed: ReadonlyArray<string | number>): number =>
  createHash("sha256").update(JSON.stringify(seed)).digest().readUInt32LE(0) / 2 ** 32

/** One of the choices, by the seed. */
export const chosen = <A>(choices: readonly [A, ...ReadonlyArray<A>], ...seed: ReadonlyArray<string | number>): A =>
  choices[Math.floor(seeded(...seed) * choices.length)] ?? choices[0]
