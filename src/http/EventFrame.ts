import type { RecordedEvent } from "../eventstore/EventStore.ts"
import { viewOf } from "./EventShape.ts"

/** An event as one server-sent event, under its position. */
export const frame = (event: RecordedEvent): string =>
  `id: ${event.position}\nevent: ${event.type}\ndata: ${JSON.stringify(viewOf(event))}\n\n`
