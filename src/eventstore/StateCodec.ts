import { hash } from "node:crypto"
import { Schema } from "effect"

/** How an actor's state becomes the text of a snapshot. */
export interface StateCodec<State> {
  /** From JSON text to the state and back, without loss. */
  readonly schema: Schema.Codec<State, string>
  /** Names the shape of the text and the meaning of the events: snapshots of another one are ignored. */
  readonly hash: string
  /** False while the state is too large to be turned into text without holding up the process. */
  readonly isKept: (state: State) => boolean
}

/**
 * Codec of a state whose schema encodes to JSON. A change of the encoded shape changes the hash by itself; when `evolve`
 * comes to make another state of the same events, `revision` has to be raised.
 */
export const make = <State, Encoded>(
  schema: Schema.Codec<State, Encoded>,
  options: { readonly revision: number; readonly isKept?: (state: State) => boolean }
): StateCodec<State> => ({
  schema: Schema.fromJsonString(schema),
  hash: hash("sha256", `${options.revision}\n${JSON.stringify(Schema.toRepresentation(Schema.toEncoded(schema)))}`),
  isKept: options.isKept ?? (() => true)
})
