import { setFlagsFromString } from "node:v8"

/**
 * Imported for its effect, before anything else allocates. V8 allocates among the old what is made at a place in the
 * code whose first hundred objects lived long; at a start those are the fibers that never end, and from then on what
 * every short one made was kept until the next full collection, with all that it pointed to (docs/adr/0013).
 */
setFlagsFromString("--no-allocation-site-pretenuring")
