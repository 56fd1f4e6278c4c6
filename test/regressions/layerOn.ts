import { type Context, Layer } from "effect"
import { engine } from "../../src/cli/Runtime.ts"
import type { EventStore } from "../../src/eventstore/EventStore.ts"
import { type Settings, settings } from "../support/engine.ts"
import * as memoryIndex from "../support/memoryIndex.ts"
export const layerOn = (log: Context.Context<EventStore>, given: Settings) =>
  engine(settings(given)).pipe(Layer.provideMerge(memoryIndex.layer), Layer.provideMerge(Layer.succeedContext(log)))
