import type { AssetRef } from "../../domain/Failure.ts"
import type { Location } from "../../domain/Location.ts"
import type { ObservedRead } from "../../domain/Production.ts"
import type { Writer } from "../RecentWrites.ts"

/** Reads that one attempt may record; more are not remembered. */
const readsMax = 1_000

/** A part of a declared input, and the input that it belongs to. */
export interface InputPart extends Location {
  readonly ref: AssetRef
}

/** What one attempt did through its capabilities. Once it is closed nothing is written any more (DESIGN, section 5). */
export interface Attempt {
  readonly isOpen: () => boolean
  readonly close: () => void
  readonly writes: Map<string, Location>
  readonly reads: Map<string, ObservedRead>
  /** The step of the run that this is an attempt of. */
  readonly writer: Writer
  /** From 1. */
  readonly number: number
  /** Recorded parts of the declared inputs, by `store/key`. */
  readonly inputParts: ReadonlyMap<string, InputPart>
  readonly noteWrite: (location: Location) => void
  readonly noteRead: (store: string, key: string) => void
}

export const locationKey = (store: string, key: string): string => `${store}/${key}`

/** `noted` is told of every write. */
export const make = (
  writer: Writer,
  number: number,
  inputParts: ReadonlyMap<string, InputPart>,
  noted: (writer: Writer, location: Location) => void
): Attempt => {
  let open = true
  const writes = new Map<string, Location>()
  const reads = new Map<string, ObservedRead>()
  return {
    isOpen: () => open,
    close: () => {
      open = false
    },
    writes,
    reads,
    writer,
    number,
    inputParts,
    noteWrite: (location) => {
      writes.set(locationKey(location.store, location.key), location)
      noted(writer, location)
    },
    // Declared inputs are recorded as such, and what the attempt wrote itself is no input.
    noteRead: (store, key) => {
      const name = locationKey(store, key)
      if (inputParts.has(name) || writes.has(name) || reads.size >= readsMax) return
      reads.set(name, { store, key })
    }
  }
}
