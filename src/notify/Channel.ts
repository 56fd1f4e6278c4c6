import { type Effect, Schema } from "effect"

/** What a channel is given: one notification, or a digest of many. The `id` tells a repetition. */
export interface Message {
  readonly id: string
  readonly kind: string
  readonly message: string
  readonly workflow?: string
  readonly runId?: string
  readonly stepId?: string
  readonly at: string
  readonly data: unknown
}

/** The channel did not take it now: try again later. */
export class ChannelAway extends Schema.TaggedError<ChannelAway>()("ChannelAway", {
  message: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

/** The receiver says that this very message is wrong: sending it again cannot help. */
export class MessageRefused extends Schema.TaggedError<MessageRefused>()("MessageRefused", {
  message: Schema.String
}) {}

/** A way out to people or other programs. */
export interface Channel {
  readonly name: string
  readonly perMinute: number
  readonly giveUpAfterMs: number
  readonly send: (message: Message) => Effect.Effect<void, ChannelAway | MessageRefused>
}
