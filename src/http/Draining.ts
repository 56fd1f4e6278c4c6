import { Context, type Deferred } from "effect"

/** Done when the server begins to stop: what would go on for ever (event streams) ends then. */
export class Draining extends Context.Service<Draining, Deferred.Deferred<void>>()("kintsugi/http/Draining") {}
