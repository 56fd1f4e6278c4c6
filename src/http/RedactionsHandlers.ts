import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { CommandReused, InvalidInput, NotFound, Unavailable } from "../actors/Engine.ts"
import { IllegalTransition } from "../domain/run/RunCommands.ts"
import { EventStore, type Metadata } from "../eventstore/EventStore.ts"
import { type NotRedactable, Redactions } from "../projections/Redactions.ts"
import { answer } from "./Answer.ts"
import { Api } from "./api/Api.ts"
import { Principal } from "./api/Guards.ts"
import { callerOf } from "./Command.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "redactions",
  Effect.fnUntraced(function* (handlers) {
    const redactions = yield* Redactions
    const log = yield* EventStore
    return handlers.handleAll({
      redact: Effect.fnUntraced(function* ({ headers, payload }) {
        const principal = yield* Principal
        const caller = callerOf({ principal, route: "POST /admin/redact", ids: [], headers, body: payload })
        const { commandId, requestHash } = caller
        const command = Effect.gen(function* () {
          const before = commandId === undefined ? null : yield* log.findCommand(commandId)
          if (before !== null && before.metadata.requestHash !== requestHash) {
            return yield* new CommandReused({ commandId: commandId! })
          }
          // A repetition finds the values gone, and so changes nothing.
          const { position, ...data } = yield* redactions.redact(payload, caller as Metadata)
          return { data, position: before?.position ?? position }
        })
        return yield* answer(Effect.mapError(command, refused))
      })
    })
  })
)

/** The words that the API has for them. */
const refused = <E extends { readonly _tag: string }>(error: E | NotRedactable) => {
  if (error._tag === "AppendRefused") return new Unavailable({ message: (error as unknown as Error).message })
  if (error._tag !== "NotRedactable") return error as Exclude<E, { readonly _tag: "AppendRefused" }>
  const { kind, message, path } = error as NotRedactable
  if (kind === "missing") return new NotFound({ kind: "event", id: message })
  if (kind === "busy") return new IllegalTransition({ command: "redact", status: "active" })
  return new InvalidInput({ problems: [{ path, message }] })
}
