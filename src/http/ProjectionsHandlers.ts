import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { NotFound } from "../actors/Engine.ts"
import { IllegalTransition } from "../domain/run/RunCommands.ts"
import type { Position } from "../eventstore/EventStore.ts"
import type { ProjectionNotSo, ProjectionStatus, UnknownProjection } from "../projections/ProjectionRunner.ts"
import { answer } from "./Answer.ts"
import { Api } from "./api/Api.ts"
import { Principal } from "./api/Guards.ts"
import { callerOf } from "./Command.ts"
import { ProjectionControl } from "./ProjectionControl.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "projections",
  Effect.fnUntraced(function* (handlers) {
    const control = yield* ProjectionControl
    return handlers.handleAll({
      rebuildProjection: Effect.fnUntraced(function* ({ headers, params: { name }, payload }) {
        const principal = yield* Principal
        const route = "POST /admin/projections/{name}/rebuild"
        const caller = callerOf({ principal, route, ids: [name], headers, body: payload })
        return shown(yield* answer(refused(control.rebuild(name, payload?.reason ?? "", caller))))
      }),

      skipProjectionEvent: Effect.fnUntraced(function* ({ headers, params: { name }, payload }) {
        const principal = yield* Principal
        const route = "POST /admin/projections/{name}/skip"
        const caller = callerOf({ principal, route, ids: [name], headers, body: payload })
        return shown(yield* answer(refused(control.skip(name, payload.position, payload.reason, caller))))
      })
    })
  })
)

const shown = ({ position, projection }: { projection: ProjectionStatus; position: Position }) => ({
  data: { ...projection },
  position
})

/** The words that the API has for them. */
const refused = <A, E>(command: Effect.Effect<A, E | UnknownProjection | ProjectionNotSo>) =>
  Effect.mapError(command, (error) => {
    const { _tag } = error as { readonly _tag: string }
    if (_tag === "UnknownProjection") {
      return new NotFound({ kind: "projection", id: (error as UnknownProjection).projection })
    }
    if (_tag === "ProjectionNotSo") {
      const { command, status } = error as ProjectionNotSo
      return new IllegalTransition({ command, status })
    }
    return error as Exclude<E, UnknownProjection | ProjectionNotSo>
  })
