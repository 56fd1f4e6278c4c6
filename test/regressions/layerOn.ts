import { Context, Layer } from "effect"
import { engine } from "../../src/cli/Runtime.ts"
import { EventStore } from "../../src/eventstore/EventStore.ts"
import { LogFollower } from "../../src/eventstore/LogFollower.ts"
import { standsOf } from "../support/stands.ts"
import { type Settings, settings } from "../support/engine.ts"
import * as memoryIndex from "../support/memoryIndex.ts"
export const layerOn = (log: Context.Context<EventStore>, given: Settings) =>
  engine(settings(given)).pipe(
    Layer.provideMerge(memoryIndex.layer),
    Layer.provideMerge(LogFollower.layerMemory(standsOf(Context.get(log, EventStore)))),
    Layer.provideMerge(Layer.succeedContext(log))
  )
