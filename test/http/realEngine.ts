import { Effect, Layer, type Scope } from "effect"
import type { EventBus } from "../../src/bus/EventBus.ts"
import * as InlineBus from "../../src/bus/InlineBus.ts"
import { Inventory } from "../../src/http/Inventory.ts"
import type * as Server from "../../src/http/Server.ts"
import type { Engine } from "../../src/actors/Engine.ts"
import type { EventStore } from "../../src/eventstore/EventStore.ts"
import type { Job } from "../../src/sdk/Job.ts"
import { define, layerMemory, temporaryFolder } from "../support/engine.ts"
import * as Fakes from "./Fakes.ts"
import { type ServerSettings, send, server } from "./Harness.ts"

export interface World {
  readonly jobs?: ReadonlyArray<Job>
  readonly workflows?: Readonly<Record<string, object>>
  readonly settings?: ServerSettings
  /** Default: the one in the process. */
  readonly bus?: Layer.Layer<EventBus>
}

/** Read models of a log in which nothing was made. */
const noAssets = Layer.mock(Inventory, {
  list: () => Effect.succeed({ data: [], nextCursor: null }),
  totals: () => Effect.succeed(new Map()),
  outdated: () => Effect.succeed(new Map())
})

/** A real server in front of a real engine on a log in memory. */
export const served = <A, E>(
  world: World,
  body: Effect.Effect<A, E, Server.Listening | EventStore | EventBus | Scope.Scope>
) => servedIn(world, () => body)

/** `served`, with the folder that the stores are in. */
export const servedIn = <A, E>(
  { bus = InlineBus.layer({ settleMs: 200 }), jobs = [], settings = {}, workflows = {} }: World,
  body: (folder: string) => Effect.Effect<A, E, Server.Listening | EventStore | Engine | EventBus | Scope.Scope>
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const baseDir = yield* temporaryFolder
      const state = Fakes.makeState()
      const engine = Layer.effectDiscard(define(workflows)).pipe(
        Layer.provideMerge(layerMemory({ jobs, baseDir })),
        Layer.orDie
      )
      const behind = Layer.mergeAll(Fakes.reads(state), Fakes.inventory, noAssets, engine)
      return yield* Effect.provide(body(baseDir), Layer.provideMerge(server(state, behind, settings), bus))
    })
  )

export interface ShownToken {
  readonly id: string
  readonly token: string | null
  readonly prefix: string
  readonly status: string
  readonly role: string
  readonly lastUsedAt: string | null
  readonly [field: string]: unknown
}

export const tokenOf = (answer: { readonly json: Record<string, unknown> }) => answer.json.data as ShownToken

/** A token of this role, by the admin. */
export const issue = Effect.fnUntraced(function* (role: string, more: object = {}) {
  const answer = yield* send("POST", "/api/v1/admin/tokens", { body: JSON.stringify({ role, name: role, ...more }) })
  if (answer.status !== 202) throw new Error(answer.text)
  const { id, token } = tokenOf(answer)
  return { id, token: token ?? "" }
})
