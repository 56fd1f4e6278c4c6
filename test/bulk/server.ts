import { Effect, Layer } from "effect"
import type * as Server from "../../src/http/Server.ts"
import { TokenUses } from "../../src/projections/TokenUses.ts"
import { defineJob, PermanentFailure } from "../../src/index.ts"
import * as Fakes from "../http/Fakes.ts"
import { send, server } from "../http/Harness.ts"
import { stepFor } from "../support/chainApp.ts"
import { define, layerMemory, type Scenario, temporaryFolder, until } from "../support/engine.ts"
import * as Lists from "./lists.ts"

/** The job `load` fails while it is broken, and waits for ever while it is slow; `wait` is tried again in an hour. */
export const world = { broken: true, slow: false }

export const jobs = [
  defineJob({
    slug: "load",
    run: async (ctx) => {
      if (world.broken) throw new PermanentFailure({ message: "no such table" })
      if (world.slow) {
        await new Promise((_, reject) => ctx.signal.addEventListener("abort", () => reject(new Error("aborted"))))
      }
    }
  }),
  defineJob({
    slug: "wait",
    run: async (ctx) => {
      if (ctx.attempt === 1) throw new Error("not yet")
    }
  })
]
const inAnHour = { maxAttempts: 3, strategy: "fixed", initialDelayMs: 3_600_000, maxDelayMs: 3_600_000, jitter: "none" }
export const workflows = {
  w: { steps: [stepFor("load")] },
  other: { steps: [stepFor("load")] },
  waits: { steps: [stepFor("wait", { retryPolicy: inAnHour })] }
}

/** A real server in front of a real engine, with lists straight from its log. */
export const served = <A, E>(
  body: Effect.Effect<A, E, Server.Listening | Fakes.Behind>,
  given: Pick<Scenario, "jobs" | "workflows"> = { jobs, workflows }
) =>
  Effect.scoped(
    Effect.gen(function* () {
      Object.assign(world, { broken: true, slow: false })
      const baseDir = yield* temporaryFolder
      const state = Fakes.makeState()
      const engine = Layer.effectDiscard(define(given.workflows)).pipe(
        Layer.provideMerge(layerMemory({ jobs: given.jobs, baseDir })),
        Layer.orDie
      )
      const behind = Lists.layer(state).pipe(
        Layer.provideMerge(Layer.mergeAll(Fakes.inventory, TokenUses.layerMemory, engine))
      )
      return yield* Effect.provide(body, server(state, behind))
    })
  )

export const post = (path: string, body: unknown = {}, headers: Record<string, string> = {}) =>
  send("POST", `/api/v1/${path}`, { body: JSON.stringify(body), headers })
export type Shown = { readonly id: string; readonly status: string } & Record<string, unknown>
export const dataOf = ({ json }: { readonly json: Record<string, unknown> }) => json.data as Shown
export const read = (path: string) => Effect.map(send("GET", `/api/v1/${path}`), dataOf)
export const is = (path: string, ...statuses: ReadonlyArray<string>) =>
  until(read(path), ({ status }) => statuses.includes(status), `${path} that is ${statuses.join(" or ")}`)

/** Starts so many runs, and waits until each has this status. */
export const runs = (workflow: string, count: number, status: string) =>
  Effect.forEach(Array.from({ length: count }), () =>
    Effect.gen(function* () {
      const { id } = dataOf(yield* post(`workflows/${workflow}/run`))
      yield* is(`runs/${id}`, status)
      return id
    })
  )

/** A bulk operation once it is over. */
export const bulk = Effect.fnUntraced(function* (body: object) {
  const asked = yield* post("bulk", { ratePerSecond: 100, ...body })
  if (asked.status !== 202) throw new Error(asked.text)
  return yield* is(`bulk/${dataOf(asked).id}`, "succeeded", "failed", "canceled")
})
