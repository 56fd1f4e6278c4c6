import { Effect, Layer } from "effect"
import * as Server from "../../src/http/Server.ts"
import { daily, type making } from "../backfill/days.ts"
import * as Fakes from "../http/Fakes.ts"
import { server, token } from "../http/Harness.ts"
import { define, layerMemory, temporaryFolder } from "../support/engine.ts"
import { kintsugi } from "./kintsugi.ts"

export interface World {
  readonly folder: string
  readonly url: string
  /** What names the server to a command. */
  readonly env: { readonly KINTSUGI_URL: string; readonly KINTSUGI_ADMIN_TOKEN: string }
  /** `kintsugi backfill …` with the server's address and token. */
  readonly backfill: (...args: ReadonlyArray<string>) => Effect.Effect<Awaited<ReturnType<typeof kintsugi>>>
}

/** A server with a real engine, in a data directory, while `body` goes on. */
export const served = <A, E>(
  job: ReturnType<typeof making>,
  body: (world: World) => Effect.Effect<A, E, Server.Listening>,
  workflows: Readonly<Record<string, object>> = daily
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const state = Fakes.makeState()
      const engine = Layer.effectDiscard(define(workflows)).pipe(
        Layer.provideMerge(layerMemory({ jobs: [job], baseDir: folder })),
        Layer.orDie
      )
      const context = yield* Layer.build(server(state, Layer.mergeAll(Fakes.reads(state), Fakes.inventory, engine)))
      const { url } = yield* Effect.provideContext(Server.Listening, context)
      const env = { KINTSUGI_URL: url, KINTSUGI_ADMIN_TOKEN: token }
      const backfill = (...args: ReadonlyArray<string>) =>
        Effect.promise(() => kintsugi(["backfill", ...args], { cwd: folder, env }))
      return yield* Effect.provideContext(body({ folder, url, env, backfill }), context)
    })
  )
