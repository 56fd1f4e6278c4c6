import { Context, Effect, Layer } from "effect"
import { type Caller, CommandReused, Unavailable } from "../actors/Engine.ts"
import {
  type Appended,
  type AppendRefused,
  EventStore,
  type LogUnavailable,
  type Metadata,
  type Position
} from "../eventstore/EventStore.ts"
import {
  type ProjectionNotSo,
  ProjectionRunner,
  type ProjectionStatus,
  type UnknownProjection
} from "../projections/ProjectionRunner.ts"

type Commanded = Effect.Effect<
  { readonly projection: ProjectionStatus; readonly position: Position },
  UnknownProjection | ProjectionNotSo | CommandReused | Unavailable | LogUnavailable
>

/** What an operator can do to a read model. A command that came before under its key is answered and not repeated. */
export class ProjectionControl extends Context.Service<
  ProjectionControl,
  {
    readonly rebuild: (name: string, reason: string, caller: Caller) => Commanded
    readonly skip: (name: string, position: Position, reason: string, caller: Caller) => Commanded
  }
>()("kintsugi/http/ProjectionControl") {
  static readonly layer: Layer.Layer<ProjectionControl, never, ProjectionRunner | EventStore> = Layer.effect(
    ProjectionControl,
    Effect.gen(function* () {
      const runner = yield* ProjectionRunner
      const log = yield* EventStore

      const once = (
        name: string,
        { commandId, requestHash }: Caller,
        command: Effect.Effect<Appended, UnknownProjection | ProjectionNotSo | LogUnavailable | AppendRefused>
      ): Commanded =>
        Effect.gen(function* () {
          const before = commandId === undefined ? null : yield* log.findCommand(commandId)
          if (before !== null && before.metadata.requestHash !== requestHash) {
            return yield* new CommandReused({ commandId: commandId! })
          }
          const { position } = before ?? (yield* command)
          const projection = (yield* runner.status).find((status) => status.name === name)!
          return { projection, position }
        }).pipe(Effect.catchTag("AppendRefused", ({ message }) => Effect.fail(new Unavailable({ message }))))

      return ProjectionControl.of({
        rebuild: (name, reason, caller) =>
          once(name, caller, runner.requestRebuild(name, { reason, metadata: metadataOf(caller) })),
        skip: (name, position, reason, caller) =>
          once(name, caller, runner.skip(name, position, { reason, metadata: metadataOf(caller) }))
      })
    })
  )
}

const metadataOf = (caller: Caller): Metadata =>
  Object.fromEntries(Object.entries(caller).filter(([, value]) => value !== undefined)) as Metadata
