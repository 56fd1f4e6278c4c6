import { Schema } from "effect"

/** A store was used for the first time and marked; from then on a root without its marker is a wiped one. */
export const Event = Schema.TaggedUnion({ StoreMarked: { store: Schema.String } })
